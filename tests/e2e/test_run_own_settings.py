"""What a step leaves for the next one's agent to obey: settings of agents, in a commit or where git does not look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project, proves
from tests.e2e.test_run_workspaces import repository, sh

SETTINGS = "mkdir -p sub/.claude; echo '{}' > sub/.claude/settings.json"
IGNORED = "mkdir -p .opencode; echo .opencode >> .gitignore; echo x > .opencode/a.js"


def built(place: Path, script: str, files: dict[str, str] | None = None, **more: Any) -> Project:
    agents = {"build": sh(script, **more), "look": sh("true", permissions="read", depends_on=["build"])}
    return repository(place, agents, {"sub/x": "x\n", **(files or {})})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "named"),
    [
        (SETTINGS, "sub/.claude/settings.json"),
        ("mkdir -p .github/hooks; echo '{}' > .github/hooks/a.json", ".github/hooks/a.json"),
        ("rm .mcp.json", ".mcp.json"),
        ("ln -s sub .gemini", ".gemini"),
        (IGNORED, ".opencode/a.js"),
    ],
)
def test_settings_that_nobody_named_fail_the_step(tmp_path: Path, script: str, named: str) -> None:
    project = built(tmp_path, script, {".mcp.json": "{}\n"}, permissions={"net": "allow"})
    project.run().expect(1)
    status = project.status()
    assert status.failures("build") == ["writes"]
    assert f"changed settings of agents: {named}" in status.step("build")["reason"]
    assert status.statuses["look"] == "skipped"


@pytest.mark.slow
@proves(agent=["writes", "permissions.edit"])
@pytest.mark.parametrize(
    "more",
    [
        {"writes": ["**", "sub/.claude/**", ".opencode/**"]},
        {"permissions": {"edit": ["**", ".claude/**", "sub/.claude/**", ".opencode/**"]}},
        {"permissions": "full"},
    ],
)
def test_settings_that_are_named_are_kept(tmp_path: Path, more: dict[str, Any]) -> None:
    built(tmp_path, f"{SETTINGS}; {IGNORED}", **more).run().expect(0)


@pytest.mark.slow
def test_settings_of_the_project_that_nobody_changed_are_left_alone(tmp_path: Path) -> None:
    """Neither those that it was committed with, nor those that `copy` brought, nor what a package brings."""
    files = {".claude/settings.json": "{}\n", ".claude/settings.local.json": "{}\n",
             ".gitignore": "*.local.json\nnode_modules\n"}  # fmt: skip
    script = "cat .claude/settings.local.json > seen; mkdir -p node_modules/a/.vscode; echo > node_modules/a/.vscode/b"
    project = built(tmp_path, script, files, workspace={"copy": [".claude/settings.local.json"]})
    project.run().expect(0)
    assert project.git("show", "teamflow/1/build:seen") == "{}\n"


@pytest.mark.slow
def test_commands_of_the_team_may_make_them(tmp_path: Path) -> None:
    agents = {"make": {"command": SETTINGS, "workspace": {"mode": "worktree"}}}
    repository(tmp_path, agents, {"sub/x": "x\n"}).run().expect(0)
