#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Bad homes, full disks, strange names, trees that change: a clear error or a right answer."""
import json
import os
import pty
import resource
import shutil
import sqlite3
import subprocess
import threading
import time

from recon_lib import Skip, as_nobody, count, counts_of, fingerprint, main, make_tree, same, says


def an_unwritable_home(recon, scratch):
    nobody = as_nobody()
    tree, home = make_tree(scratch / "tree", 100), scratch / "home"
    recon.build(tree, home)
    before = fingerprint(home)
    _, err = recon.run("reprocess", tree, "--home", home, prefix=nobody, expect=3)
    says(err, "permission denied", home)
    _, err = recon.run("reprocess", tree, "--home", scratch / "new", prefix=nobody, expect=3)
    says(err, "permission denied", scratch / "new")
    for command in (["status"], ["summary", tree], ["histogram"], ["container", "1"], ["verify"]):
        recon.run(*command, "--home", home, prefix=nobody)
    same(fingerprint(home), before, "the generations")
    return "reprocess refused, five questions answered"


def a_home_or_tree_that_is_none(recon, scratch):
    tree = make_tree(scratch / "tree", 10)
    (scratch / "file").write_text("mine")
    _, err = recon.run("reprocess", tree, "--home", scratch / "file", expect=3)
    says(err, scratch / "file", "not a folder")
    same((scratch / "file").read_text(), "mine", "the file")
    _, err = recon.run("reprocess", scratch / "nowhere", "--home", scratch / "home", expect=3)
    says(err, scratch / "nowhere")
    _, err = recon.run("reprocess", scratch / "file", "--home", scratch / "home", expect=3)
    says(err, scratch / "file")
    assert not (scratch / "home").exists(), "a home was made for nothing"
    for command in (["status"], ["verify"], ["summary", "/"]):
        _, err = recon.run(*command, "--home", scratch / "home", expect=3)
        says(err, scratch / "home")
    assert not (scratch / "home").exists(), "a home was made by asking"
    return "each named"


def the_command_line(recon, scratch):
    wrong = ["", "nonsense", "status", "status x --home h", "reprocess --home h", "status --home",
             "status --home h --nonsense", "status --home h --json=1", "container x --home h",
             "chaos /usr --home h --kills many", "chaos /usr --home h --kills=-1",
             "verify --home h --control nonsense"]
    for words in wrong:
        _, err = recon.run(*words.split(), expect=2, cwd=scratch)
        assert err.startswith("recon: "), err
    says(recon.run("--help")[0], "Exit codes", "reprocess")
    says(recon.run("chaos", "--help")[0], "--kills")
    tree = make_tree(scratch / "tree", 10)
    recon.run("reprocess", f"--home={scratch / 'home'}", "--max-files=4", "--", tree)
    same(recon.ask("verify", home=scratch / "home")["files"], 4, "files read with --max-files=4")
    return f"{len(wrong)} wrong ones refused"


def a_full_disk(recon, scratch):
    small, large, disk = make_tree(scratch / "small", 50), scratch / "large", scratch / "disk"
    large.mkdir()
    for _ in range(20000):
        (large / os.urandom(60).hex()).touch()
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk],
                             stderr=subprocess.PIPE, check=False)
    if mounted.returncode != 0:
        raise Skip("mounting a small disk is not allowed here")
    try:
        home = disk / "home"
        recon.build(small, home, "--grace-ms", "0")
        before = recon.ask("status", home=home)
        kept = fingerprint(home)
        for _ in range(2):
            _, err = recon.run("reprocess", large, "--home", home, "--grace-ms", "0", expect=3)
            says(err.lower(), "no space")
        same(recon.ask("verify", home=home)["generation"], before["generation"], "generation")
        same(fingerprint(home), kept, "what lies in the home")
        # Full to the last byte: answers go on, a build is refused, and room brings it back.
        with open(disk / "filler", "wb", buffering=0) as filler:
            for size in (65536, 4096, 1):
                try:
                    while filler.write(b"x" * size):
                        pass
                except OSError:
                    pass
        recon.run("verify", "--home", home)
        recon.run("reprocess", small, "--home", home, expect=3)
        recon.run("verify", "--home", home)
        (disk / "filler").unlink()
        built = recon.build(small, home, "--grace-ms", "0")
        same(recon.ask("verify", home=home)["generation"], built["generation"], "with room again")
        return "refused three times, the old generation served, then built"
    finally:
        subprocess.run(["umount", disk], check=True)


def two_builders_at_once(recon, scratch):
    tree, home = make_tree(scratch / "tree", 600), scratch / "home"
    recon.build(tree, home)
    first = recon.start("reprocess", tree, "--home", home, "--json", "--slow-us", "6000")
    while recon.ask("status", home=home)["attempt"] == 0 and first.poll() is None:
        time.sleep(0.02)
    same(recon.ask("status", home=home)["builder_pid"], first.pid, "the builder")
    _, err = recon.run("reprocess", tree, "--home", home, expect=3)
    says(err, "held by", first.pid)
    recon.run("recover", "--home", home)  # leaves a build that lives alone
    recon.run("verify", "--home", home)
    assert first.poll() is None, "the first build was over too soon"
    out, err = first.communicate()
    same(first.returncode, 0, err.decode())
    same(json.loads(out)["generation"], 2, "the first build")
    return "the second named the first and left it alone"


def names_of_any_bytes(recon, scratch):
    root = os.fsencode(scratch / "tree")
    names = [b"plain", b"\xff\xfe bytes", b"line\nbreak", b'quote"back\\slash', "späß".encode(),
             b"\x01", b"n" * 255, b"'; DROP TABLE origin; --", b"-rf", b" "]
    for name in names:
        os.makedirs(os.path.join(root, name))
        with open(os.path.join(root, name, name), "wb") as file:
            file.write(name * 10)
    home = scratch / "home"
    recon.build(scratch / "tree", home)
    for name in names:
        summary = recon.run("summary", "--home", home, "--json", "--", os.fsdecode(name))[0]
        same((summary["files"], summary["bytes"]), (1, 10 * len(name)), name)
        same(os.fsencode(summary["path"]), name, "the name in JSON")
    paths = {os.fsencode(key["path"]) for key in recon.ask("container", "1", home=home)["keys"]}
    same(paths, {name + b"/" + name for name in names}, "the names of the container")
    verified = recon.ask("verify", home=home)
    same(verified["files"], len(names), "files")
    return f"{len(names)} names came back byte for byte"


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))


def paths_longer_than_any_limit(recon, scratch):
    tree, home = scratch / "tree", scratch / "home"
    tree.mkdir()
    here = os.open(tree, os.O_RDONLY)
    for _ in range(40):
        os.mkdir("d" * 250, dir_fd=here)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    recon.build(tree, home)
    path = "/".join(["d" * 250] * 40)
    same(recon.ask("summary", path, home=home)["files"], 1, "files at the end of the path")
    same(counts_of(recon.ask("summary", tree, home=home))["directories"], 40, "folders")
    recon.run("verify", "--home", home)
    # Deeper than descriptors may be open: what is below is told as skipped, the rest adds up.
    built = recon.build(tree, home, preexec_fn=few_descriptors)
    assert built["skipped"]["failed"] == 1, built["skipped"]
    recon.run("verify", "--home", home)
    return f"{len(path)} bytes; with few descriptors the rest is told as skipped"


def an_empty_tree(recon, scratch):
    tree, home = scratch / "tree", scratch / "home"
    tree.mkdir()
    for _ in range(2):
        recon.build(tree, home)
        same(counts_of(recon.ask("summary", tree, home=home)), count(tree), "an empty tree")
        same(recon.ask("histogram", home=home)["bins"], [], "its histogram")
        recon.run("verify", "--home", home)
    recon.run("container", "1", "--home", home, expect=3)
    return "built twice, all zero, right"


def folders_that_may_not_be_read(recon, scratch):
    nobody = as_nobody()
    tree = make_tree(scratch / "tree", 50)
    closed = tree / "volume1" / "closed"
    closed.mkdir()
    (closed / "hidden").write_text("hidden")
    closed.chmod(0)
    home = scratch / "homes" / "home"
    home.parent.mkdir()
    home.parent.chmod(0o777)
    built = recon.build(tree, home, prefix=nobody)
    same(built["skipped"]["denied"], 1, "denied")
    says(built["skipped"]["examples"][0], "volume1/closed")
    same(built["files"], 50, "files that can be seen")
    recon.run("verify", "--home", home)
    return "told, the rest counted"


def a_tree_that_changes_while_it_is_read(recon, scratch):
    tree, home = make_tree(scratch / "tree", 1500), scratch / "home"
    over = threading.Event()

    def change():
        number = 0
        while not over.is_set():
            number += 1
            for i in range(20):
                folder = tree / f"volume{i % 7}" / f"coming{i}"
                folder.mkdir(exist_ok=True)
                (folder / f"file{number}").write_text("x" * number)
            for i in range(20):
                shutil.rmtree(tree / f"volume{i % 7}" / f"coming{i}", ignore_errors=True)

    changer = threading.Thread(target=change)
    changer.start()
    vanished = 0
    try:
        for _ in range(12):
            built = recon.build(tree, home, "--slow-us", "20")
            vanished += built["skipped"]["vanished"]
            assert built["files"] >= 1500, built["files"]
            verified = recon.ask("verify", home=home)
            same(verified["files"], built["files"], "files")
    finally:
        over.set()
        changer.join()
    return f"12 builds, each adds up; {vanished} entries vanished before their turn"


def a_home_inside_the_tree(recon, scratch):
    tree = make_tree(scratch / "tree", 30)
    wanted = count(tree)
    for _ in range(2):
        recon.build(tree, tree / "home")
        summary = recon.ask("summary", tree, home=tree / "home")
        same(counts_of(summary), wanted, "the tree without its home")
    return "leaves itself out"


def foreign_things_are_left_alone(recon, scratch):
    tree, home = make_tree(scratch / "tree", 30), scratch / "home"
    recon.build(tree, home)
    mine = home / "stats" / "0000000000000000077x"
    mine.mkdir()
    (home / "keys" / "notes.txt").write_text("mine")
    for _ in range(4):
        recon.build(tree, home, "--grace-ms", "0", "--retain", "1")
    same((home / "keys" / "notes.txt").read_text(), "mine", "a foreign file")
    assert mine.is_dir(), "a foreign folder is gone"
    same([path.name for path in (home / "keys").iterdir() if path.name.isdigit()], ["0000000005"],
         "generations after four builds that retain one")
    return "kept, while old generations went"


def tampering_is_found(recon, scratch):
    """verify goes by the rows: it finds what the sizes of the files don't tell."""
    tree, home = make_tree(scratch / "tree", 200), scratch / "home"
    recon.build(tree, home)
    statements = ["UPDATE file_size_histogram SET files = files + 1 WHERE rowid = 1",
                  "UPDATE table_count SET count = count - 1 WHERE name = 'bytes' AND count > 0",
                  "UPDATE table_count SET count = count + 1 WHERE name = 'symlinks'",
                  "DELETE FROM file_size_histogram WHERE rowid = 2",
                  "UPDATE origin SET run = 7"]
    for statement in statements:
        shutil.rmtree(scratch / "copy", ignore_errors=True)
        shutil.copytree(home, scratch / "copy", symlinks=True)
        database = sqlite3.connect(scratch / "copy/stats/0000000001/data.sqlite3")
        database.execute(statement)
        database.commit()
        database.close()
        told = recon.ask("verify", home=scratch / "copy", expect=1)
        assert told["differences"] and not told["right"], told
    # The RocksDB of another generation under this one's name.
    recon.build(make_tree(scratch / "other", 100), home)
    shutil.rmtree(home / "keys/0000000002")
    shutil.copytree(home / "keys/0000000001", home / "keys/0000000002")
    recon.run("verify", "--home", home, expect=3)
    return f"{len(statements)} changed rows and a store of another generation"


def progress_on_a_terminal(recon, scratch):
    tree, home = make_tree(scratch / "tree", 600), scratch / "home"
    _, plain = recon.run("reprocess", tree, "--home", home, "--slow-us", "500")
    assert "\r" not in plain and plain.startswith("read 6"), plain
    ours, theirs = pty.openpty()
    build = subprocess.Popen([recon.path, "reprocess", tree, "--home", home, "--slow-us", "1000"],
                             stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    drawn = b""
    try:
        while part := os.read(ours, 4096):
            drawn += part
    except OSError:  # how a terminal says that nobody writes any more
        pass
    os.close(ours)
    same(build.wait(), 0, "the build")
    bars = drawn.count(b"reading [")
    assert bars >= 3 and b"###" in drawn, drawn
    return f"{bars} bars on a terminal, plain lines elsewhere"


if __name__ == "__main__":
    main([an_unwritable_home, a_home_or_tree_that_is_none, the_command_line, a_full_disk,
          two_builders_at_once, names_of_any_bytes, paths_longer_than_any_limit, an_empty_tree,
          folders_that_may_not_be_read, a_tree_that_changes_while_it_is_read,
          a_home_inside_the_tree, foreign_things_are_left_alone, tampering_is_found,
          progress_on_a_terminal], __doc__)
