# SPDX-License-Identifier: BSL-1.0
"""Runs the example of a store of one's own: its output is the one kept, and its reports are well-formed.

`own_store_output.py BIN --write` keeps what it prints now. The README's block is that file.
"""
import json
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as xml

root = pathlib.Path(__file__).resolve().parents[2]
program = pathlib.Path(sys.argv[1]) / "own_store"
kept = root / "examples/own_store/output.txt"


def output(*arguments):
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


def check(what, good):
    if not good:
        sys.exit(f"own_store: {what}")


text = output()
if "--write" in sys.argv:
    kept.write_text(text, encoding="utf-8")
check("the output differs from examples/own_store/output.txt", text == kept.read_text(encoding="utf-8"))

# Two objects, one after the other.
decoder = json.JSONDecoder()
rest, reports = output("--json"), []
while rest.strip():
    report, end = decoder.raw_decode(rest.lstrip())
    reports.append(report)
    rest = rest.lstrip()[end:]
good, bad = reports
check("the good store keeps its laws", {law["outcome"] for law in good["laws"]} == {"held"})
broken = [law for law in bad["laws"] if law["outcome"] == "broken"]
check("the planted bug breaks B1", [law["id"] for law in broken] == ["HF-STORE-001"])
check("the report names the crash", "power cut after" in broken[0]["report"])

for document, report in zip(output("--junit").split("<?xml")[1:], reports):
    suites = xml.fromstring(("<?xml" + document).encode())
    suite = suites.find("testsuite")
    cases = suite.findall("testcase")
    failures = suite.findall("testcase/failure")
    skipped = suite.findall("testcase/skipped")
    for node in (suites, suite):
        check("JUnit counts its cases", (int(node.get("tests")), int(node.get("failures")),
                                         int(node.get("skipped")), int(node.get("errors")))
              == (len(cases), len(failures), len(skipped), 0))
        check("JUnit has a time", float(node.get("time")) >= 0)
    check("JUnit has a case for each law", len(cases) == len(report["laws"]))
    check("every case has a name, a class and a time",
          all(case.get("name") and case.get("classname") and case.get("time") for case in cases))
    check("a failure has a type, a message and a text",
          all(f.get("type") and f.get("message") and f.text for f in failures))
