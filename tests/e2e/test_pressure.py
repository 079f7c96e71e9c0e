"""More steps than slots, more output than memory, less disk than needed: real processes, counted from outside."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from teamflow.core.events import AttemptEnded, AttemptStarted
from teamflow.core.outcome import Succeeded
from tests.campaign.checker import check
from tests.e2e.tool import Project, Running, until

# -- limits ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_never_more_than_the_slots() -> None:
    count, slots = 2000, 8
    team = {
        "limits": {"max_parallel": slots},
        "agents": {"many": {"matrix": {"n": list(range(count))}, "command": "./work agent 0"}},
    }
    with Project(json.dumps(team)) as project:
        done = project.call("run", "--progress", "quiet", seconds=300)
        assert done.code == 0, done
        verdict = check(project, expected={f"many/{n}": "succeeded" for n in range(count)})
        assert verdict.wrong == []
        assert verdict.attempts == count
        running = most = 0
        for line in project.ledger():
            running += 1 if line.exit is None else -1
            most = max(most, running)
        by_journal = most_by_journal = 0
        for entry in project.journal():
            by_journal += 1 if entry["e"] == "start" else -1
            most_by_journal = max(most_by_journal, by_journal)
        assert most <= slots
        assert 2 <= most_by_journal <= slots


@pytest.mark.slow
def test_limits_of_an_engine_hold_beside_those_of_the_run() -> None:
    agent = {"engine": "scripted", "prompt": "x", "script": "agent.yaml", "workspace": {"mode": "shared"}}
    team = {
        "limits": {"max_parallel": 6, "engines": {"scripted": 2}},
        "agents": {
            "talk": {**agent, "matrix": {"n": list(range(12))}},
            "work": {"matrix": {"n": list(range(40))}, "command": "./work agent 0 0.02"},
        },
    }
    with Project(json.dumps(team), files={"agent.yaml": "- run: ./work agent 0 0.05\n- say: done\n"}) as project:
        done = project.call("run", "--progress", "quiet")
        assert done.code == 0, done
        running: Counter[str] = Counter()
        most: Counter[str] = Counter()
        for entry in project.journal():
            agent_name = entry["step"].partition("/")[0]
            for name in (agent_name, "all"):
                running[name] += 1 if entry["e"] == "start" else -1
                most[name] = max(most[name], running[name])
        assert most["talk"] <= 2
        assert 4 <= most["all"] <= 6


# -- output ----------------------------------------------------------------------------------------------------

FLOOD = r"""
import os, sys
size, block = int(sys.argv[1]), b"\x00\xff\xfe\x1b]0;owned\x07\x1b[2J\x1b[31mred\r\x08\xc3(\x80 text " * 40000
left = size
while left > 0:
    part = block[:left]
    while part:
        part = part[os.write(1, part):]
    left -= min(left, len(block))
"""
SIZE = 1 << 30
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _memory(pid: int, name: str) -> int:
    """Bytes; VmHWM is the most that it ever was."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M)[1]) * 1024  # type: ignore[index]


@pytest.mark.slow
@pytest.mark.parametrize("progress", ["plain", "json"])
def test_a_gigabyte_of_dirt_without_a_newline(progress: str) -> None:
    team = f"agents: {{flood: {{command: 'test -e go; ./work agent 0 0.5; {sys.executable} flood.py {SIZE}'}}}}"
    with Project(team, files={"flood.py": FLOOD}) as project:
        running = project.start("run", "--progress", progress)
        until(lambda: project.begun("flood"), "the step begins")
        before = _memory(running.pid, "VmRSS")
        most = before
        while running.process.poll() is None:
            try:
                most = max(most, _memory(running.pid, "VmHWM"))
            except (OSError, TypeError):
                break
            time.sleep(0.01)
        done = running.wait(120)
        assert done.code == 0, done.err[-2000:]
        assert most - before < 20 << 20, f"grew by {(most - before) / 1e6:.1f} MB"
        log = project.run_dir() / "logs" / "flood.1.log"
        assert log.stat().st_size == SIZE
        block = eval(FLOOD.partition("block = int(sys.argv[1]), ")[2].splitlines()[0])
        wanted, found = hashlib.sha256(), hashlib.sha256()
        for offset in range(0, SIZE, len(block)):
            wanted.update(block[: min(len(block), SIZE - offset)])
        with log.open("rb") as file:
            while data := file.read(1 << 20):
                found.update(data)
        assert found.digest() == wanted.digest()
        shown = done.out + done.err
        assert CONTROL.search(shown) is None, CONTROL.search(shown)
        assert len(shown) < SIZE // 16, "the most is left out; how much, is a matter of how long it takes"


@pytest.mark.slow
def test_dirt_does_not_steer_a_live_table() -> None:
    team = f"agents: {{flood: {{command: '{sys.executable} flood.py 3000000; ./work agent 3 0.6'}}}}"
    with Project(team, files={"flood.py": FLOOD}) as project:
        terminal = project.start_on_terminal("run", "--progress", "live")
        assert terminal.process.wait(30) == 1
        until(lambda: b"owned" in terminal.shown or b"text" in terminal.shown, "it is shown")
        assert b"\x1b]0;" not in terminal.shown
        assert b"\x1b[2J" not in terminal.shown
        assert b"\x07" not in terminal.shown


# -- disk ------------------------------------------------------------------------------------------------------


class SmallDisk:
    """A project on a file system of a few megabytes that can be filled; root mounts one."""

    def __init__(self, project: Project, *, size: int = 24 << 20) -> None:
        self._root = project.root
        self._stop = threading.Event()
        self._filler = threading.Thread(target=self._keep_full)
        kept = {path.name: (path.read_bytes(), path.stat().st_mode) for path in self._root.iterdir()}
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", self._root], check=True)
        for name, (data, mode) in kept.items():
            (self._root / name).write_bytes(data)
            (self._root / name).chmod(mode)

    def fill(self) -> None:
        """Every byte, also those that were kept for this moment, until `free`."""
        for ballast in (".teamflow/ballast", ".teamflow/runs/1/keeper.ballast"):
            (self._root / ballast).unlink()
        self._fill_once()
        self._filler.start()

    def _keep_full(self) -> None:
        while not self._stop.wait(0.01):
            self._fill_once()

    def _fill_once(self) -> None:
        with (self._root / "filler").open("ab", buffering=0) as file:
            size = 1 << 20
            while size:
                try:
                    file.write(bytes(size))
                except OSError:
                    size //= 2

    def free(self) -> None:
        self._stop.set()
        self._filler.join()
        (self._root / "filler").unlink()

    def read_only(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", self._root], check=True)

    def close(self) -> None:
        if self._filler.is_alive():
            self.free()
        subprocess.run(["umount", "-l", self._root], check=True)


class SmallFiles:
    """Where nothing can be mounted: files that may not grow, for the runner and its keeper."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def fill(self) -> None:
        # More than what is shown and the keeper write, less than where the database is.
        self._limit(16 << 10)

    def free(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        for pid in self._project.alive():
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))

    def close(self) -> None:
        pass


@contextmanager
def small_disk(project: Project, *, mount: bool) -> Iterator[SmallDisk | SmallFiles]:
    disk = SmallDisk(project) if mount else SmallFiles(project)
    try:
        yield disk
    finally:
        disk.close()


KINDS = [False, True] if os.geteuid() == 0 else [False]
FULL = """
env: {GO: /tmp/NAME.go}
limits: {max_parallel: 3}
agents:
  first: {command: ./work agent 0}
  early: {depends_on: [first], command: while test ! -e $GO.early; do sleep 0.02; done}
  ends: {depends_on: [first], command: while test ! -e $GO; do sleep 0.02; done}
  fails: {depends_on: [first], command: while test ! -e $GO; do sleep 0.02; done; exit 4, continue_on_error: true}
  next: {depends_on: {ends: succeeded, fails: finished}, command: ./work agent 0}
"""


def _names_path(running: Running) -> bool:
    return "state.db" in running.err or "keeper.journal" in running.err


def _full_run(project: Project, name: str) -> Running:
    project.write("team.yaml", FULL.replace("NAME", name))
    running = project.start("run", "--progress", "plain")
    until(lambda: len([e for e in project.journal() if e["e"] == "start"]) == 4, "three steps are at work")
    return running


@pytest.mark.slow
@pytest.mark.parametrize("mount", KINDS)
def test_a_full_disk_loses_no_result_and_the_run_goes_on(mount: bool) -> None:
    with Project(FULL) as project, small_disk(project, mount=mount) as disk:
        name = project.home.name
        go = Path(f"/tmp/{name}.go")
        running = _full_run(project, name)
        disk.fill()
        try:
            Path(f"{go}.early").touch()
            until(partial(_names_path, running), "it says which path")
            go.touch()
            time.sleep(1.5)
            assert not project.begun("next"), "nothing starts on a full disk"
            assert running.process.poll() is None
            disk.free()
            done = running.wait()
        finally:
            go.unlink(missing_ok=True)
            Path(f"{go}.early").unlink(missing_ok=True)
        assert done.code == 0, done
        wanted = {
            "first": "succeeded",
            "early": "succeeded",
            "ends": "succeeded",
            "fails": "failed",
            "next": "succeeded",
        }
        assert check(project, expected=wanted).wrong == []
        assert {(e.step, e.attempt) for e in project.events(AttemptStarted)} == {(step, 1) for step in wanted}
        codes = {e.step: getattr(e.outcome, "exit_code", None) for e in project.events(AttemptEnded)}
        assert codes == {"first": 0, "early": 0, "ends": 0, "fails": 4, "next": 0}


@pytest.mark.slow
@pytest.mark.parametrize("mount", KINDS)
def test_a_run_on_a_full_disk_can_be_left_and_loses_nothing(mount: bool) -> None:
    with Project(FULL) as project, small_disk(project, mount=mount) as disk:
        name = project.home.name
        go = Path(f"/tmp/{name}.go")
        running = _full_run(project, name)
        disk.fill()
        try:
            Path(f"{go}.early").touch()
            until(partial(_names_path, running), "it says which path")
            go.touch()
            time.sleep(0.3)
            running.signal(signal.SIGINT)
            time.sleep(0.5)
            if running.process.poll() is None:
                running.signal(signal.SIGINT)
            done = running.wait()
            assert done.code in (3, 130), done
            assert "Traceback" not in done.err, done.err
            disk.free()
            done = project.run()
        finally:
            go.unlink(missing_ok=True)
            Path(f"{go}.early").unlink(missing_ok=True)
        assert done.code == 0, done
        ends = [e for e in project.events(AttemptEnded) if e.step == "ends"]
        assert isinstance(ends[0].outcome, Succeeded), "what had ended is taken from the journal"
        assert len(ends) == 1
        assert project.gone()


@pytest.mark.slow
def test_a_directory_that_cannot_be_written_is_an_error_at_once() -> None:
    with Project("agents: {one: {command: ./work agent 0}}") as project:
        if os.geteuid() == 0:
            with small_disk(project, mount=True) as disk:
                assert isinstance(disk, SmallDisk)
                disk.read_only()
                done = project.run()
        else:
            project.root.chmod(0o555)
            done = project.run()
            project.root.chmod(0o755)
        assert done.code == 3, done
        assert ".teamflow" in done.err
        assert "Traceback" not in done.err
        assert len(done.err.splitlines()) < 6, done.err
