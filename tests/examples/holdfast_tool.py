#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""holdfast_tool on homes of recon: each planted damage is named, and what it offers helps."""
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import time

from recon_lib import Skip, as_nobody, main, make_tree, same, says

SLOT = 4096


class Tool:
    """The program beside recon, in a copy that every user can run."""

    def __init__(self, scratch):
        places = (pathlib.Path(sys.argv[1]) / "holdfast_tool",
                  pathlib.Path(sys.argv[1]) / "bin/holdfast_tool")
        found = [path for path in places if path.exists()]
        if not found:
            sys.exit(f"there is no holdfast_tool in {sys.argv[1]}")
        self.path = str(scratch / "holdfast_tool")
        shutil.copy2(found[0], self.path)
        os.chmod(self.path, 0o755)

    def run(self, *words, expect=0, prefix=(), **more):
        """(standard output, standard error)"""
        words = [str(word) for word in words]
        done = subprocess.run([*prefix, self.path, *words], stdin=subprocess.DEVNULL, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **more)
        out, err = done.stdout.decode(), done.stderr.decode()
        if done.returncode != expect:
            raise AssertionError(f"holdfast_tool {' '.join(words)} gave {done.returncode}, not "
                                 f"{expect}: {err}{out}")
        return out, err

    def ask(self, *words, **more):
        return json.loads(self.run(*words, "--json", **more)[0])


def codes(told, attention=None):
    return {one["code"] for one in told["findings"] if attention in (None, one["attention"])}


def next_of(told, code):
    return next(one["next"] for one in told["findings"] if one["code"] == code)


def traces(root):
    """What any write would change: names, inodes, sizes, times, contents."""
    all_of = {}
    for path in [root, *sorted(root.rglob("*"))]:
        s = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        all_of[str(path)] = (s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns, content)
    return all_of


def make_home(recon, scratch, builds=3, name="home"):
    """Generations 2 and 3 retained and 1 gone, of two parts."""
    tree, home = make_tree(scratch / "tree", 120), scratch / name
    for _ in range(builds):
        recon.build(tree, home, "--grace-ms", "0")
    recon.run("recover", "--home", home, "--grace-ms", "0")  # takes what was dropped out of the record
    return tree, home


def copy_of(home, at):
    shutil.rmtree(at, ignore_errors=True)
    subprocess.run(["cp", "-a", home, at], check=True)
    return at


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)


def flip_every_slot(home):
    for slot in range(16):
        flip(home / "CURRENT", slot * SLOT + 17)
        flip(home / "CURRENT", slot * SLOT + 70)


def every_slot_of_a_newer_format(home):
    ring = bytearray((home / "CURRENT").read_bytes())
    for at in range(0, len(ring), SLOT):
        length = struct.unpack_from("<I", ring, at + 20)[0]  # offsets: detail/ring.hpp
        if not any(ring[at + 8:at + 16]):
            continue
        struct.pack_into("<I", ring, at + 16, 2)
        crc = crc32c(bytes(ring[at:at + 56]) + bytes(ring[at + 64:at + 64 + length]))
        struct.pack_into("<I", ring, at + 56, crc)
    (home / "CURRENT").write_bytes(ring)


def current_elsewhere(home):
    (home / "CURRENT").rename(home.parent / "elsewhere")
    (home / "CURRENT").symlink_to(home.parent / "elsewhere")


def only_the_hint(home):
    (home / "CURRENT").unlink()
    shutil.rmtree(home / "keys")
    shutil.rmtree(home / "stats")


def truncate(path, size):
    with open(path, "r+b") as file:
        file.truncate(size)


def name(home, folder):
    (home / "keys/current").unlink()
    (home / "keys/current").symlink_to(folder)


def newest(home, part="stats", g=3):
    return home / part / f"{g:010}"


def plants(older):
    """(name, how it is done, the finding, does it need attention, words of the next step)."""
    def replace_by_older(home):
        (home / "CURRENT").write_bytes(older)

    def older_and_no_hint(home):
        replace_by_older(home)
        (home / "CURRENT.hint").unlink()

    lost = ["rebuild-register"]
    back = ["revert", " 2"]
    return [
        ("nothing", lambda h: None, None, False, []),
        ("CURRENT deleted", lambda h: (h / "CURRENT").unlink(), "register_lost", True, lost),
        ("CURRENT and its hint deleted",
         lambda h: [(h / "CURRENT").unlink(), (h / "CURRENT.hint").unlink()],
         "register_lost", True, lost),
        ("the hint alone is left", only_the_hint, "register_lost", True, lost),
        ("CURRENT cut short", lambda h: truncate(h / "CURRENT", 1000), "register_damaged", True,
         lost),
        ("CURRENT empty", lambda h: truncate(h / "CURRENT", 0), "register_damaged", True, lost),
        ("every slot damaged", flip_every_slot, "register_damaged", True, lost),
        ("an older copy", replace_by_older, "register_stale", True, lost),
        ("an older copy without hint", older_and_no_hint, "register_stale", True, lost),
        ("a symlink", current_elsewhere, "register_foreign", True, lost),
        ("a newer format", every_slot_of_a_newer_format, "register_newer", True,
         ["newer holdfast_tool"]),
        ("no SEAL", lambda h: (newest(h) / "SEAL").unlink(), "damaged_current", True, back),
        ("SEAL damaged", lambda h: flip(newest(h) / "SEAL", 20), "damaged_current", True, back),
        ("SEAL of another", lambda h: shutil.copy(newest(h, g=2) / "SEAL", newest(h) / "SEAL"),
         "damaged_current", True, back),
        ("a file cut short", lambda h: truncate(newest(h) / "data.sqlite3", 4096),
         "damaged_current", True, back),
        ("a file missing", lambda h: (newest(h) / "data.sqlite3").unlink(), "damaged_current",
         True, back),
        ("a file too many", lambda h: (newest(h) / "more").touch(), "damaged_current", True, back),
        ("RocksDB's manifest missing",
         lambda h: next(newest(h, "keys").glob("MANIFEST-*")).unlink(), "damaged_current", True,
         back),
        ("one part of the current generation missing", lambda h: shutil.rmtree(newest(h)),
         "damaged_current", True, back),
        ("a part's folder missing", lambda h: shutil.rmtree(h / "keys"), "damaged_current", True,
         ["backup"]),
        ("a retained generation damaged", lambda h: (newest(h, g=2) / "SEAL").unlink(),
         "damaged_retained", True, ["don't revert"]),
        ("a generation that nobody lists", lambda h: (h / "keys/0000000001").mkdir(), "foreign",
         True, ["by hand"]),
        ("a generation above the record's", lambda h: (h / "keys/0000000009").mkdir(),
         "register_stale", True, lost),
        ("a name that lags", lambda h: name(h, "0000000002"), "name_lags", True, ["collect"]),
        ("a name that dangles", lambda h: name(h, "0000000001"), "name_dangles", True,
         ["collect"]),
        ("PINS deleted", lambda h: (h / "PINS").unlink(), "pins_missing", True, ["collect"]),
        ("the hint deleted", lambda h: (h / "CURRENT.hint").unlink(), "hint_missing", False, []),
        ("LOCK deleted", lambda h: (h / "LOCK").unlink(), None, False, []),
        ("RocksDB has logged", lambda h: (newest(h, "keys") / "LOG").write_text("opened"), None,
         False, []),
    ]


def each_planted_damage_is_named(recon, scratch):
    tool = Tool(scratch)
    tree, home = make_home(recon, scratch, builds=2)
    older = (home / "CURRENT").read_bytes()
    recon.build(tree, home, "--grace-ms", "0")
    recon.run("recover", "--home", home, "--grace-ms", "0")
    table = plants(older)
    for what, plant, code, attention, words in table:
        copy = copy_of(home, scratch / "copy")
        plant(copy)
        before = traces(copy)
        told = tool.ask("inspect", copy, expect=1 if attention else 0)
        same(told["well"], not attention, what)
        # Where a whole part is gone, no retained generation is whole.
        more = {"damaged_retained"} if what == "a part's folder missing" else set()
        same(codes(told, True), {code} | more if attention else set(), what)
        if code:
            assert code in codes(told), f"{what}: {told['findings']}"
            says(next_of(told, code), *words)
        out, _ = tool.run("status", copy, expect=1 if attention else 0)
        says(out, code or "all is well", *words)
        same(traces(copy), before, f"the home after a look at: {what}")
    return f"{len(table)} homes, not a byte of one changed"


def what_the_next_command_says_helps(recon, scratch):
    tool = Tool(scratch)
    _, home = make_home(recon, scratch)
    for what, plant, code, attention, _ in plants((home / "CURRENT").read_bytes()):
        if code not in ("damaged_current", "name_lags", "name_dangles", "pins_missing"):
            continue
        copy = copy_of(home, scratch / "copy")
        plant(copy)
        step = next_of(tool.ask("inspect", copy, expect=1), code)
        if "holdfast_tool" not in step:
            continue  # what only a person can do
        words = step.split("    ")[0].split()[1:]
        tool.run(*words)
        told = tool.ask("status", copy, expect=1 if code == "damaged_current" else 0)
        left = {"damaged_retained"} if code == "damaged_current" else set()
        same(codes(told, True), left, f"after {' '.join(words)} for: {what}")
        recon.run("verify", "--home", copy)
    return "every command that was offered put it right"


def a_lost_register_is_rebuilt(recon, scratch):
    tool = Tool(scratch)
    tree, home = make_home(recon, scratch)
    old = (home / "CURRENT").read_bytes()
    for what in ("deleted", "damaged", "older"):
        copy = copy_of(home, scratch / "copy")
        if what == "deleted":
            (copy / "CURRENT").unlink()
        elif what == "damaged":
            flip_every_slot(copy)
        else:
            recon.build(tree, copy, "--grace-ms", "0")
            (copy / "CURRENT").write_bytes(old)
        wanted = 4 if what == "older" else 3
        before = traces(copy)
        out, _ = tool.run("rebuild-register", copy, expect=1)
        says(out, f"-> generation {wanted} (committed", "nothing was changed", "--apply")
        told = tool.ask("rebuild-register", copy, expect=1)
        same((told["proposed"], told["applied"]), (wanted, False), what)
        same(traces(copy), before, "the home after a dry run")
        recon.run("verify", "--home", copy, expect=3)
        if what != "older":
            _, err = tool.run("rebuild-register", copy, "--apply", expect=3)
            says(err, "order of the parts")
        done = tool.ask(*told["next_command"].split()[1:])
        assert done["applied"], done
        same(recon.ask("verify", home=copy)["generation"], wanted, "current")
        same([(copy / name).exists() for name in done["moved_aside"]],
             [True] * (1 if what == "deleted" else 2), "what was moved aside")
        _, err = tool.run("rebuild-register", copy, "--apply", expect=3)
        says(err, "can be used")
        assert "foreign" in codes(tool.ask("inspect", copy, expect=1))
        same(recon.build(tree, copy)["generation"], wanted + 1, "the next build")
        recon.run("verify", "--home", copy)
    return "deleted, damaged, older: proposed, left alone, then rebuilt, verified and built upon"


def the_register_of_a_damaged_home(recon, scratch):
    tool = Tool(scratch)
    _, home = make_home(recon, scratch)
    (home / "CURRENT").unlink()
    (newest(home) / "SEAL").unlink()
    told = tool.ask("rebuild-register", home, expect=1)
    same((told["proposed"], [one["generation"] for one in told["broken"]]), (2, [3]), "plan")
    says(told["why"], "generation 3, which is not whole", "nothing says that it was ever committed")
    _, err = tool.run("rebuild-register", home, "3", expect=3)
    says(err, "not whole")
    out, _ = tool.run("rebuild-register", home, "--parts", "keys,stats,more", expect=1)
    says(out, "no generation is whole")
    _, err = tool.run("rebuild-register", home, "--parts", "keys,stats,more", "--apply", expect=3)
    says(err, "no generation is whole")
    return "the last whole one is proposed, and said to be a guess"


def marks_are_given_back(recon, scratch):
    """What the program logged of its last commit; without it a generation takes no updates."""
    tool = Tool(scratch)
    _, home = make_home(recon, scratch, builds=1)
    (home / "CURRENT").unlink()
    for wrong in ("offset", "=1", "offset=x", "offset=1,offset=2", ""):
        _, err = tool.run("rebuild-register", home, "--marks", wrong, expect=2)
        says(err, "--marks needs NAME=N")
    told = tool.ask("rebuild-register", home, "--marks", "offset=4711,a=b=2", expect=1)
    says(told["next_command"], "--marks", "offset=4711,a=b=2")
    out, _ = tool.run("rebuild-register", home, "--marks", "offset=4711,a=b=2", "--parts",
                      "keys,stats", "--apply")
    says(out, "has the marks that were given")
    same(tool.ask("status", home)["retained"][0]["marks"], {"a=b": 2, "offset": 4711}, "marks")
    return "given, shown, kept"


def formats_are_told_and_newer_ones_refused(recon, scratch):
    tool = Tool(scratch)
    _, home = make_home(recon, scratch)
    before = traces(home)
    for words in ((), ("--apply",)):
        says(tool.run("upgrade", home, *words)[0], "record: format 1", "4 of format 1",
             "nothing to upgrade")
        told = tool.ask("upgrade", home, *words)
        same((told["record"], told["seals"], told["old"]), (1, {"1": 4}, 0), "formats")
    assert traces(home) == before
    seal = newest(home) / "SEAL"
    content = bytearray(seal.read_bytes()[:-4])
    content[8:12] = struct.pack("<I", 9)
    seal.write_bytes(bytes(content) + struct.pack("<I", crc32c(bytes(content))))
    before = traces(home)
    _, err = tool.run("upgrade", home, "--apply", expect=3)
    says(err, "newer format")
    assert traces(home) == before
    return "one of each, and nothing written"


def a_mixed_generation(recon, scratch):
    """Part stats was built alone: keys was carried over from the generation before."""
    tool = Tool(scratch)
    tree, home = make_home(recon, scratch)
    shutil.rmtree(newest(home, "keys"))
    name(home, "0000000002")
    (home / "CURRENT").unlink()
    told = tool.ask("rebuild-register", home, expect=1)
    same({part["name"]: part["generation"] for part in told["candidates"][0]["parts"]},
         {"keys": 2, "stats": 3}, "the mix that the outside names give")
    assert tool.ask(*told["next_command"].split()[1:])["applied"]
    says(tool.run("status", home)[0], "3[keys 2, stats 3]")
    tool.run("backup", home, scratch / "copy")
    for place in (home, scratch / "copy"):
        same(tool.ask("verify", place)["whole"], True, "whole")
        planned = {one["generation"]: one["why"] for one in tool.ask("plan", place)["generations"]}
        says(planned[2], "has parts of it")
        same(tool.ask("collect", place)["dropped"], [], "dropped")
        same(tool.ask("inspect", place)["well"], True, "well")
    recon.build(tree, home, "--grace-ms", "0")
    tool.run("revert", home, "3")
    same([os.readlink(home / "keys/current"), os.readlink(home / "stats/current.sqlite3")],
         ["0000000002", "0000000003/data.sqlite3"], "the outside names")
    return "found, backed up, kept, reverted to"


def start_slow_build(recon, tree, home, generation):
    builder = recon.start("reprocess", tree, "--home", home, "--slow-us", "8000", "--quiet")
    end = time.monotonic() + 30
    while recon.ask("status", home=home)["attempt"] != generation:
        assert builder.poll() is None and time.monotonic() < end, "it never began"
        time.sleep(0.02)
    return builder


def fails_with(builder, *words):
    _, err = builder.communicate(timeout=120)
    same(builder.returncode, 3, err.decode())
    says(err.decode(), *words)


def revert_while_a_builder_is_stopped(recon, scratch):
    tool = Tool(scratch)
    tree, home = make_home(recon, scratch)
    builder = start_slow_build(recon, tree, home, 4)
    builder.send_signal(signal.SIGSTOP)
    while "\nState:\tT" not in pathlib.Path(f"/proc/{builder.pid}/status").read_text():
        time.sleep(0.01)
    told = tool.ask("status", home, expect=1)
    same((told["holder"]["pid"], told["attempt"]["generation"]), (builder.pid, 4), "the builder")
    same(codes(told, True), {"builder_stopped"}, "findings")
    says(next_of(told, "builder_stopped"), "hold")
    # The builder has the lock, so that the outside names follow later: told, and no failure.
    out, err = tool.run("revert", home, "2", expect=1)
    says(out, "generation 2 is current again")
    says(err, "outside names")
    same(recon.ask("verify", home=home)["generation"], 2, "current")
    builder.send_signal(signal.SIGCONT)
    fails_with(builder, "nothing was applied")
    same(recon.ask("verify", home=home)["generation"], 2, "current after the builder's end")
    tool.run("collect", home)
    same(codes(tool.ask("inspect", home), True), set(), "findings in the end")
    same(os.readlink(home / "keys/current"), "0000000002", "the outside name")
    return "2 is current, the stopped builder's commit was refused"


def hold_stops_a_builder_that_hangs(recon, scratch):
    tool = Tool(scratch)
    tree, home = make_home(recon, scratch)
    builder = start_slow_build(recon, tree, home, 4)
    told = tool.ask("status", home)
    same(codes(told, True), set(), "a build that goes on")
    assert "building" in codes(told), told
    time.sleep(0.3)
    told = tool.ask("status", home, "--silent", "0", expect=1)
    same(codes(told, True), {"builder_silent"}, "findings")
    assert told["attempt"]["silent_ms"] > 0, told["attempt"]
    says(tool.run("status", home, "--silent", "0", expect=1)[0], "nothing changed for",
         f"pid {builder.pid}", "hold")
    tool.run("hold", home, "disk is being replaced")
    fails_with(builder, "on hold", "disk is being replaced")
    told = tool.ask("status", home, expect=1)
    same((codes(told, True), told["hold"]), ({"held"}, "disk is being replaced"), "findings")
    _, err = recon.run("reprocess", tree, "--home", home, expect=3)
    says(err, "on hold")
    same(recon.ask("verify", home=home)["generation"], 3, "current")
    tool.run("unhold", home)
    same(recon.build(tree, home)["generation"] > 4, True, "the next build")
    return "told, held, refused, let go"


def a_build_that_died(recon, scratch):
    tool = Tool(scratch)
    tree, home = make_home(recon, scratch)
    builder = start_slow_build(recon, tree, home, 4)
    while not (home / "keys/0000000004").exists():
        time.sleep(0.01)
    builder.kill()
    builder.communicate()
    told = tool.ask("inspect", home, expect=1)
    same(codes(told, True), {"attempt_abandoned"}, "findings")
    planned = tool.ask("plan", home)["generations"]
    same([(one["generation"], one["drops"]) for one in planned], [(4, True)], "the plan")
    done = tool.ask("collect", home)
    same(done["dropped"], [4], "dropped")
    assert done["freed_bytes"] > 0, done
    assert not (home / "keys/0000000004").exists()
    tool.run("status", home)
    return "named, planned, dropped"


def readers_that_stay(recon, scratch):
    tool = Tool(scratch)
    tree, home = make_home(recon, scratch)
    reader = recon.start("watch", "--home", home, "--seconds", "60", "--stay", "--pause-us", "9000")
    try:
        while 3 not in [pin["generation"] for pin in tool.ask("status", home)["pins"]]:
            assert reader.poll() is None
            time.sleep(0.02)
        for _ in range(2):
            recon.build(tree, home, "--grace-ms", "0")
        told = tool.ask("status", home)
        pin = next(pin for pin in told["pins"] if pin["generation"] == 3)
        same([one["pid"] for one in pin["holders"]], [reader.pid], "who pins 3")
        same((told["reclaimable_bytes"], "pinned" in codes(told)), (0, True), "pinned")
        planned = next(one for one in tool.ask("plan", home)["generations"]
                       if one["generation"] == 3)
        same(planned["drops"], False, "3 is dropped")
        says(planned["why"], f"pid {reader.pid}")
        waiting = tool.ask("collect", home)["waiting"]
        same([one["generation"] for one in waiting], [3], "waiting")
        same(codes(tool.ask("status", home, "--silent", "0", expect=1), True), {"pinned_long"},
             "findings of one without patience")
        try:
            nobody = as_nobody()
            says(tool.run("status", home, prefix=nobody)[0], "3 by one of", "ask as root")
        except Skip:
            pass
    finally:
        reader.terminate()
        reader.communicate()
    time.sleep(1.1)  # the grace of readers by the outside names, unless more is asked for
    patient = ("--grace", "3600")
    plan = {grace: next(one["drops"] for one in tool.ask("plan", home, *grace)["generations"]
                        if one["generation"] == 3) for grace in (patient, ())}
    same((plan[patient], plan[()]), (False, True), "3 would be dropped, by grace")
    same(tool.ask("collect", home, *patient)["waiting"][0]["generation"], 3, "in an hour's grace")
    tool.run("hold", home, "to see what opening drops", *patient)
    tool.run("unhold", home, *patient)
    assert (home / "keys/0000000003").exists()
    same(tool.ask("collect", home)["dropped"], [3], "dropped once it was let go")
    return "the reader was named, and its generation dropped after it"


def a_backup_is_a_home(recon, scratch):
    tool = Tool(scratch)
    tree, home = make_home(recon, scratch)
    same(tool.ask("verify", home)["whole"], True, "whole")
    before = traces(home)
    out, _ = tool.run("backup", home, scratch / "copy")
    says(out, "generation 3")
    same(traces(home), before, "the home that was copied")
    verified = recon.ask("verify", home=scratch / "copy")
    same((verified["right"], verified["generation"]), (True, 3), "the copy")
    tool.run("status", scratch / "copy")
    same(recon.build(tree, scratch / "copy")["generation"], 4, "a build in the copy")
    _, err = tool.run("backup", home, scratch / "copy", expect=3)
    says(err, "exists")
    truncate(newest(home) / "data.sqlite3", 100)
    told = tool.ask("verify", home, expect=1)
    says(next(part["wrong"] for part in told["parts"] if part["name"] == "stats"), "check")
    _, err = tool.run("backup", home, scratch / "another", expect=3)
    says(err, "bytes fail their check")
    return "copied, verified, built upon; damage is not copied"


def a_small_disk(recon, scratch):
    tool, disk = Tool(scratch), scratch / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk],
                             stderr=subprocess.PIPE, check=False)
    if mounted.returncode != 0:
        raise Skip("mounting a small disk is not allowed here")
    try:
        tree = make_tree(scratch / "tree", 120)
        recon.build(tree, disk / "home", "--grace-ms", "0")
        tool.run("status", disk / "home")
        with open(disk / "filler", "wb") as filler:
            free = os.statvfs(disk)
            filler.write(b"x" * (free.f_bavail * free.f_frsize - 20000))
        told = tool.ask("inspect", disk / "home", expect=1)
        same(codes(told, True), {"no_space"}, "findings of a full disk")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        told = tool.ask("inspect", disk / "home", expect=1)
        same(codes(told, True), {"no_space", "read_only"}, "findings of a read-only disk")
        _, err = tool.run("revert", disk / "home", "9", expect=3)
        says(err, "read-only")
        tool.run("verify", disk / "home")
    finally:
        subprocess.run(["umount", disk], check=True)
    return "a full one and a read-only one are told"


def who_may_only_read(recon, scratch):
    nobody, tool = as_nobody(), Tool(scratch)
    _, home = make_home(recon, scratch)
    before = traces(home)
    for command in (["status"], ["inspect"], ["plan"], ["verify"]):
        tool.run(command[0], home, prefix=nobody)
    for command in (["collect"], ["hold"], ["unhold"], ["revert"]):
        words = {"hold": ["why"], "revert": ["2"]}.get(command[0], [])
        _, err = tool.run(command[0], home, *words, prefix=nobody, expect=3)
        says(err, "permission denied")
    (home / "CURRENT").unlink()
    before.pop(str(home / "CURRENT"))
    tool.run("rebuild-register", home, prefix=nobody, expect=1)
    _, err = tool.run("rebuild-register", home, "--parts", "keys,stats", "--apply", prefix=nobody,
                      expect=3)
    says(err, "permission denied")
    after = traces(home)
    same({**after, str(home): 0}, {**before, str(home): 0}, "the home")
    return "asked everything, changed nothing"


def the_command_line(recon, scratch):
    tool = Tool(scratch)
    _, home = make_home(recon, scratch, builds=1)
    wrong = ["", "nonsense", "status", "status h more", "status h --nonsense", "status h --json=1",
             "status h --silent", "status h --silent x", "revert h", "revert h x", "revert h 0",
             "revert h 1 2", "hold h", "backup h", "verify h one", "rebuild-register h x"]
    for words in wrong:
        _, err = tool.run(*words.split(), expect=2)
        assert err.startswith("holdfast_tool: "), err
    (scratch / "file").write_text("mine")
    (scratch / "folder").mkdir()
    for place in (scratch / "nowhere", scratch / "file", scratch / "folder"):
        for command in ("status", "inspect", "plan", "verify", "collect", "rebuild-register"):
            _, err = tool.run(command, place, expect=3)
            says(err, place)
            says(tool.ask(command, place, expect=3)["error"]["text"], place)
    same(list((scratch / "folder").iterdir()), [], "the folder")
    _, err = tool.run("revert", home, "7", expect=3)
    says(err, "not retained", "retained: 1")
    tool.run("revert", home, "1", expect=3)
    _, err = tool.run("hold", home, "x" * 121, expect=3)
    says(err, "larger than the limit")
    says(tool.run("--help")[0], "Exit codes", "rebuild-register")
    says(tool.run("rebuild-register", "--help")[0], "--apply")
    return f"{len(wrong)} wrong ones refused"


def every_finding_is_in_the_runbook(_recon, _scratch):
    root = pathlib.Path(__file__).resolve().parents[2]
    source = (root / "examples/holdfast_tool/findings.cpp").read_text()
    runbook = (root / "docs/runbook.md").read_text()
    told = {part.split('"')[0] for call in ('tell("', 'note("', 'tell(gone ? "')
            for part in source.split(call)[1:]} | {"name_lags"}
    missing = sorted(code for code in told if f"`{code}`" not in runbook)
    same(missing, [], "findings without an entry")
    assert len(told) > 20, told
    return f"{len(told)} findings have an entry"


if __name__ == "__main__":
    main([each_planted_damage_is_named, what_the_next_command_says_helps,
          a_lost_register_is_rebuilt, the_register_of_a_damaged_home, marks_are_given_back,
          formats_are_told_and_newer_ones_refused, a_mixed_generation,
          revert_while_a_builder_is_stopped, hold_stops_a_builder_that_hangs, a_build_that_died,
          readers_that_stay, a_backup_is_a_home, a_small_disk, who_may_only_read,
          the_command_line, every_finding_is_in_the_runbook], __doc__)
