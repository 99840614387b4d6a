#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""A home whose record is lost, old or damaged: refused or right, and nothing of it is touched."""
import shutil

from recon_lib import fingerprint, main, make_tree, same, says

SLOT = 4096
SLOTS = 16


def two_generations(recon, scratch, builds=3):
    tree, home = make_tree(scratch / "tree", 300), scratch / "home"
    for i in range(builds):
        (tree / f"more{i}").write_text("more")
        recon.build(tree, home, "--grace-ms", "0")
    return tree, home


def refused(recon, tree, home, *names):
    """Neither reading nor writing gets anywhere, each says why, and every generation stays."""
    before = fingerprint(home)
    assert before, "there is nothing to lose"
    for command in (["status"], ["summary", "/"], ["verify"], ["recover"],
                    ["reprocess", tree, "--quiet"], ["revert"]):
        _, err = recon.run(*command, "--home", home, expect=3)
        if command[0] != "revert":
            says(err, *names)
    same(fingerprint(home), before, "the generations")


def current_deleted(recon, scratch):
    tree, home = two_generations(recon, scratch)
    (home / "CURRENT").unlink()
    refused(recon, tree, home, "missing or unreadable")
    assert not (home / "CURRENT").exists(), "a record was made up"
    return "refused, nothing touched"


def current_and_hint_deleted(recon, scratch):
    tree, home = two_generations(recon, scratch)
    for name in ("CURRENT", "CURRENT.hint"):
        (home / name).unlink()
    before = fingerprint(home)
    _, err = recon.run("reprocess", tree, "--home", home, "--quiet", expect=3)
    says(err, "missing or unreadable")
    recon.run("verify", "--home", home, expect=3)
    same(fingerprint(home), before, "the generations")
    assert not (home / "CURRENT").exists(), "a record was made up"
    return "refused, nothing touched"


def current_replaced_by_an_older_copy(recon, scratch):
    tree, home = two_generations(recon, scratch)
    shutil.copy2(home / "CURRENT", scratch / "copy")
    (tree / "newer").write_text("newer")
    recon.build(tree, home, "--grace-ms", "0")
    shutil.copy2(home / "CURRENT", scratch / "good")
    shutil.copy2(scratch / "copy", home / "CURRENT")
    refused(recon, tree, home, "older")
    shutil.copy2(scratch / "good", home / "CURRENT")
    recon.run("verify", "--home", home)
    return "refused, nothing touched; right again with the real one"


def older_copy_without_its_hint(recon, scratch):
    tree, home = two_generations(recon, scratch)
    shutil.copy2(home / "CURRENT", scratch / "copy")
    (tree / "newer").write_text("newer")
    recon.build(tree, home, "--grace-ms", "0")
    (home / "CURRENT.hint").unlink()
    shutil.copy2(scratch / "copy", home / "CURRENT")
    before = fingerprint(home)
    _, err = recon.run("reprocess", tree, "--home", home, "--quiet", expect=3)
    says(err, "older")
    same(fingerprint(home), before, "the generations")
    return "refused by what lies in the stores, nothing touched"


def any_slot_corrupt(recon, scratch):
    tree, home = two_generations(recon, scratch, builds=9)  # more records than slots
    good = (home / "CURRENT").read_bytes()
    generation = recon.ask("status", home=home)["generation"]
    told = {"right": 0, "refused": 0}
    for slot in range(SLOTS):
        bad = bytearray(good)
        for at in range(slot * SLOT + 60, slot * SLOT + 90):
            bad[at] ^= 0xff
        shutil.rmtree(scratch / "copy", ignore_errors=True)
        shutil.copytree(home, scratch / "copy", symlinks=True)
        (scratch / "copy" / "CURRENT").write_bytes(bad)
        before = fingerprint(scratch / "copy")
        _, err = recon.run("verify", "--home", scratch / "copy", "--json", expect=None)
        if err:
            says(err, "CURRENT")
            refused(recon, tree, scratch / "copy", "CURRENT")
            told["refused"] += 1
        else:
            same(recon.ask("verify", home=scratch / "copy")["generation"], generation, "generation")
            recon.run("recover", "--home", scratch / "copy")
            same(recon.ask("verify", home=scratch / "copy")["generation"], generation, "generation")
            same(fingerprint(scratch / "copy"), before, "the generations")
            told["right"] += 1
    same(told["right"] + told["refused"], SLOTS, "slots")
    assert told["refused"] <= 1, told  # the newest alone: the hint knows of it
    return f"{told}"


def all_slots_corrupt(recon, scratch):
    tree, home = two_generations(recon, scratch)
    size = (home / "CURRENT").stat().st_size
    for content in (b"\xff" * size, b"\0" * size, b"", b"not a record"):
        (home / "CURRENT").write_bytes(content)
        refused(recon, tree, home, "CURRENT")
        same((home / "CURRENT").read_bytes(), content, "the record")
    return "refused four times, nothing touched"


def a_generation_is_missing(recon, scratch):
    tree, home = two_generations(recon, scratch)
    status = recon.ask("status", home=home)
    current = status["generation"]
    other = next(kept["generation"] for kept in status["retained"] if kept["generation"] != current)
    for part in ("keys", "stats"):
        shutil.rmtree(scratch / "copy", ignore_errors=True)
        shutil.copytree(home, scratch / "copy", symlinks=True)
        shutil.rmtree(scratch / "copy" / part / f"{current:010}")
        _, err = recon.run("verify", "--home", scratch / "copy", expect=3)
        says(err, f"{part}/{current:010}")
        recon.run("status", "--home", scratch / "copy", expect=3)
        # It can be reverted to the one that is whole, and built anew.
        recon.run("revert", "--to", str(other), "--home", scratch / "copy")
        same(recon.ask("verify", home=scratch / "copy")["generation"], other, "after the revert")
        recon.build(tree, scratch / "copy")
        same(recon.ask("verify", home=scratch / "copy")["generation"], current + 1, "built anew")
    return "named; reverted to the other, built anew"


def a_flipped_byte_in_the_data(recon, scratch):
    _, home = two_generations(recon, scratch)
    current = recon.ask("status", home=home)["generation"]
    tables = (home / "keys" / f"{current:010}").glob("*.sst")
    table = max(tables, key=lambda path: path.stat().st_size)
    content = bytearray(table.read_bytes())
    content[len(content) // 3] ^= 1
    table.write_bytes(content)
    _, err = recon.run("verify", "--home", home, expect=3)
    says(err, "check")
    return "told, not answered"


def reverts_and_back(recon, scratch):
    tree, home = two_generations(recon, scratch)
    first = recon.ask("status", home=home)
    back = recon.ask("revert", home=home)["generation"]
    assert back < first["generation"]
    verified = recon.ask("verify", home=home)
    same(verified["generation"], back, "current")
    again = recon.ask("revert", "--to", str(first["generation"]), home=home)
    same(again["sequence"], first["sequence"] + 2, "the sequence")
    same(recon.ask("verify", home=home)["generation"], first["generation"], "current")
    _, err = recon.run("revert", "--to", "999", "--home", home, expect=3)
    says(err, "not retained", 999)
    return f"from {first['generation']} to {back} and back, each with its marks"


if __name__ == "__main__":
    main([current_deleted, current_and_hint_deleted, current_replaced_by_an_older_copy,
          older_copy_without_its_hint, any_slot_corrupt, all_slots_corrupt, a_generation_is_missing,
          a_flipped_byte_in_the_data, reverts_and_back], __doc__)
