# SPDX-License-Identifier: BSL-1.0
"""Asks log_doctor about whole, torn and damaged logs: its words, its exit codes, and what it leaves."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

program = pathlib.Path(sys.argv[1]) / "log_doctor"


def run(*arguments, code, text=None):
    done = subprocess.run([program, *map(str, arguments)], input=text, capture_output=True, text=True)
    if done.returncode != code:
        sys.exit(f"log_doctor {arguments}: exit {done.returncode}, not {code}\n{done.stdout}{done.stderr}")
    return done.stdout


def seen(*arguments, code):
    return json.loads(run(*arguments, "--json", code=code))


def check(what, good):
    if not good:
        sys.exit(f"log_doctor: {what}")


def files(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def framed(home):
    log = home / "log"
    run("append", log, code=0, text="one\ntwo\n")
    run("append", log, code=0, text="three\n")
    check("three records", seen("check", log, code=0)["records"] == 3)
    segment = log / ("0" * 20 + ".seg")
    whole = segment.read_bytes()

    # A torn tail: looked at, planned, repaired as planned, once.
    segment.write_bytes(whole + b"torn")
    before = files(log)
    plan = seen("plan", log, code=1)
    check("a torn tail", plan["verdict"] == "torn tail" and files(log) == before)
    run("check", log, "--recovery", "refuse", code=2)
    run("repair", log, "--fingerprint", int(plan["fingerprint"]) ^ 1, code=2)
    run("repair", log, "--recovery", "refuse", code=2)
    check("what was refused touched nothing", files(log) == before)
    repaired = seen("repair", log, "--fingerprint", plan["fingerprint"], code=1)
    check("four bytes are cut", repaired["segments"][0]["cut_bytes"] == 4)
    check("and set aside", any(content == b"torn" for content in files(log).values()))
    check("what was kept is as it was", segment.read_bytes() == whole)
    run("repair", log, code=0)

    # Damage in the first record: refused, salvaged, and set aside.
    (log / (segment.name + ".point")).unlink()
    damaged = bytearray(whole)
    damaged[4096 + 41] ^= 1
    segment.write_bytes(damaged)
    check("damage", seen("check", log, code=2)["verdict"] == "damage")
    run("repair", log, code=2)
    check("a refusal touches nothing", segment.read_bytes() == damaged)
    run("repair", log, "--recovery", "salvage", code=1)
    check("salvage leaves the bytes in place", segment.read_bytes()[: len(damaged)] == damaged)
    run("repair", log, "--recovery", "quarantine", code=1)
    check("nothing is left", seen("check", log, code=0)["records"] == 0)
    check("but set aside", any(bytes(damaged[64:]) == content[: len(damaged) - 64]
                               for content in files(log).values()))

    (log / "notes.txt").write_text("mine")
    check("other names are told", seen("check", log, code=0)["foreign"] == ["notes.txt"])


def leveldb(home):
    log = home / "000003.log"
    run("append", log, "--format", "leveldb", code=0, text="one\n" + "x" * 40000 + "\n")
    check("two records", seen("check", log, "--format", "leveldb", code=0)["records"] == 2)
    whole = log.read_bytes()
    log.write_bytes(whole[:-1])
    check("one holds", seen("repair", log, "--format", "leveldb", code=1)["records"] == 1)
    check("cut before the record", log.read_bytes() == whole[:10])
    run("index", log, "--format", "leveldb", code=2)
    check("dumped", run("dump", log, "--format", "leveldb", code=0) == "0 at 0, 3 bytes: one\n")


def segments(home):
    """A log of some segments: indexes, records from a number on, many at once, and its progress."""
    log = home / "many"
    run("append", log, "--segment-size", 1, code=0, text="".join(f"line {i}\n" for i in range(8)))
    check("eight segments", len(list(log.glob("*.seg"))) == 8)
    check("indexes are made", seen("index", log, "--every", 1, code=1)["indexed"] == 7)
    check("once", seen("index", log, code=0)["indexed"] == 0)
    (log / ("0" * 19 + "3.seg.index")).write_bytes(b"rot")
    check("and again where one rots", seen("index", log, code=1)["indexed"] == 1)
    lines = run("dump", log, "--from", 6, "--json", code=0).splitlines()
    check("the last two", [json.loads(line)["text"] for line in lines] == ["line 6", "line 7"])

    alone = seen("check", log, code=0)
    check("many at once find the same", seen("check", log, "--jobs", 3, code=0) == alone)
    watched = subprocess.run([program, "check", log, "--progress"], capture_output=True, text=True)
    check("progress is told", watched.stderr.endswith("8 of 8 segments\n"))
    check("to nobody else", "of 8 segments" not in watched.stdout)

    check("nothing has rotted", seen("scrub", log, code=0)["segments"] == 7)
    replica = home / "replica"
    shutil.copytree(log, replica)
    damaged = log / ("0" * 19 + "5.seg")
    content = bytearray(damaged.read_bytes())
    content[4096 + 41] ^= 1
    damaged.write_bytes(content)
    planned = seen("plan", log, "--recovery", "salvage", "--jobs", 2, code=1)
    check("what would be done", [one["action"] for one in planned["segments"]]
          == ["none"] * 5 + ["skip"] + ["none"] * 2)
    before = files(log)
    run("repair", log, "--fingerprint", alone["fingerprint"], "--recovery", "salvage", code=2)
    check("an old plan is not applied", files(log) == before)
    run("repair", log, "--fingerprint", planned["fingerprint"], "--recovery", "salvage", code=1)
    check("what holds before the damage is printed",
          len(run("dump", log, "--recovery", "salvage", code=1).splitlines()) == 5)

    check("rot is found", [one["base"] for one in seen("scrub", log, code=2)["rot"]] == [5])
    other = home / "other"
    run("append", other, "--segment-size", 1, code=0, text="line\n" * 8)
    check("another log is no replica", seen("mend", log, "--replica", other, code=2)["mended"][0]["left"])
    check("nor is it taken for one", damaged.read_bytes() == content)
    (log / ("0" * 19 + "2.seg")).unlink()
    mended = seen("mend", log, "--replica", replica, code=1)["mended"]
    check("one was missing, one damaged", [one["was_missing"] for one in mended] == [True, False])
    check("as in the replica", all((log / name).read_bytes() == whole
                                   for name, whole in files(replica).items() if name.endswith(".seg")))
    check("all is well", seen("check", log, "--recovery", "refuse", code=0)["records"] == 8)
    run("mend", log, "--replica", replica, code=0)


def kafka(home):
    log = home / ("0" * 20 + ".log")
    run("append", log, "--format", "kafka", code=0, text="one\ntwo\n")
    whole = log.read_bytes()
    check("two batches", seen("check", log, "--format", "kafka", code=0)["records"] == 2)
    log.write_bytes(whole[:-1])
    check("one holds", seen("repair", log, "--format", "kafka", code=1)["records"] == 1)
    check("cut before the batch", whole.startswith(log.read_bytes()) and log.stat().st_size < len(whole))
    check("dumped", run("dump", log, "--format", "kafka", code=0).count("\n") == 1)


with tempfile.TemporaryDirectory() as folder:
    framed(pathlib.Path(folder))
    segments(pathlib.Path(folder))
    leveldb(pathlib.Path(folder))
    kafka(pathlib.Path(folder))
    run("check", pathlib.Path(folder) / "missing", code=2)
run("repair", code=2)
run("check", "x", "--format", "other", code=2)
