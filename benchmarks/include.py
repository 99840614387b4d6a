#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Times what it costs to include each public header, against an empty file and <boost/outcome.hpp>.

Figures are processor time of g++ in milliseconds over an empty file, the least of several runs, so
that other work on the machine counts little. --json prints one object a line.
"""
import json
import pathlib
import resource
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "cmake"))
import tree  # noqa: E402

RUNS = 3
PEERS = ["boost/outcome.hpp", "range/v3/all.hpp", "range/v3/view/transform.hpp", "fmt/core.h",
         "immintrin.h", "memory", "atomic"]
# What most programs include anyway.
COMMON = ["memory", "string", "vector", "chrono"]
# The goals, as parts of what <boost/outcome.hpp> costs.
FACADES = ["holdfast/staged.hpp", "holdfast/snapshot.hpp", "holdfast/recoverable.hpp",
           "holdfast/log.hpp"]
GOAL, GOAL_AFTER_COMMON, GOAL_UMBRELLA = 0.75, 0.3, 1.2


def processor_seconds(text):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(["g++", "-std=c++20", "-fsyntax-only", f"-I{ROOT / 'include'}", "-x",
                           "c++", "-"], input=text, text=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        return None  # its library is not here
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cost(headers):
    text = "".join(f"#include <{header}>\n" for header in headers)
    taken = [processor_seconds(text) for _ in range(RUNS)]
    return None if None in taken else min(taken) * 1000


def show(row, ms, reference, goal=None):
    if ms is None:
        return
    ratio = ms / reference
    if "--json" in sys.argv:
        print(json.dumps({"row": row, "unit": "ms", "ours": round(ms, 1), "goal": goal,
                          "ratio_to_goal_base": round(ratio, 3),
                          "met": None if goal is None else ratio <= goal}), flush=True)
        return
    verdict = "" if goal is None else f"   goal <= {goal:<5} {'met' if ratio <= goal else 'NOT MET'}"
    print(f"{row:<52} {ms:7.0f} ms {ratio:7.3f} x <boost/outcome.hpp>{verdict}", flush=True)


def main():
    empty = cost([])
    over_empty = {peer: value - empty for peer in PEERS if (value := cost([peer])) is not None}
    if "boost/outcome.hpp" not in over_empty:
        raise SystemExit("there is no <boost/outcome.hpp> to compare with")
    reference = over_empty["boost/outcome.hpp"]
    for peer, ms in over_empty.items():
        show(f"<{peer}>", ms, reference)
    common = cost(COMMON)
    for header in tree.headers():
        if header.startswith(("holdfast/detail/", "holdfast/testing/")):
            continue  # nobody includes these for their own sake, or where it counts
        ms = cost([header])
        if ms is None:
            continue
        goal = GOAL if header in FACADES else GOAL_UMBRELLA if header == tree.UMBRELLA else None
        show(header, ms - empty, reference, goal)
        if header in FACADES:
            show(f"{header} after {', '.join(COMMON)}", cost([*COMMON, header]) - common, reference,
                 GOAL_AFTER_COMMON)


main()
