#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Workers under `hold` change one counter, while holders are killed and stopped: the resource, a
process of its own as far as they can tell, accepts tokens in their order alone, and no update is
lost. With HOLDFAST_SOAK=1 sixteen workers do so for 30 s under each policy.

Each work reads the counter, takes a while, and writes one more, with its token both times: the
resource refuses whoever comes with a smaller token than it has seen.
"""
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HOLD = str(pathlib.Path(sys.argv[1]).resolve() / "hold")
SOAK = os.environ.get("HOLDFAST_SOAK") == "1"
WORKERS, WRITES, SECONDS = (16, 1, 30) if SOAK else (4, 10, 0)
WORK = r"""
import os, random, socket, sys, time
token = os.environ["HOLDFAST_TOKEN"]
with socket.socket(socket.AF_UNIX) as s:
    s.connect(sys.argv[1])
    f = s.makefile("rw")
    def ask(*words):
        print(*words, file=f, flush=True)
        return f.readline().split()
    seen = ask("read", token)
    if len(sys.argv) > 2:  # it takes as long as it is told to
        print("has read", flush=True)
        sys.stdin.readline()
    else:
        time.sleep(random.random() * 0.02)
    if seen[0] == "ok":
        print(*ask("write", token, int(seen[1]) + 1), flush=True)
"""


class Resource:
    """A counter that compares tokens."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.fence = self.counter = self.writes = self.refused = 0
        self.accepted = []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen(64)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            peer, _ = self.server.accept()
            threading.Thread(target=self.answer, args=(peer,), daemon=True).start()

    def answer(self, peer):
        try:
            with peer, peer.makefile("rw") as f:
                for line in f:
                    what, token, *value = line.split()
                    print(*self.act(what, int(token), value), file=f, flush=True)
        except OSError:
            pass  # it was killed

    def act(self, what, token, value):
        with self.lock:
            if token < self.fence:
                self.refused += 1
                return ["fenced"]
            self.fence = token
            if what == "write":
                self.accepted.append(token)
                self.counter = int(value[0])
                self.writes += 1
            return ["ok", self.counter]


def signal_all(pids, what):
    """How many were there to get it."""
    told = 0
    for pid in pids:
        try:
            os.kill(pid, what)
            told += 1
        except ProcessLookupError:
            pass  # it had just ended
    return told


class Crowd:
    """Workers that hold the lock one after another, and whoever kills and stops them."""

    def __init__(self, url, place):
        self.command = [HOLD, url, "--ttl", "1", "--", sys.executable, "-c", WORK, place]
        self.done = threading.Event()
        self.running = [None] * WORKERS
        self.codes = []
        self.kills = self.stops = 0
        self.dice = random.Random(7)
        self.threads = [threading.Thread(target=self.work, args=(i,)) for i in range(WORKERS)]
        for thread in self.threads:
            thread.start()

    def work(self, i):
        while not self.done.is_set():
            process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE, text=True)
            self.running[i] = process
            said = process.communicate(timeout=120)[1]
            self.codes.append((process.returncode, said.strip()))

    def trouble(self, url):
        """Kills who holds it, or stops him and his work for longer than a lease lasts."""
        said = subprocess.run([HOLD, "status", url, "--json"], capture_output=True, text=True).stdout
        holder = json.loads(said) if said else {"held": False}
        if not holder["held"] or holder["pid"] not in [p.pid for p in self.running if p]:
            return
        pid = holder["pid"]
        if self.dice.random() < 0.6:
            self.kills += signal_all([pid], signal.SIGKILL)
            return
        # First the holder: its command must not see it die, or end, meanwhile.
        self.stops += signal_all([pid], signal.SIGSTOP)
        children = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True,
                                  text=True).stdout.split()
        stopped = [*map(int, children), pid]  # which go on before it can end them
        signal_all(stopped, signal.SIGSTOP)
        threading.Timer(2.5, signal_all, (stopped, signal.SIGCONT)).start()

    def end(self):
        self.done.set()
        for thread in self.threads:
            thread.join()


def fails(scheme):
    with tempfile.TemporaryDirectory() as folder:
        place, url = f"{folder}/resource", f"{scheme}:{folder}/lock"
        resource = Resource(place)
        crowd = Crowd(url, place)
        begun = time.monotonic()
        while time.monotonic() - begun < 240:
            time.sleep(crowd.dice.uniform(0.1, 1.2))
            crowd.trouble(url)
            enough = resource.writes >= WRITES and crowd.kills >= 3 and crowd.stops >= 1
            if enough and time.monotonic() - begun >= SECONDS:
                break
        crowd.end()
        print(f"{scheme}: {resource.writes} writes, {resource.refused} refused, {crowd.kills} killed, "
              f"{crowd.stops} stopped, {time.monotonic() - begun:.1f} s")
        wrong = []
        if not enough:
            wrong.append("it made no progress")
        if resource.accepted != sorted(resource.accepted):
            wrong.append("tokens out of their order")
        if len(set(resource.accepted)) != len(resource.accepted):
            wrong.append("a token was given twice")
        if resource.counter != resource.writes:
            wrong.append(f"{resource.writes} updates made {resource.counter}")
        odd = {code for code in crowd.codes if code[0] not in (0, 76, -signal.SIGKILL, 137)}
        if odd:
            wrong.append(f"answers: {odd}")
        return [f"{scheme}: {what}" for what in wrong]


def late():
    """A holder is stopped between its read and its write until another has been at work."""
    with tempfile.TemporaryDirectory() as folder:
        place, url = f"{folder}/resource", f"sqlite:{folder}/lock"
        resource = Resource(place)
        command = [HOLD, url, "--ttl", "1", "--", sys.executable, "-c", WORK, place]
        first = subprocess.Popen([*command, "waits"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        assert first.stdout.readline() == "has read\n"
        work = [int(one) for one in subprocess.run(
            ["ps", "--ppid", str(first.pid), "-o", "pid="], capture_output=True,
            text=True).stdout.split()]
        signal_all([first.pid, *work], signal.SIGSTOP)
        second = subprocess.run(command, capture_output=True, text=True, timeout=120)
        first.stdin.write("\n")
        first.stdin.flush()
        signal_all(work, signal.SIGCONT)
        answer = first.stdout.readline().strip()
        signal_all([first.pid], signal.SIGCONT)
        said = first.communicate(timeout=120)[1].strip()
        wrong = []
        if (second.returncode, second.stdout.split()[:1]) != (0, ["ok"]):
            wrong.append(f"the second: {second}")
        if answer != "fenced" or resource.counter != 1 or resource.refused != 1:
            wrong.append(f"a late write: {answer}, {resource.counter}")
        if first.returncode != 76 or "lost" not in said:
            wrong.append(f"the first ended with {first.returncode}: {said}")
        return [f"late: {what}" for what in wrong]


def edges():
    """What whoever starts it has ignored, and a database that is not there."""
    with tempfile.TemporaryDirectory() as folder:
        wrong = []
        status = subprocess.run([HOLD, "status", f"sqlite:{folder}/none"], capture_output=True)
        if status.returncode != 69 or os.listdir(folder):
            wrong.append(f"status of nothing: {status.returncode}, {os.listdir(folder)}")
        held = [HOLD, f"file:{folder}/lock", "--", "sh", "-c"]
        deaf = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
        deaf += "signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
        code = subprocess.run([sys.executable, "-c", deaf, *held, "kill -HUP $$; exit 7"]).returncode
        if code != 7:
            wrong.append(f"with signals ignored: {code}")
        code = subprocess.run([*held, "kill -HUP $$; exit 7"]).returncode
        if code != 128 + signal.SIGHUP:
            wrong.append(f"with no signal ignored: {code}")
        short = subprocess.run([HOLD, f"sqlite:{folder}/db", "--wait", "1", "--ttl", "1", "--", "true"],
                               capture_output=True, text=True)
        if short.returncode != 0 or "--wait" not in short.stderr:
            wrong.append(f"a short wait: {short}")
        return [f"edges: {what}" for what in wrong]


def main():
    wrong = edges() + late() + fails("file") + fails("sqlite")
    print("\n".join(wrong))
    sys.exit(1 if wrong else 0)


main()
