#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Proves that an observer costs nothing where nobody observes: telling an event becomes no code.

The optimised assembly of telling the real world is a bare return, that of telling a listening world
is not; and nothing in the library tells a world otherwise.
"""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TELLS = {"world.hpp", "report/observer.hpp"}


def instructions(assembly, function):
    """Those of a function, without directives, labels, and the mark of an indirect branch's target."""
    body = re.search(rf"^{function}:[^\n]*\n(.*?)^\s*\.(?:cfi_endproc|size\s+{function})", assembly, re.M | re.S)
    if body is None:
        sys.exit(f"{function} is not in the assembly")
    lines = (re.sub(r"[#;].*", "", line).strip() for line in body.group(1).splitlines())
    code = [line for line in lines if line and not line.startswith(".") and not line.endswith(":")]
    return [line for line in code if line not in ("endbr64", "bti c")]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("flags", nargs="*")
    options = parser.parse_args()
    command = [options.compiler, *options.flags, "-std=c++20", "-O2", "-S", "-o", "-",
               str(ROOT / "tests/structure/unheard.cpp")]
    assembly = subprocess.run(command, text=True, stdout=subprocess.PIPE, timeout=120, check=True).stdout
    nobody, somebody = instructions(assembly, "tell_nobody"), instructions(assembly, "tell_somebody")
    if nobody not in (["ret"], ["retq"]):
        sys.exit("telling nobody is code:\n" + "\n".join(nobody))
    if not any("Listening2on" in line for line in somebody):
        sys.exit("telling somebody is no call:\n" + "\n".join(somebody))

    include = ROOT / "include" / "holdfast"
    for header in sorted(include.rglob("*.hpp")):
        within = str(header.relative_to(include))
        if within in TELLS or within.startswith("testing/"):
            continue
        for line in header.read_text(encoding="utf-8").splitlines():
            if re.search(r"\w\.on\(", line):
                sys.exit(f"{within} tells a world past detail::tell: {line.strip()}")


main()
