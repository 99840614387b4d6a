# SPDX-License-Identifier: BSL-1.0
"""Runs recon for the tests: a scratch folder, the program, trees to read, and a way to tell."""
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

SKIPPED = 77  # what ctest takes for "skipped"


class Skip(Exception):
    """This machine can't show it; the text says why."""


class Recon:
    """The program, in a copy that every user can run."""

    def __init__(self, bin_dir, scratch):
        places = (pathlib.Path(bin_dir) / "recon", pathlib.Path(bin_dir) / "bin/recon")
        found = [path for path in places if path.exists()]
        if not found:
            sys.exit(f"there is no recon in {bin_dir}")
        self.path = str(scratch / "recon")
        shutil.copy2(found[0], self.path)
        os.chmod(self.path, 0o755)

    def start(self, *words, prefix=(), **more):
        return subprocess.Popen([*prefix, self.path, *map(os.fspath, words)],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **more)

    def run(self, *words, expect=0, timeout=300, **more):
        """(parsed JSON or text, standard error); any other exit code than `expect` is a failure."""
        process = self.start(*words, **more)
        out, err = process.communicate(timeout=timeout)
        err = err.decode("utf-8", "replace")
        if expect is not None and process.returncode != expect:
            said = err + out.decode("utf-8", "replace")[:2000]
            raise AssertionError(f"recon {' '.join(map(str, words))} gave {process.returncode}, "
                                 f"not {expect}: {said}")
        text = out.decode("utf-8")
        return (json.loads(text) if "--json" in words else text), err

    def ask(self, command, *words, home, **more):
        return self.run(command, *words, "--home", home, "--json", **more)[0]

    def build(self, tree, home, *words, **more):
        return self.ask("reprocess", tree, "--quiet", *words, home=home, **more)


@contextlib.contextmanager
def scratch_folder():
    """Readable for every user, gone afterwards, also when the test is stopped."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    path.chmod(0o755)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        yield path
    finally:
        # Some trees hold folders that may not be listed.
        subprocess.run(["chmod", "-R", "u+rwX", path], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(path, ignore_errors=True)


def make_tree(root, files, folders=7, size=lambda i: (i * 37) % 9000):
    """A tree of so many files, in folders two deep."""
    for i in range(files):
        folder = root / f"volume{i % folders}" / f"folder{i % (folders * 3)}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file{i}").write_bytes(b"x" * size(i))
    return root


def below(root):
    """Every file and every folder below root: two lists."""
    found = [path for path in sorted(root.rglob("*")) if not path.is_symlink()]
    return [p for p in found if p.is_file()], [p for p in found if p.is_dir()]


def count(root):
    """What find and stat count below root; no symlink is followed."""
    out = subprocess.run(["find", root, "-mindepth", "1", "-printf", r"%y %s\n"],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    counts = dict.fromkeys(("files", "directories", "symlinks", "other", "bytes"), 0)
    names = {b"f": "files", b"d": "directories", b"l": "symlinks"}
    for line in out.splitlines():
        kind, size = line.split()
        counts[names.get(kind, "other")] += 1
        if kind == b"f":
            counts["bytes"] += int(size)
    return counts


def counts_of(summary):
    return {name: summary[name] for name in ("files", "directories", "symlinks", "other", "bytes")}


def fingerprint(home):
    """The bytes of every file of every generation."""
    digest = {}
    for part in ("keys", "stats"):
        for path in sorted((home / part).rglob("*")):
            if path.is_file() and not path.is_symlink():
                digest[str(path.relative_to(home))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return digest


def as_nobody():
    """The words that run what follows as a user without rights."""
    if os.geteuid() != 0:
        raise Skip("only root can become another user")
    if not shutil.which("setpriv"):
        raise Skip("there is no setpriv")
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def same(got, wanted, what):
    assert got == wanted, f"{what}: {got!r}, not {wanted!r}"


def says(text, *parts):
    for part in parts:
        assert str(part) in text, f"{text!r} does not name {part!r}"


def main(tests, description):
    """Runs every test, or those named; prints what each saw."""
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} BIN_DIR [TEST...]\n{description}")
    wanted = sys.argv[2:]
    failed = skipped = ran = 0
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        started = time.monotonic()
        with scratch_folder() as scratch:
            try:
                saw = test(Recon(sys.argv[1], scratch), scratch)
                ran += 1
                verdict = f"ok: {saw}"
            except Skip as why:
                skipped += 1
                verdict = f"skipped because {why}"
            except Exception:  # any failure is told, and the next test runs
                failed += 1
                verdict = "FAILED\n" + traceback.format_exc()
        print(f"{test.__name__} ({time.monotonic() - started:.1f} s) {verdict}", flush=True)
    sys.exit(1 if failed else SKIPPED if skipped and not ran else 0)
