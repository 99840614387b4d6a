# SPDX-License-Identifier: BSL-1.0
"""The README's code blocks are regions of the examples: checks that they still are, or (--write) puts them in.

A block follows a line `<!-- block FILE -->`; its region stands between two `// [readme]` lines of FILE.
"""
import pathlib
import re
import sys
import textwrap

root = pathlib.Path(__file__).resolve().parents[2]
readme = root / "README.md"
block = re.compile(r"<!-- block (\S+) -->\n```cpp\n(.*?)```", re.S)


def region(name):
    parts = re.split(r"^ *// \[readme\]\n", (root / name).read_text(), flags=re.M)
    if len(parts) != 3:
        sys.exit(f"{name}: needs two lines '// [readme]'")
    return textwrap.dedent(parts[1]).strip("\n") + "\n"


before = readme.read_text()
after = block.sub(lambda m: f"<!-- block {m[1]} -->\n```cpp\n{region(m[1])}```", before)
if not block.search(before):
    sys.exit("README.md: no block found")
if "--write" in sys.argv:
    readme.write_text(after)
elif before != after:
    sys.exit("README.md: a block differs from its example; run tests/structure/readme_blocks.py --write")
