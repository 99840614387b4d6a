#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Readers in other processes see whole generations while builds switch and are killed.

HOLDFAST_SOAK=1 makes it 200 kills and a real tree.
"""
import json
import os
import signal
import subprocess
import sys
import time

from recon_lib import as_nobody, main, make_tree, same

SOAK = os.environ.get("HOLDFAST_SOAK") == "1"


def watching(recon, home, *words, prefix=()):
    return recon.start("watch", "--home", home, "--json", "--seconds", "600", *words, prefix=prefix)


def stop(process):
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    return json.loads(out), process.returncode


def twenty_switches_between_different_trees(recon, scratch):
    trees = [make_tree(scratch / f"tree{i}", 400 + 90 * i) for i in range(4)]
    home = scratch / "home"
    recon.build(trees[0], home)
    reader = watching(recon, home)
    time.sleep(0.3)
    for i in range(1, 21):
        recon.build(trees[i % 4], home)
    time.sleep(0.2)
    saw, code = stop(reader)
    same((saw["failed"], saw["mixed"], saw["backwards"], code), (0, 0, 0, 0), "what went wrong")
    assert 5 <= saw["switches"] <= 20, saw["switches"]
    same(saw["generation"], 21, "the last generation seen")
    return f"{saw['answers']} answers through 20 switches: 0 failed, 0 mixed"


def kills(recon, home, tree, number, *words):
    chaos = recon.start("chaos", tree, "--home", home, "--kills", str(number), "--json", "--quiet",
                        *words)
    out, err = chaos.communicate(timeout=900)
    return json.loads(out), chaos.returncode, err.decode()


def the_controls_fail_what_holdfast_passes(recon, scratch):
    tree = make_tree(scratch / "tree", 1500)
    told = []
    for control in ("clear", "renames", "holdfast"):
        home = scratch / control
        recon.build(tree, home, "--control", control)
        reader = watching(recon, home, "--control", control)
        time.sleep(0.3)
        result, code, err = kills(recon, home, tree, 24, "--control", control)
        saw, seen = stop(reader)
        bad = saw["failed"] + saw["mixed"] + result["bad_restarts"]
        told.append(f"{control}: {saw['failed']} failed, {saw['mixed']} mixed, "
                    f"{result['bad_restarts']} bad restarts")
        if control == "holdfast":
            same((bad, code, seen), (0, 0, 0), told[-1] + err)
        else:
            assert saw["failed"] + saw["mixed"] > 0 and seen == 1, "the reader passed " + told[-1]
            assert result["bad_restarts"] > 0 and code == 1, "the restarts passed " + told[-1]
    return "; ".join(told)


def every_kill_leaves_the_old_or_the_new(recon, scratch):
    tree = "/usr/include" if SOAK else make_tree(scratch / "tree", 1500)
    number = 200 if SOAK else 48
    home = scratch / "home"
    result, code, err = kills(recon, home, tree, number)
    wrong = [each for each in result["each"] if each["problems"]]
    same((wrong, code), ([], 0), f"problems {err}")
    phases = {phase["phase"]: phase["kills"] for phase in result["phases"]}
    same(set(phases), {"open", "build", "seal", "commit", "publish", "collection"}, "phases")
    assert min(phases.values()) >= number // 10, phases
    recon.run("verify", "--home", home)
    return f"{result['kills']} kills {phases}; slowest opening {result['slowest_open_ms']:.0f} ms"


READ_PUBLISHED = """
import json, sqlite3, sys
path, until, last, reads, seen, errors = sys.argv[1], int(sys.argv[2]), 0, 0, set(), []
while last != until and len(errors) < 5:
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        run, = db.execute("SELECT run FROM origin").fetchone()
        files, = db.execute("SELECT sum(files) FROM file_size_histogram").fetchone()
        counted, = db.execute("SELECT sum(count) FROM table_count WHERE name = 'files'").fetchone()
        db.close()
        if run < last: errors.append(f"generation {run} after {last}")
        if files != counted: errors.append(f"{files} files and {counted} counted")
        last = run
        seen.add(run)
    except sqlite3.Error as error:
        errors.append(str(error))
    reads += 1
print(json.dumps([reads, len(seen), errors]))
"""


def a_foreign_reader_of_the_published_name(recon, scratch):
    trees = [make_tree(scratch / "a", 60), make_tree(scratch / "b", 90)]
    home = scratch / "home"
    recon.build(trees[0], home)
    reader = subprocess.Popen([sys.executable, "-c", READ_PUBLISHED,
                               os.fspath(home / "stats/current.sqlite3"), "101"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    for i in range(1, 101):
        recon.build(trees[i % 2], home, "--retain", "1")
    out, _ = reader.communicate(timeout=60)
    reads, generations, errors = json.loads(out)
    same(errors, [], "errors of the foreign reader")
    assert generations > 20, generations
    return (f"{reads} reads by Python's sqlite3 over 100 switches, {generations} generations seen, "
            "0 errors")


def a_reader_that_stays_keeps_its_generation(recon, scratch):
    tree, home = make_tree(scratch / "tree", 300), scratch / "home"
    recon.build(tree, home)
    reader = watching(recon, home, "--stay")
    time.sleep(0.5)

    def generations():
        return sorted(int(path.name) for path in (home / "keys").iterdir() if path.name.isdigit())

    for _ in range(4):
        recon.build(tree, home, "--retain", "1", "--grace-ms", "0")
    same(generations(), [1, 5], "what is left while somebody reads the first")
    same(recon.ask("status", home=home)["retiring"][:1], [1], "what waits to be dropped")
    saw, code = stop(reader)
    same((saw["failed"], saw["mixed"], saw["generation"], code), (0, 0, 1, 0), "what the reader saw")
    recon.run("recover", "--home", home, "--grace-ms", "0")
    same(generations(), [5], "what is left when nobody does")
    return f"{saw['answers']} answers from generation 1 through four switches, then it was dropped"


def status_as_anyone_disturbs_no_build(recon, scratch):
    nobody = as_nobody()
    tree, home = make_tree(scratch / "tree", 1000), scratch / "home"
    recon.build(tree, home)
    build = recon.start("reprocess", tree, "--home", home, "--json", "--slow-us", "2000")
    reader = watching(recon, home, prefix=nobody)
    asked, attempts = 0, set()
    while build.poll() is None:
        status = recon.ask("status", home=home, prefix=nobody)
        same(status["generation"] in (1, 2), True, "the generation")
        attempts.add(status["attempt"])
        recon.run("verify", "--home", home, prefix=nobody)
        asked += 1
    out, err = build.communicate()
    same(build.returncode, 0, err.decode())
    same(json.loads(out)["generation"], 2, "the generation built")
    assert asked > 5 and 2 in attempts, (asked, attempts)
    saw, code = stop(reader)
    same((saw["failed"], saw["mixed"], code), (0, 0, 0), "answers to nobody")
    return (f"{asked} times status and verify, {saw['answers']} answers, all as nobody, "
            "during one build")


if __name__ == "__main__":
    main([twenty_switches_between_different_trees, the_controls_fail_what_holdfast_passes,
          every_kill_leaves_the_old_or_the_new, a_foreign_reader_of_the_published_name,
          a_reader_that_stays_keeps_its_generation,
          status_as_anyone_disturbs_no_build], __doc__)
