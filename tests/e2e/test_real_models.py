"""Which model has really answered: told by the real claude and codex, shown, locked, and missed when it is another."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.project import Project
from tests.fakes import clis
from tests.fakes.models import Models, say

pytestmark = pytest.mark.slow

TEAM = """
inherit_env: [SCRIPTED_KEY]
defaults: {permissions: read}
agents:
  a: {engine: claude/sonnet, prompt: Say hello.}
  b: {engine: codex, prompt: Say hello.}
"""


@pytest.fixture
def models() -> Iterator[Models]:
    with Models() as server:
        for _ in range(2):
            server.play(say("hello"), agent="a")
            server.play(say("hello"), agent="b")
        yield server


def test_an_alias_that_has_moved_on_is_told_and_refused(tmp_path: Path, models: Models) -> None:
    project = Project(tmp_path, TEAM)
    env: dict[str, str] = {}
    for name, agent in (("claude", "a"), ("codex", "b")):
        clis.program(name)
        env |= clis.ENVIRONMENTS[name](models, tmp_path / "home", agent=agent)
    env |= {"PATH": f"{clis.place()}/node_modules/.bin:{os.environ['PATH']}"}
    project.run(env={**env, "ANTHROPIC_DEFAULT_SONNET_MODEL": "claude-sonnet-4-5-20250929"}).expect(0)
    seen = {name: step["attempts"][0]["model_id"] for name, step in project.status().steps.items()}
    assert seen == {"a": "claude-sonnet-4-5-20250929", "b": "gpt-5"}

    locked = project.call("lock", env=env).expect(0)
    assert "claude: model sonnet is claude-sonnet-4-5-20250929\n" in locked.out
    assert "codex: its own choice of a model is gpt-5\n" in locked.out
    engines = json.loads(project.read("teamflow.lock"))["teams"]["team.yaml"]["engines"]
    assert engines["claude"]["answers"] == {"sonnet": "claude-sonnet-4-5-20250929"}
    assert "teamflow.lock" not in project.call("plan", "--new", env=env).expect(0).out

    project.run("--new", "--locked", env={**env, "ANTHROPIC_DEFAULT_SONNET_MODEL": "claude-sonnet-4-6"}).expect(0)
    moved = "claude: model sonnet is claude-sonnet-4-6 now, and was claude-sonnet-4-5-20250929"
    assert moved in " ".join(project.call("plan", "--new", env=env).expect(0).out.split())
    assert f"--locked: {moved}" in project.run("--new", "--locked", env=env).expect(3).err
    assert f"{moved}\n" in project.call("lock", env=env).expect(0).out
