# SPDX-License-Identifier: BSL-1.0
"""The README's code blocks are regions of the examples: checks that they still are, or (--write) puts them in.

A block follows a line `<!-- block FILE -->`; its region stands between two `// [readme]` lines of FILE.
After `<!-- output FILE -->` follows all of FILE, which is what a program printed.
"""
import pathlib
import re
import sys
import textwrap

root = pathlib.Path(__file__).resolve().parents[2]
readme = root / "README.md"
output = re.compile(r"<!-- output (\S+) -->\n```text\n(.*?)```", re.S)
block = re.compile(r"<!-- block (\S+) -->\n```cpp\n(.*?)```", re.S)


def region(name):
    parts = re.split(r"^ *// \[readme\]\n", (root / name).read_text(), flags=re.M)
    if len(parts) != 3:
        sys.exit(f"{name}: needs two lines '// [readme]'")
    return textwrap.dedent(parts[1]).strip("\n") + "\n"


before = readme.read_text()
after = block.sub(lambda m: f"<!-- block {m[1]} -->\n```cpp\n{region(m[1])}```", before)
after = output.sub(
    lambda m: f"<!-- output {m[1]} -->\n```text\n{(root / m[1]).read_text().rstrip()}\n```", after)
if not block.search(before):
    sys.exit("README.md: no block found")
if "--write" in sys.argv:
    readme.write_text(after)
elif before != after:
    sys.exit("README.md: a block differs from its example; run tests/structure/readme_blocks.py --write")
