#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Proves that a header compiles alone, included twice, without a warning."""
import argparse
import subprocess
import sys

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--header", required=True, help="as one includes it")
    parser.add_argument("flags", nargs="*")
    options = parser.parse_args()

    text = f'#include "{options.header}"\n' * 2 + "int main() {}\n"
    command = [options.compiler, "-std=c++20", *WARNINGS, *options.flags, "-fsyntax-only", "-x",
               "c++", "-"]
    done = subprocess.run(command, input=text, text=True, capture_output=True, timeout=120)
    print(done.stderr)
    sys.exit(1 if done.returncode != 0 else 0)


main()
