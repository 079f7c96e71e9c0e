"""MCP servers of a team that do not start, with the real CLIs: whoever can know it is told, and the step goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project
from tests.fakes import clis
from tests.fakes.models import Models, say

pytestmark = pytest.mark.slow

SERVERS = {"exits": {"command": "sh", "args": ["-c", "exit 1"]}, "missing": {"command": "no-such-program-anywhere"}}


def team(engine: str, servers: dict[str, Any]) -> dict[str, Any]:
    agent = {"engine": engine, "prompt": "Do it.", "workspace": {"mode": "shared"}, "mcp_servers": servers}
    return {"inherit_env": ["SCRIPTED_KEY"], "agents": {"a": agent}}


def played(place: Path, engine: str, servers: dict[str, Any]) -> tuple[Project, list[str]]:
    """Its project after a run in which the agent has succeeded, and what was warned of."""
    with Models() as models:
        models.play(say("Done."))
        program = clis.program(engine)
        made = clis.ENVIRONMENTS[engine](models, place / "agent")
        env = {**made, "PATH": os.pathsep.join((os.path.dirname(program), os.environ["PATH"]))}
        project = Project(place, team(engine, servers))
        project.run(env=env, seconds=120).expect(0)
        models.check()
    assert project.status().statuses == {"a": "succeeded"}
    warnings: list[str] = project.status().step("a")["attempts"][0]["warnings"]
    return project, sorted(warnings)


@pytest.mark.parametrize("engine", ["claude", "codex"])
def test_one_that_does_not_start_is_named(engine: str, tmp_path: Path) -> None:
    project, warnings = played(tmp_path, engine, SERVERS)
    first, second = warnings
    assert first.startswith("works without MCP server exits: ")
    assert second.startswith("works without MCP server missing: ")
    assert "No such file" in second or engine == "claude"
    assert all(warning in project.why("a") for warning in warnings)
    assert all(warning in project.call("logs", "a").out for warning in warnings)


def test_with_codex_so_is_one_that_never_came(tmp_path: Path) -> None:
    """It begins to work while they start, and says nothing more of one that hangs."""
    _, warnings = played(tmp_path, "codex", {"hangs": {"command": "sleep", "args": ["3600"]}})
    assert warnings == ["works without MCP server hangs: it had not started when the work was done"]


@pytest.mark.parametrize("name", SERVERS)
def test_gemini_goes_on_without_and_names_none(name: str, tmp_path: Path) -> None:
    """Whether its program ends at once or is not there: only its errors say so, for whoever looks into the log."""
    project, warnings = played(tmp_path, "gemini", {name: SERVERS[name]})
    assert warnings == []
    assert "MCP issues detected" in project.call("logs", "a").out


@pytest.mark.parametrize("engine", ["claude", "codex"])
def test_one_that_is_there_is_not_spoken_of(engine: str, tmp_path: Path) -> None:
    from tests.e2e.claude_scenes import notes_server

    with notes_server() as (url, asked):
        _, warnings = played(tmp_path, engine, {"notes": {"type": "http", "url": url}})
    assert json.dumps(asked), "it was spoken to"
    assert warnings == []
