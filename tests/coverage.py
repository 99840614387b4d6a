#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Prints how many branches of the headers were taken, file by file, from what llvm-cov exports.

A branch is one way out of one condition in the source. Templates are judged as they are written:
a way counts as taken if any instantiation takes it. A condition in a macro belongs to the line that
uses the macro. Left out: backends and what is for tests; comparisons that the compiler writes
(`= default`), which have no condition of ours; the failing way of an assert, which ends the program.
The commit and recover paths must be complete.

  llvm-cov export ... | coverage.py [--missed]     --missed lists every way that was not taken
"""
import collections
import functools
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
NO_CONDITION = re.compile(r"= default;|\bassert\(")
INCLUDE = ROOT / "include" / "holdfast"
LEFT_OUT = ("backend/", "testing/")
GOAL = 90.0
COMPLETE = ("staged/core.hpp", "staged/keeper.hpp")


def places(function):
    """For each file number of a function: the (file number, line, column) that expands to it."""
    return {region[6]: (region[5], region[0], region[1])
            for region in function["regions"] if region[7] == 1}


def root_of(number, line, column, expansions):
    """Where in a real file the code is that ends up at this place, through any macros."""
    seen = [(line, column)]
    while number in expansions:
        number, line, column = expansions[number]
        seen.append((line, column))
    return number, line, tuple(seen)


def count(export):
    """{header: {(line, place): [times true, times false]}}"""
    found = collections.defaultdict(lambda: collections.defaultdict(lambda: [0, 0]))
    source = functools.cache(lambda path: path.read_text(encoding="utf-8").splitlines())
    for function in export["data"][0]["functions"]:
        expansions = places(function)
        for line, column, _, _, true, false, number, *_ in function["branches"]:
            number, line, place = root_of(number, line, column, expansions)
            path = pathlib.Path(function["filenames"][number])
            if not path.is_relative_to(INCLUDE):
                continue
            header = path.relative_to(INCLUDE).as_posix()
            if header.startswith(LEFT_OUT) or NO_CONDITION.search(source(path)[line - 1]):
                continue
            ways = found[header][line, place]
            ways[0] += true
            ways[1] += false
    return found


def main():
    found = count(json.load(sys.stdin))
    missed = collections.defaultdict(list)
    everything = taken = 0
    for header in sorted(found):
        for (line, _), ways in sorted(found[header].items()):
            missed[header] += [f"{line} {word}" for word, times in zip(("true", "false"), ways)
                               if times == 0]
        all_ways = 2 * len(found[header])
        everything += all_ways
        taken += all_ways - len(missed[header])
        rate = 100 * (all_ways - len(missed[header])) / all_ways
        print(f"{header:32} {all_ways:5} branches {len(missed[header]):4} not taken {rate:6.1f} %")
        if "--missed" in sys.argv[1:]:
            for way in missed[header]:
                print(f"    {header}:{way}")
    rate = 100 * taken / everything
    print(f"branches: {taken} of {everything} taken, {rate:.1f} %")
    incomplete = [header for header in COMPLETE if missed[header]]
    if incomplete:
        print(f"not complete: {', '.join(incomplete)}")
    sys.exit(1 if rate < GOAL or incomplete else 0)


main()
