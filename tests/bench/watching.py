"""Row W7: from the end of a save to the process that it starts again, beside watchfiles with its own defaults.

A save is a new file in the place of the old one, as careful editors make it. The process is `sh -c 'date …'`, which
says when it came to be; all start the same. Each has one save to warm up on, then one save per round.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.bench.bench import TEAMFLOW, Bench, Result
from tests.bench.measure import Cost, Duel, Failure

ROUNDS = 15
_STAMP = "cat src.txt >/dev/null; date +%s%N >>stamps"
_PEER = f"""
import subprocess, watchfiles
for _ in watchfiles.watch("watched"):
    subprocess.Popen(["sh", "-c", {_STAMP!r}])
"""
_PAUSE = 0.12
"""Seconds between a re-run and the next save: everybody is at rest."""


class _Watcher:
    """One that watches: `save` gives the seconds from the end of a save to what it started."""

    def __init__(
        self, directory: Path, argv: list[str], source: str, *, environ: Mapping[str, str], told: str = ""
    ) -> None:
        self._directory = directory
        self._source = directory / source
        self._stamps = directory / "stamps"
        self._count = 0
        with (directory / "stderr").open("wb") as log:
            self._process = subprocess.Popen(
                argv, cwd=directory, env=environ, stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        assert self._process.stdin is not None
        self._process.stdin.write(told.encode())
        self._process.stdin.close()

    def settle(self) -> None:
        """Saves until something comes of it: from then on it is ready."""
        for _ in range(100):
            before = len(self._lines())
            self._write()
            try:
                self._wait(before, seconds=1.0)
            except Failure:
                continue
            time.sleep(0.5)
            return
        raise Failure((self._directory / "stderr").read_text(errors="replace")[-2000:])

    def save(self) -> float:
        time.sleep(_PAUSE)
        before = len(self._lines())
        self._write()
        saved = time.time_ns()
        return (self._wait(before, seconds=20.0) - saved) / 1e9

    def _write(self) -> None:
        self._count += 1
        new = self._source.with_name(f"{self._source.name}~")
        new.write_text(f"{self._count}\n")
        os.replace(new, self._source)

    def _lines(self) -> list[str]:
        return self._stamps.read_text().splitlines() if self._stamps.exists() else []

    def _wait(self, before: int, *, seconds: float) -> int:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            lines = self._lines()
            if len(lines) > before and len(lines[before]) == len(str(time.time_ns())):
                return int(lines[before])
            time.sleep(0.001)
        raise Failure(f"nothing came of a save: {(self._directory / 'stderr').read_text(errors='replace')[-2000:]}")

    def close(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def save_to_start(bench: Bench) -> Result:
    """The ratio of the medians; entr, where it is there, in the note."""
    team = f"agents: {{a: {{command: '{_STAMP}', reads: [src.txt]}}}}\n"
    ours = _project(bench, "watch-ours", {"src.txt": "0\n", "team.yaml": team})
    theirs = _project(bench, "watch-theirs", {"src.txt": "0\n", "watched/src.txt": "0\n"})
    beside = _project(bench, "watch-entr", {"src.txt": "0\n"})
    environ = bench.environ
    mine = _Watcher(ours, [*TEAMFLOW, "watch", "--progress", "plain"], "src.txt", environ=environ)
    other = _Watcher(theirs, [sys.executable, "-c", _PEER], "watched/src.txt", environ=environ)
    try:
        mine.settle()
        other.settle()
        pairs = [_in_turn(number, mine.save, other.save) for number in range(ROUNDS)]
    finally:
        mine.close()
        other.close()
    medians = [statistics.median(times) for times in zip(*pairs, strict=True)]
    note = f"{medians[0] * 1e3:.0f} ms against {medians[1] * 1e3:.0f} ms{_entr(beside, environ)}"
    costs = [tuple(Cost(seconds, 0.0) for seconds in times) for times in zip(*pairs, strict=True)]
    return Result(medians[0] / medians[1], Duel(costs[0], costs[1]), note)


def _project(bench: Bench, name: str, files: Mapping[str, str]) -> Path:
    directory, _ = bench.directory(name)
    for file, text in files.items():
        (directory / file).parent.mkdir(exist_ok=True)
        (directory / file).write_text(text)
    return directory


def _in_turn(number: int, ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[float, float]:
    if number % 2:
        other = theirs()
        return ours(), other
    return ours(), theirs()


def _entr(directory: Path, environ: Mapping[str, str]) -> str:
    program = shutil.which("entr")
    if program is None:
        return ""
    argv = [program, "-np", "/bin/sh", "-c", _STAMP]
    watcher = _Watcher(directory, argv, "src.txt", environ=environ, told="src.txt\n")
    try:
        watcher.settle()
        return f"; entr {statistics.median(watcher.save() for _ in range(5)) * 1e3:.0f} ms"
    except Failure:
        return ""
    finally:
        watcher.close()
