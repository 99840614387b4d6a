#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""What recon counts is what find and stat count."""
import os
import pathlib

from recon_lib import Skip, below, count, counts_of, main, make_tree, same


def every_folder_as_find_counts_it(recon, scratch):
    tree = make_tree(scratch / "tree", 500)
    (tree / "volume1" / "link").symlink_to("/usr")
    os.mkfifo(tree / "volume2" / "pipe")
    (tree / "empty" / "inside").mkdir(parents=True)
    recon.build(tree, scratch / "home")
    files, folders = below(tree)
    for folder in [tree, *folders]:
        for name in (folder, folder.relative_to(tree)):
            summary = recon.ask("summary", name, home=scratch / "home")
            same(counts_of(summary), count(folder), folder)
    histogram = recon.ask("histogram", home=scratch / "home")["bins"]
    sizes = [path.stat().st_size for path in files]
    for bin_ in histogram:
        low = 0 if bin_["below"] == 1024 else bin_["below"] // 2
        inside = [size for size in sizes if low <= size < bin_["below"]]
        same((bin_["files"], bin_["bytes"]), (len(inside), sum(inside)), f"bin {bin_['below']}")
    same(sum(bin_["files"] for bin_ in histogram), len(sizes), "files in all bins")
    return f"{len(folders)} folders, {len(histogram)} bins"


def containers_hold_each_file_once(recon, scratch):
    tree = make_tree(scratch / "tree", 2500)
    built = recon.build(tree, scratch / "home")
    same(built["containers"], 3, "containers")
    seen = {}
    for number in range(1, 4):
        container = recon.ask("container", str(number), "--limit", "5000", home=scratch / "home")
        same(len(container["keys"]), container["files"], f"keys of container {number}")
        same(sum(key["size"] for key in container["keys"]), container["bytes"], "its bytes")
        seen.update({key["path"]: key["size"] for key in container["keys"]})
    real = {str(path.relative_to(tree)): path.stat().st_size for path in below(tree)[0]}
    same(seen, real, "files of all containers")
    recon.run("container", "4", "--home", scratch / "home", expect=3)
    return f"{len(seen)} files in 3 containers"


def a_real_tree_as_find_counts_it(recon, scratch):
    tree = pathlib.Path("/usr")
    for _ in range(3):  # somebody may be installing something
        before = count(tree)
        recon.build(tree, scratch / "home")
        if count(tree) == before:
            break
    else:
        raise Skip(f"{tree} keeps changing")
    same(counts_of(recon.ask("summary", tree, home=scratch / "home")), before, tree)
    verified = recon.ask("verify", home=scratch / "home")
    return f"{before['files']} files, {before['bytes']} bytes; {verified['rows']} rows add up"


if __name__ == "__main__":
    main([every_folder_as_find_counts_it, containers_hold_each_file_once,
          a_real_tree_as_find_counts_it], __doc__)
