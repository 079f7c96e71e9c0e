"""Replays that were killed, interrupted or left waiting: who goes on with them, and that no agent ever does."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project, Shown
from tests.e2e.tool import until

TEAM = """
limits: {on_usage_limit: wait}
defaults: {engine: scripted, permissions: edit, retry: {delay: 1h}}
agents:
  plan: {prompt: go, script: plan.yaml, outputs: {n: integer}, permissions: {run: [ls]}}
  build: {prompt: "{{ agents.plan.outputs.n }}", script: build.yaml, verify: [cat made], workspace: {mode: worktree}}
  ship: {ask: "ship it?", depends_on: [build]}
  count: {command: "echo counted >> $TEAMFLOW_PROJECT/counted", depends_on: [ship], workspace: {mode: shared}}
"""
FILES = {
    "plan.yaml": """
- attempt:
    "1": [{usage: {usd: 0.5, input_tokens: 7}}, {say: no json}]
    "2": [{usage: {usd: 0.25}}, {ask_leave: {run: make}}, {stderr: aside}, {outputs: {n: 3}}]
""",
    "build.yaml": """
- attempt:
    "1": [{say: not yet}]
    "2": [{write: {path: made, text: "made\\n"}}, {say: built}]
""",
}


@pytest.fixture
def recorded(tmp_path: Path) -> Project:
    project = Project(tmp_path, TEAM.replace("1h", "10ms"), files=FILES, git=True)
    project.git("add", ".")
    project.git("commit", "-qm", "a")
    project.run("--no-input").expect(5)
    project.call("approve", project.status().data["questions"][-1]["id"], "--note", "good").expect(0)
    project.run("--no-input").expect(0)
    (project.root / "counted").unlink()
    return project


def came_to(shown: Shown) -> dict[str, Any]:
    return {
        name: (
            step["status"],
            step["text"],
            step["outputs"],
            [(attempt["failure"], attempt["usage"]) for attempt in step["attempts"]],
        )
        for name, step in shown.steps.items()
    }


def newest(project: Project) -> int:
    return int(project.status().data["run"])


@pytest.mark.slow
def test_a_killed_replay_is_gone_on_with(recorded: Project) -> None:
    """Killed at some of the boundaries between two effects; `TEAMFLOW_TEST_STRIDE=1`: at all."""
    stride = int(os.environ.get("TEAMFLOW_TEST_STRIDE", "13"))
    first, number = came_to(recorded.status(1)), stride
    while True:
        before = newest(recorded)
        killed = recorded.run("--replay", "1", env={"TEAMFLOW_FAILPOINT": str(number)})
        if killed.code != -signal.SIGKILL:
            killed.expect(0)
            break
        made = newest(recorded) - before
        if made and recorded.status().data["status"] == "succeeded":
            break  # It had come to its end before it was killed.
        recorded.run("--replay", "1").expect(0)
        shown = recorded.status()
        noted = (recorded.run_dir(before + 1) / "replay.json").exists()
        assert newest(recorded) == before + 1 or (made and not noted), number
        assert came_to(shown) == first, number
        assert recorded.lines("counted") == ["counted"], number
        (recorded.root / "counted").unlink()
        number += stride
    assert number > 40


def test_what_was_merged_meanwhile_need_not_be_put_there(tmp_path: Path) -> None:
    """A recording is made to be played long after the work is in; other work in its place is still told of."""
    team = "agents: {build: {engine: scripted, script: build.yaml, prompt: go}}"
    script = '[{write: {path: made, text: "made\\n"}}, {say: built}]'
    project = Project(tmp_path, team, files={"build.yaml": script}, git=True)
    project.git("add", ".")
    project.git("commit", "-qm", "a")
    project.run().expect(0)
    first = came_to(project.status(1))
    project.call("merge", "build").expect(0)
    project.run("--replay", "1").expect(0)
    assert came_to(project.status()) == first
    project.write("made", "otherwise\n")
    project.git("commit", "-qam", "b")
    said = project.run("--replay", "1", "--new", "--progress", "plain").expect(1)
    assert "replay: build, attempt 1: what it changed then does not fit here: " in said.err + said.out


@pytest.fixture
def simple(tmp_path: Path) -> Project:
    """A recorded run whose engine notes each start."""
    team = """
engines: {stand-in: {command: [sh, -c, 'echo x >> "$TEAMFLOW_PROJECT/started"; echo hi'], prompt: argument}}
agents:
  one: {engine: stand-in, prompt: x}
  gate: {command: "echo > at-gate; while [ ! -e open ]; do read x < wait-for-it; done", depends_on: [one]}
  two: {engine: stand-in, prompt: x, depends_on: [gate]}
"""
    project = Project(tmp_path, team)
    os.mkfifo(project.root / "wait-for-it")
    project.write("open", "")
    project.run().expect(0)
    assert project.lines("started") == ["x", "x"]
    (project.root / "open").unlink()
    (project.root / "at-gate").unlink()
    return project


def killed(project: Project, *words: str) -> None:
    """A replay whose runner was killed while a command of it ran."""
    with project.popen("run", "--progress", "quiet", "--replay", "1", *words) as process:
        until(lambda: project.exists("at-gate"), "the command runs")
        process.kill()
    (project.root / "at-gate").unlink()


@pytest.mark.slow
def test_nobody_else_goes_on_with_it_and_no_agent_is_started(simple: Project) -> None:
    killed(simple)
    assert "replay of run 1" in simple.call("retry", "-r", "2").said + simple.call("status").said
    for verb in ("retry", "resume", "pause", "relaunch"):
        done = simple.call(verb, "gate", "-r", "2")
        assert "run 2" not in done.out or "--replay 1" in done.said, done.said
    refused = simple.call("run", "--go-on-with", "2").expect(2)
    assert "only `teamflow run --replay 1` goes on with it" in refused.said
    simple.call("cancel", "--all", "-r", "2").expect(0)
    assert simple.lines("started") == ["x", "x"]
    # What `run` does now is a run of its own.
    simple.write("open", "")
    simple.run().expect(0)
    assert newest(simple) == 3
    assert simple.status().data["replay"] is None
    assert simple.status(2).data["status"] == "cancelled"
    assert simple.lines("started") == ["x"] * 4


@pytest.mark.slow
def test_what_is_played_must_be_the_same(simple: Project) -> None:
    """Another team file, another recording, or a wish for a new one begins a replay of its own."""
    killed(simple)
    simple.write("open", "")
    simple.run("--new", "--replay", "1").expect(0)
    assert newest(simple) == 3
    simple.run("team.yaml", "--replay", "1").expect(0)
    assert newest(simple) == 4
    simple.call("record", "1", "-o", "fix").expect(0)
    simple.run("--replay", "fix").expect(0)
    assert newest(simple) == 5
    assert "is no replay of that" in simple.call("run", "--replay", "fix", "--go-on-with", "2").expect(2).said
    assert simple.lines("started") == ["x", "x"]
    simple.call("cancel", "--all", "-r", "2").expect(0)
    assert simple.status(2).statuses["gate"] == "cancelled"


@pytest.mark.slow
def test_it_goes_on_in_the_background(simple: Project) -> None:
    killed(simple)
    descriptor = os.open(simple.root / "wait-for-it", os.O_RDWR | os.O_NONBLOCK)
    try:
        simple.call("run", "-d", "--replay", "1", "--go-on-with", "2").expect(0)
        simple.write("open", "")
        os.write(descriptor, b"go\n")
        simple.call("wait", "-r", "2").expect(0)
    finally:
        os.close(descriptor)
    assert newest(simple) == 2
    assert simple.status().statuses == {"one": "succeeded", "gate": "succeeded", "two": "succeeded"}
    assert len(simple.status().step("gate")["attempts"]) == 1, "it was adopted"
    assert simple.lines("started") == ["x", "x"]


@pytest.mark.slow
def test_one_that_waits_or_was_interrupted_is_gone_on_with(recorded: Project) -> None:
    (recorded.root / "team.yaml").write_text(
        TEAM.replace("depends_on: [build]", "depends_on: [build], options: [a, b]")
    )
    waiting = recorded.run("team.yaml", "--replay", "1", "--no-input").expect(5)
    assert "ship: waits" in waiting.said
    number = newest(recorded)
    question = recorded.status().data["questions"][-1]["id"]
    answered = recorded.call("answer", question, "a").expect(0)
    assert f"no runner works on run {number}: it is a replay of run 1" in answered.said
    assert "`teamflow run team.yaml --replay 1`" in answered.said
    recorded.run("team.yaml", "--replay", "1", "--no-input").expect(0)
    assert newest(recorded) == number
    assert recorded.status().text("ship") == "a"


@pytest.mark.slow
def test_what_is_not_played_is_named(tmp_path: Path) -> None:
    """What an agent has changed in the project directory itself is in no commit; one that only looks changes none."""
    team = """
agents:
  a: {engine: scripted, prompt: x, script: s.yaml, workspace: {mode: shared}, permissions: edit}
  b: {engine: scripted, prompt: x, script: t.yaml, workspace: {mode: shared}, permissions: read}
  c: {command: cat made, depends_on: [a], workspace: {mode: shared}}
"""
    files = {"s.yaml": "- write: {path: made, text: made}\n- say: x\n", "t.yaml": "- say: x\n"}
    project = Project(tmp_path, team, files=files)
    project.run().expect(0)
    line = "not played: what a changed in the project directory, which is noted of worktrees only"
    assert f"note: {line}" in project.call("record", "-o", "fix").expect(0).err
    assert f"replay of run 1: {line}" in project.run("--replay", "1").expect(0).err
    (project.root / "made").unlink()
    gone = project.run("--replay", "fix").expect(1)
    assert f"replay of fix: {line}" in gone.err
    assert project.status().statuses == {"a": "succeeded", "b": "succeeded", "c": "failed"}


@pytest.mark.slow
def test_a_fixture_from_outside_of_the_project_needs_trust(simple: Project) -> None:
    """Its plan has commands: it is trusted as a team file from outside is, as long as it is as it was."""
    simple.write("open", "")
    simple.call("record", "1", "-o", "../fix").expect(0)
    (simple.root / "at-gate").unlink(missing_ok=True)
    refused = simple.run("--replay", "../fix").expect(3)
    assert "`teamflow run --replay ../fix --trust`" in refused.said
    assert not simple.exists("at-gate")
    simple.run("--replay", "../fix", "--trust").expect(0)
    simple.run("--replay", "../fix").expect(0)
    with (simple.place / "fix/one.1.log").open("a") as log:
        log.write("more\n")
    simple.run("--replay", "../fix").expect(3)
    assert simple.lines("started") == ["x", "x"]
