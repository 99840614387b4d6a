#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Writes the three files that follow from the header tree; with --check, only compares them.

They are cmake/headers.cmake (what is installed), include/holdfast/holdfast.hpp (the umbrella) and
single_include/holdfast/holdfast.hpp (the single header).
"""
import sys

import amalgamate
import tree

HEADERS_CMAKE = tree.ROOT / "cmake" / "headers.cmake"
UMBRELLA = tree.INCLUDE_DIR / tree.UMBRELLA
SINGLE = tree.ROOT / "single_include" / "holdfast" / "holdfast.hpp"


def headers_cmake():
    listed = "\n".join(f"    include/{header}" for header in tree.headers())
    return ("# SPDX-License-Identifier: BSL-1.0\n"
            "# Every public header. Written by cmake/update_headers.py, compared by a test.\n"
            f"set(HOLDFAST_HEADERS\n{listed})\n")


def umbrella():
    included = "\n".join(f'#include "{header}"' for header in tree.umbrella_headers())
    return ("// SPDX-License-Identifier: BSL-1.0\n"
            "// All of holdfast that needs no client library. Written by cmake/update_headers.py.\n"
            "#ifndef HOLDFAST_HOLDFAST_HPP\n"
            "#define HOLDFAST_HOLDFAST_HPP\n\n"
            f"{included}\n\n#endif\n")


def update(path, text, check):
    """True if the file is as it should be, which without `check` it always is afterwards."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return True
    if check:
        print(f"{path.relative_to(tree.ROOT)} does not follow the headers: run ./dev single")
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path.relative_to(tree.ROOT)}")
    return True


def main():
    check = "--check" in sys.argv[1:]
    same = update(UMBRELLA, umbrella(), check)  # first: the other two contain it
    same = update(HEADERS_CMAKE, headers_cmake(), check) and same
    same = update(SINGLE, amalgamate.single_header(tree.UMBRELLA), check) and same
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
