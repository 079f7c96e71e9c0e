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
    """Killed at every ninth boundary between two effects."""
    stride = int(os.environ.get("TEAMFLOW_TEST_STRIDE", "9"))
    first, number = came_to(recorded.status(1)), stride
    while True:
        before = newest(recorded)
        killed = recorded.run("--replay", "1", env={"TEAMFLOW_FAILPOINT": str(number)})
        if killed.code != -signal.SIGKILL:
            killed.expect(0)
            break
        made = newest(recorded) - before
        recorded.run("--replay", "1").expect(0)
        shown = recorded.status()
        noted = (recorded.run_dir(before + 1) / "replay.json").exists()
        assert newest(recorded) == before + 1 or (made and not noted), number
        assert came_to(shown) == first, number
        assert recorded.lines("counted") == ["counted"], number
        (recorded.root / "counted").unlink()
        number += stride
    assert number > 40
