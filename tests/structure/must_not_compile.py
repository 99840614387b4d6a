#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Proves that a program does not compile, for the reason it states, and that its control does.

The source's leading comment lines state what is expected:
    // expect: <regular expression>    one or more; each must match the compiler's output
    // errors: <count>                 optional; exactly that many lines with `error:`
The same source with -DHOLDFAST_CONTROL must compile (looked at with --control, which one compiler
of several does): then it is the misuse that fails, and nothing else. The compiler runs under a
time-out, because a misuse that hangs it helps nobody.
"""
import argparse
import os
import re
import subprocess
import sys

ERROR = re.compile(r"\b(?:fatal )?error: ")


def read_expectations(path):
    patterns, count = [], None
    with open(path, encoding="utf-8") as source:
        for line in source:
            if not line.startswith("//"):
                break
            if match := re.match(r"// expect: (.*\S)", line):
                patterns.append(match.group(1))
            elif match := re.match(r"// errors: (\d+)\s*$", line):
                count = int(match.group(1))
    return patterns, count


def compile_source(options, extra):
    command = [options.compiler, *options.flags, *extra, "-std=c++20", "-fsyntax-only",
               "-fdiagnostics-color=never", options.source]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace",
                              timeout=options.timeout, env={**os.environ, "LC_ALL": "C"})
    except subprocess.TimeoutExpired:
        sys.exit(f"{options.source}: the compiler did not end within {options.timeout} s")
    if done.returncode < 0 or "internal compiler error" in done.stderr:
        sys.exit(f"{options.source}: the compiler crashed\n{done.stderr}")
    return done.returncode, done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--control", action="store_true")
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("flags", nargs="*")
    options = parser.parse_args()

    patterns, count = read_expectations(options.source)
    if not patterns:
        sys.exit(f"{options.source}: states no `// expect:`")

    if options.control:
        status, output = compile_source(options, ["-DHOLDFAST_CONTROL"])
        if status != 0:
            sys.exit(f"{options.source}: the control does not compile\n{output}")

    status, output = compile_source(options, [])
    if status == 0:
        sys.exit(f"{options.source}: compiles, and must not")
    errors = [line for line in output.splitlines() if ERROR.search(line)]
    for pattern in patterns:
        if not re.search(pattern, output):
            sys.exit(f"{options.source}: nothing matches `{pattern}`\n{output}")
    if count is not None and len(errors) != count:
        listed = "\n".join(errors)
        sys.exit(f"{options.source}: {len(errors)} errors, not {count}\n{listed}")


main()
