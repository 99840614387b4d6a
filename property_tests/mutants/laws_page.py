# SPDX-License-Identifier: BSL-1.0
"""Checks that docs/laws.md has a section for each law of the catalogue, and none for another.

A section is headed by the law's id and short name, opens with its sentence, and names its parents and
its mutants; what else it says (why, what breaks it) is its own.
"""
import re
import subprocess
import sys

program, page = sys.argv[1:3]
text = open(page, encoding="utf-8").read()
sections = dict(re.findall(r"^### (.+)\n((?:(?!^#).*\n?)*)", text, flags=re.M))
complaints = []
known = set()
for line in subprocess.run([program, "--list"], check=True, capture_output=True,
                           text=True).stdout.splitlines():
    law, name, sentence, parents, *mutants = line.split("\t")
    heading = f"{law} ({name})"
    known.add(heading)
    if heading not in sections:
        complaints.append(f"no section '### {heading}'")
        continue
    body = sections[heading]
    if not body.lstrip("\n").startswith(f"**{sentence}**\n"):
        complaints.append(f"{law} does not open with **{sentence}**")
    rests = f"Rests on: {', '.join(parents.split())}." if parents else ""
    if rests and rests not in body or not rests and "Rests on:" in body:
        complaints.append(f"{law} does not say '{rests}'")
    told = re.findall(r"^Mutants: (.+)\.$", body, flags=re.M)
    if told != ["; ".join(mutants)]:
        complaints.append(f"{law} does not say 'Mutants: {'; '.join(mutants)}.'")
    if not re.search(r"^Why: .+", body, flags=re.M) or not re.search(r"^Broken by: .+", body, flags=re.M):
        complaints.append(f"{law} lacks its 'Why:' or its 'Broken by:'")
complaints += [f"section '### {heading}' is of no law" for heading in set(sections) - known]
print("\n".join(complaints))
sys.exit(1 if complaints else 0)
