#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Checks the tree against its plan: floors, std headers, shape of files. One check a run."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "cmake"))
import floors  # noqa: E402
import tree  # noqa: E402

SPDX = "SPDX-License-Identifier: BSL-1.0"
LONGEST_HEADER = 400


def within(header):
    return header.removeprefix("holdfast/")


def check_floors():
    """Includes only run down the floors, rooms do not see each other, and nothing goes round."""
    for header in tree.headers():
        if floors.place(within(header)) is None:
            yield f"{header}: the plan (tests/structure/floors.py) has no floor for it"
            continue
        for line in tree.lines(header):
            if re.match(r'\s*#\s*include\s+"(?!holdfast/)', line):
                yield f"{header}: {line.strip()} does not say holdfast/"
        for used in tree.own_includes(header):
            if not (tree.INCLUDE_DIR / used).exists():
                yield f"{header}: includes {used}, which does not exist"
            elif floors.place(within(used)) is None:
                continue  # reported where it is the header
            elif not floors.may_include(within(header), within(used)):
                yield f"{header}: may not include {used}, which is not below it"
            elif header in tree.reachable(used):
                yield f"{header}: includes {used}, which includes it again"


def check_std_headers():
    """Each floor includes only the std headers listed for it; other headers only where they belong."""
    for header in tree.headers():
        if floors.place(within(header)) is None:
            continue
        allowed = floors.std_allowed(within(header))
        for name in tree.other_includes(header):
            owners = next((users for prefix, users in floors.FOREIGN.items()
                           if name.startswith(prefix)), None)
            if owners is not None:
                if not any(within(header).startswith(owner) for owner in owners):
                    yield f"{header}: <{name}> belongs in {', '.join(owners)} alone"
            elif name not in allowed:
                why = "is too heavy for" if name in floors.HEAVY else "is not listed for"
                yield f"{header}: <{name}> {why} its floor (tests/structure/floors.py)"


def sources():
    """Every file of ours that can carry a licence line."""
    for folder in ("benchmarks", "cmake", "examples", "include", "property_tests", "single_include",
                   "tests"):
        for path in sorted((tree.ROOT / folder).rglob("*")):
            if path.suffix in (".hpp", ".cpp", ".cmake", ".py") or path.name == "CMakeLists.txt":
                yield path
    yield from (tree.ROOT / name for name in ("CMakeLists.txt", "dev", ".ci/run"))


def check_shape():
    """Every file opens with its licence and purpose; a header has its guard and is not too long."""
    for path in sources():
        name = path.relative_to(tree.ROOT)
        text = path.read_text(encoding="utf-8").splitlines()
        if text and text[0].startswith("#!"):
            text = text[1:]
        if len(text) < 2 or not text[0].endswith(SPDX):
            yield f"{name}: does not open with its SPDX line"
        elif not re.match(r'(//|#|""")\s*\S', text[1]):
            yield f"{name}: the line after the licence does not say its purpose"
    for header in tree.headers():
        text = tree.lines(header)
        guard = re.sub(r"\W", "_", header).upper()
        if f"#ifndef {guard}" not in text or f"#define {guard}" not in text:
            yield f"{header}: its guard is not {guard}"
        if len(text) > LONGEST_HEADER:
            yield f"{header}: {len(text)} lines, more than {LONGEST_HEADER}"


CHECKS = {"floors": check_floors, "std_headers": check_std_headers, "shape": check_shape}


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in CHECKS:
        sys.exit(f"usage: check_tree.py {'|'.join(CHECKS)}")
    complaints = list(CHECKS[sys.argv[1]]())
    print("\n".join(complaints))
    sys.exit(1 if complaints else 0)


main()
