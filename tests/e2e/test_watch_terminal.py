"""A watched run as a person sees it: the table and every key in a real terminal, and the same run in a pipe."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.project import Project
from tests.e2e.tmux import Tmux
from tests.e2e.tool import until
from tests.e2e.watched import Watched, save

pytestmark = pytest.mark.slow

TEAM = """
agents:
  lint: {command: "cat src/a.txt", reads: ["src/**"]}
  test: {command: "cat src/a.txt", reads: ["src/**"], depends_on: [lint]}
  gate: {ask: "Ship {{ agents.test.text }}?", depends_on: [test]}
  ship: {command: "echo shipped", depends_on: [gate]}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, TEAM, files={"src/a.txt": "one\n"})


@pytest.fixture
def terminal(project: Project) -> Iterator[Tmux]:
    with Tmux(project.place, project.root, project.environ) as terminal:
        terminal.start([sys.executable, "-m", "teamflow", "watch"])
        try:
            yield terminal
        finally:
            pid = runner(project)
            if pid is not None:
                os.kill(pid, signal.SIGINT)
                until(lambda: runner(project) is None, "the runner is gone")


def runner(project: Project) -> int | None:
    """The living process that works on the run."""
    found: int | None = (project.status().data["runner"] or {}).get("pid")
    return found


def ended(project: Project, step: str) -> bool:
    return project.status().statuses[step] in ("succeeded", "failed")


def test_every_key_does_what_it_says(project: Project, terminal: Tmux) -> None:
    terminal.shows("gate", "waiting", "Ship one?", "y/n answers 1.1 · ? shows the keys")
    terminal.press("?")
    terminal.shows("p pause or go on", "d detach")

    terminal.press("y")
    terminal.shows("look first, then press again: gate asks: Ship one?")
    terminal.press_until("y", "gate: approved by")
    screen = terminal.shows("succeeded; watching")
    assert re.search(r"ship +succeeded", screen), screen

    terminal.press("p")
    terminal.shows("paused by", "nothing new starts")
    save(project.root / "src/a.txt", "two\n")
    terminal.shows("lint", "src/a.txt changed")
    terminal.shows("paused")
    assert project.status().text("test") == "one", "nothing starts"
    terminal.press("p")
    terminal.shows("Ship two?", without="nothing new starts")

    terminal.press_until("n", "rejected by")
    terminal.shows("rejected by", "failed (1 failed: gate); watching")
    terminal.press("r")
    terminal.shows("retrying gate", "Ship two?")

    terminal.press("l")
    terminal.shows("test | two")
    terminal.press("l")
    terminal.shows("Ship two?", without="test | two")

    terminal.press("p")
    terminal.shows("nothing new starts")
    terminal.press("d")
    screen = terminal.shows("the run goes on without this terminal")
    until(lambda: terminal.screen.rstrip().endswith("$") or terminal.screen.rstrip().endswith("#"), "the shell is back")
    assert "Traceback" not in terminal.screen
    assert project.status().data["status"] == "paused", "whoever drives it"
    project.call("resume").expect(0)
    project.call("approve", "gate").expect(0)
    until(lambda: ended(project, "ship"), "the run goes on")


def test_the_same_in_a_pipe(project: Project) -> None:
    with Watched(project) as watched:
        watched.until(lambda: "gate: asks 1.1" in watched.said, "the question")
        assert "; watching" not in watched.said, "it waits for the answer"
        project.call("approve", "gate").expect(0)
        watched.until(lambda: "succeeded; watching" in watched.said, "the first rest")
        save(project.root / "src/a.txt", "two\n")
        watched.until(lambda: "gate: asks 1.2 (approval): Ship two?" in watched.said, "the next question")
        project.call("reject", "gate", "--note", "not yet").expect(0)
        watched.until(lambda: "failed (1 failed: gate); watching" in watched.said, "the next rest")
        assert "\x1b" not in watched.said, "no codes for a terminal"
        assert "\a" not in watched.said
        told = [line for line in watched.said.splitlines() if line.startswith("~ ")]
        assert told[:2] == ["~ lint  reads: src/a.txt changed", "~ test  reads: src/a.txt changed"]
        assert watched.stop() == 1


def test_a_watch_asks_people_in_any_case(project: Project) -> None:
    done = project.call("run", "--watch", "--no-input").expect(2)
    assert "a watched run stays, and waits for answers from any terminal: leave --no-input out" in done.err
    assert "--no-input" not in project.call("watch", "--help").expect(0).out


def test_once_it_is_being_stopped_keys_mean_nothing(tmp_path: Path) -> None:
    team = """
agents:
  work: {command: "trap '' INT TERM; touch began; sleep 30", grace: 2s}
  gate: {ask: "Deploy?"}
"""
    project = Project(tmp_path, team)
    with Tmux(project.place, project.root, project.environ) as terminal:
        terminal.start([sys.executable, "-m", "teamflow", "run"])
        terminal.shows("Deploy?", "running")
        until(lambda: project.exists("began"), "work runs")
        terminal.press("C-c", "y", "p", "d")
        until(lambda: runner(project) is None, "the run is stopped")
    kinds = [event["kind"] for event in project.events()]
    assert "StopRequested" in kinds
    assert "QuestionAnswered" not in kinds
    assert "RunPaused" not in kinds
    assert project.status().data["status"] == "interrupted"
