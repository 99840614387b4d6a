# SPDX-License-Identifier: BSL-1.0
"""Makes one header of many: ours inlined once, in include order; others' included once.

The result holds no path of a machine and no date, so it is the same byte for byte each time. The
include guards stay: a program may include the single header and, beside it, one from the tree.
"""
import re

import tree

CONDITIONAL = re.compile(r"^\s*#\s*(if|ifdef|ifndef|endif)\b")
SPDX = "// SPDX-License-Identifier:"
OPENING = f"""\
{SPDX} BSL-1.0
// holdfast in one file. Written by cmake/update_headers.py; change the headers, not this.
"""


class Amalgam:
    def __init__(self):
        self.inlined = set()  # own headers already in the text
        self.included = set()  # others' headers already included where every reader passes
        self.text = [OPENING]

    def add(self, header):
        if header in self.inlined:
            return
        self.inlined.add(header)
        # Ours first, wherever the header names them: what they include counts as seen before.
        for included in tree.own_includes(header):
            self.add(included)
        body = []
        depth = 0  # 1 inside the include guard; above that, an include may not be reached
        for line in tree.lines(header):
            if match := CONDITIONAL.match(line):
                depth += -1 if match.group(1) == "endif" else 1
            if tree.OWN_INCLUDE.match(line):
                if depth > 1:
                    raise SystemExit(f"{header} includes one of ours conditionally")
            elif not line.startswith(SPDX) and not self.repeats(line, depth):
                body.append(line)
        self.text.append(f"// {'-' * 12} {header}\n" + squeeze(body))

    def repeats(self, line, depth):
        """True for an include that has been seen; remembers one that every reader passes."""
        match = tree.OTHER_INCLUDE.match(line)
        if not match or depth > 1:
            return False
        seen = match.group(1) in self.included
        self.included.add(match.group(1))
        return seen


def squeeze(body):
    """Joins the lines, with no two empty ones together: taking includes out leaves holes."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(body).strip("\n") + "\n")


def single_header(umbrella):
    amalgam = Amalgam()
    amalgam.add(umbrella)
    return "\n".join(amalgam.text)
