# SPDX-License-Identifier: BSL-1.0
"""Reads the header tree: what there is, what each header includes, which need a client library."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE_DIR = ROOT / "include"
UMBRELLA = "holdfast/holdfast.hpp"

# What is written "holdfast/x.hpp" is ours; what stands in angle brackets is somebody else's.
OWN_INCLUDE = re.compile(r'^\s*#\s*include\s+"(holdfast/[^"]+)"')
OTHER_INCLUDE = re.compile(r"^\s*#\s*include\s+<([^>]+)>")

# The client libraries, by the headers that only they have.
CLIENT_HEADERS = {"sqlite": re.compile(r"^sqlite3\.h$"), "rocksdb": re.compile(r"^rocksdb/"),
                  "lmdb": re.compile(r"^lmdb\.h$")}

# Not for the umbrella: what users opt into.
OPT_IN = re.compile(r"^holdfast/(testing/|ranges\.hpp$|fmt\.hpp$)")


def headers():
    """Every public header, as one includes it, in one fixed order."""
    found = (path.relative_to(INCLUDE_DIR).as_posix() for path in INCLUDE_DIR.rglob("*.hpp"))
    return sorted(found)


def lines(header):
    return (INCLUDE_DIR / header).read_text(encoding="utf-8").splitlines()


def own_includes(header):
    return [match.group(1) for line in lines(header) if (match := OWN_INCLUDE.match(line))]


def other_includes(header):
    return [match.group(1) for line in lines(header) if (match := OTHER_INCLUDE.match(line))]


def reachable(header, seen=None):
    """The header and all of ours that it includes, directly or not."""
    seen = set() if seen is None else seen
    if header not in seen:
        seen.add(header)
        for included in own_includes(header):
            if (INCLUDE_DIR / included).exists():
                reachable(included, seen)
    return seen


def clients(header):
    """The client libraries without which the header does not compile."""
    every = [name for own in reachable(header) for name in other_includes(own)]
    return sorted(client for client, pattern in CLIENT_HEADERS.items()
                  if any(pattern.match(name) for name in every))


def umbrella_headers():
    """What the umbrella includes: every header that costs no client library and no opting in."""
    return [header for header in headers()
            if header != UMBRELLA and not OPT_IN.match(header) and not clients(header)]
