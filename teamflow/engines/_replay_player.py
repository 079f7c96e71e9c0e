"""Plays recorded output as the process that wrote it: a program of its own, standard library only.

Reads one line of JSON from stdin (what to play, see `replay._task`), writes the recorded bytes to stdout and stderr,
waits at each recorded input until as many lines have come as then, puts the recorded changes into the workspace, and
ends as was recorded. Started as `python3 -I -S _replay_player.py`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time

MYPY = False
if MYPY:
    from typing import Any

PIECE = 1 << 16
PATIENCE = 300.0
"""Seconds for what a session says by itself: it says that at once, or never."""


class Trouble(Exception):
    """It cannot go on; the message says why."""


class Stdin:
    """Lines that have come after the task."""

    def __init__(self, stop: bytes) -> None:
        self._stop = stop
        self.lines = 0
        self.heard = b""
        self.over = False

    def take(self, data: bytes) -> None:
        self.lines += data.count(b"\n")
        self.heard = (self.heard + data)[-4 * len(self._stop) :] if self._stop not in self.heard else self.heard

    @property
    def stopped(self) -> bool:
        return self._stop in self.heard

    def wait(self, lines: int, *, patience: float | None) -> None:
        until = None if patience is None else time.monotonic() + patience
        while self.lines < lines:
            if self.stopped:
                raise Trouble("its session says less than it did then")
            if self.over:
                raise Trouble("its stdin was closed before all that was recorded had come")
            left = None if until is None else max(0.0, until - time.monotonic())
            if not select.select((0,), (), (), left)[0]:
                raise Trouble(f"nothing came on its stdin for {PATIENCE:.0f} s")
            data = os.read(0, PIECE)
            if data:
                self.take(data)
            else:
                self.over = True


def out(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def copy(source: int, start: int, end: int) -> None:
    while start < end:
        data = os.pread(source, min(PIECE, end - start), start)
        if not data:
            raise Trouble("the recording is shorter than it was")
        out(1, data)
        start += len(data)


def play(task: dict[str, Any], stdin: Stdin) -> None:
    if task["err"]:
        with open(task["err"], "rb") as file:
            out(2, file.read(task["err_end"]))
    if task["log"]:
        source = os.open(task["log"], os.O_RDONLY)
        at, end, lines = task["start"], task["end"], 0
        for offset, count, note in task["waits"]:
            place = min(task["start"] + max(0, offset), end)
            copy(source, at, place)
            at, lines = max(at, place), lines + count
            if place > task["start"] or note == "reply":
                stdin.wait(lines, patience=None if note.startswith("answer ") else PATIENCE)
        copy(source, at, end)
    change(task)


def change(task: dict[str, Any]) -> None:
    if task["patch"]:
        top = git("rev-parse", "--show-toplevel").stdout.decode("utf-8", "surrogateescape").rstrip("\n")
        done = git("-C", top, "apply", "--binary", "--whitespace=nowarn", task["patch"])
        # What a run has left is merged sooner or later, and its recording played again after that.
        if done.returncode and git("-C", top, "apply", "--binary", "--reverse", "--check", task["patch"]).returncode:
            said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
            raise Trouble(f"what it changed then does not fit here: {said}")
    for path, text in task["wrote"]:
        if os.path.dirname(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))


def git(*words: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *words], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise Trouble(f"git: {error.strerror}") from error


def leave(task: dict[str, Any]) -> int:
    """Ends as was recorded."""
    number = task["signal"]
    if number:
        signal.signal(number, signal.SIG_DFL) if number not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), number)
        time.sleep(1.0)
    return int(task["code"] or 0)


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    data = b""
    while b"\n" not in data and (piece := os.read(0, PIECE)):
        data += piece
    first, _, rest = data.partition(b"\n")
    task = json.loads(first)
    stdin = Stdin(task["stop"].encode())
    stdin.take(rest)
    try:
        play(task, stdin)
    except Trouble as trouble:
        return failed(task, str(trouble))
    except OSError as error:
        return failed(task, f"{error.filename or 'the recording'}: {error.strerror}")
    return leave(task)


def failed(task: dict[str, Any], why: str) -> int:
    out(1, b"\n" + why.encode("utf-8", "replace") + b"\n")
    return int(task["trouble"])


if __name__ == "__main__":
    sys.stdout = sys.stderr  # nothing but what was recorded goes to stdout
    os._exit(main())
