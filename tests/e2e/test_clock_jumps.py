"""The wall clock is set three days forward and back under a living run: no timeout, no retry, no wait follows from it.

A small library moves the clock of runner, keeper and steps (`campaign/clock_shim.c`); the clocks that count since boot
stay, as they do when somebody sets the time.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

from teamflow.app.inspect import NoRun
from tests.e2e.project import Project
from tests.e2e.test_run_limits import CLI, begun, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no C compiler to move the clock with"),
]

DAYS = 3 * 86400.0
SOURCE = Path(__file__).parents[1] / "campaign" / "clock_shim.c"


class Clock:
    """The wall clock of what is started with `env`."""

    def __init__(self, place: Path) -> None:
        library = place / "clock_shim.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)], check=True)
        self._file = place / "clock"
        self.env = {"LD_PRELOAD": str(library), "TEAMFLOW_CLOCK": str(self._file)}
        self.move(0.0)

    def move(self, seconds: float) -> None:
        """In place: it is mapped."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("d", seconds))


TEAM = """
limits: {max_parallel: 9, timeout: 2m, orphan_after: 1m, on_usage_limit: wait}
engines: {alpha: {command: [./ask, alpha], failures: {usage_exhausted: usage limit}}}
defaults: {permissions: read, workspace: {mode: shared}}
inherit_env: [LD_PRELOAD, TEAMFLOW_CLOCK]
agents:
  long: {command: sleep 10, timeout: 60s, idle_timeout: 30s}
  backoff: {command: 'test -e again || { touch again; exit 1; }', retry: {attempts: 2, backoff: fixed, delay: 10s}}
  limit: {engine: alpha, prompt: Work}
  date: {command: 'until [ -e go ]; do sleep 0.05; done; date +%s >date', depends_on: []}
  after: {command: 'true', depends_on: [long, backoff, limit, date]}
"""


@pytest.mark.parametrize("days", [DAYS, -DAYS], ids=["forward", "back"])
def test_a_jump_of_three_days_changes_nothing(tmp_path: Path, days: float) -> None:
    clock = Clock(tmp_path)
    made = Project(tmp_path, TEAM)
    made.write("ask", CLI).chmod(0o755)
    made.write("limit-alpha", "try again in 10 seconds")
    with begun(made, env=clock.env) as process:
        wait_until(lambda: _stands(made))
        begin = time.monotonic()
        clock.move(days)
        (made.root / "limit-alpha").unlink()
        (made.root / "go").touch()
        process.wait(60)
        took = time.monotonic() - begin
    assert process.returncode == 0
    assert took > 1.0, "what was waited for was waited for as long as it should"
    moved = float(made.read("date")) - time.time()
    assert moved == pytest.approx(days, abs=30.0), "the clock did jump"
    shown = made.status()
    assert shown.statuses == dict.fromkeys(shown.steps, "succeeded")
    attempts = {name: len(shown.step(name)["attempts"]) for name in shown.steps}
    assert attempts == {"long": 1, "backoff": 2, "limit": 2, "date": 1, "after": 1}
    assert made.lines("asked-alpha") == ["limit", "limit"]


def _stands(made: Project) -> bool:
    """Whether one step runs, one is to be tried again, and one waits for its engine."""
    try:
        shown = made.status()
    except NoRun:
        return False
    waits = {name: (step["waits"] or {}).get("what") for name, step in shown.steps.items()}
    return (waits["backoff"], waits["limit"]) == ("backoff", "limit") and shown.step("date")["status"] == "running"


@pytest.mark.parametrize("days", [DAYS, -DAYS], ids=["forward", "back"])
def test_a_jump_while_nobody_looks(tmp_path: Path, days: float) -> None:
    """The runner is killed, the clock is set, and another runner goes on: the step is adopted with what is left of its
    timeout, and the question is still open."""
    clock = Clock(tmp_path)
    team = """
agents:
  work: {command: 'until [ -e go ]; do sleep 0.05; done', timeout: 60s}
  gate: {ask: Go?, timeout: 1h}
"""
    made = Project(tmp_path, team)
    with begun(made, env=clock.env) as process:
        wait_until(lambda: _running(made, "work"))
        process.kill()
    clock.move(days)
    with begun(made, "--watch", env=clock.env) as process:
        wait_until(lambda: made.status().data["runner"] is not None)
        made.call("wait", "work", "--timeout", "1s", env=clock.env).expect(124)
        assert made.status().statuses == {"work": "running", "gate": "waiting"}
        (made.root / "go").touch()
        wait_until(lambda: made.status().statuses["work"] == "succeeded")
        assert len(made.status().step("work")["attempts"]) == 1
        process.terminate()
        process.wait(30)


def _running(made: Project, step: str) -> bool:
    try:
        return made.status().step(step)["status"] == "running"
    except NoRun:
        return False
