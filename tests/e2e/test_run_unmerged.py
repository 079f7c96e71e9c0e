"""An agent that merges in its worktree itself, and leaves off in the middle, on real git."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project
from tests.e2e.test_run_workspaces import repository, sh, show, team, untouched

BEGIN = "git config user.name me; git config user.email m@e; echo mine > a.txt; git commit -qam mine"


def diverged(place: Path, agents: dict[str, Any]) -> Project:
    """With a branch `side` that does not merge with who writes "mine"."""
    project = repository(place, agents)
    project.git("checkout", "-q", "-b", "side")
    project.write("a.txt", "side\n")
    project.git("commit", "-qam", "side")
    project.git("checkout", "-q", "main")
    return project


@pytest.mark.slow
@pytest.mark.parametrize("words", ["merge", "rebase"])
def test_conflicts_that_an_agent_has_left_itself_are_not_committed(tmp_path: Path, words: str) -> None:
    project = diverged(tmp_path, {"build": sh(f"{BEGIN}; git {words} side || true")})
    project.run().expect(1)
    status = project.status()
    assert status.failures("build") == ["verify"]
    reason = status.step("build")["reason"]
    assert reason.startswith(f"a.txt is unmerged, a {words} is not finished there: settle and `git add` each")
    assert "<<<<<<<" not in project.git("log", "-p", "-m", "--branches")
    assert "<<<<<<<" in next(project.root.glob(".teamflow/work/*/build/a.txt")).read_text()
    untouched(project)


@pytest.mark.slow
def test_the_next_attempt_goes_on_in_the_merge_and_it_stays_one(tmp_path: Path) -> None:
    script = f"""
        if test -e tried; then cat a.txt > ../../../seen; echo both > a.txt; git add a.txt
        else touch tried; {BEGIN}; git merge side || true; fi"""
    project = diverged(tmp_path, {"build": sh(script, retry={"attempts": 2, "delay": "1ms"})})
    project.run().expect(0)
    assert project.status().failures("build") == ["verify", None]
    seen = next(path for path in (project.root / "seen", project.root / ".teamflow/seen") if path.exists())
    assert "<<<<<<<" in seen.read_text()
    assert show(project, "teamflow/1/build", "a.txt") == "both\n"
    parents = project.git("log", "-1", "--format=%P", "teamflow/1/build").split()
    assert [project.git("log", "-1", "--format=%s", parent).strip() for parent in parents] == ["mine", "side"]


@pytest.mark.slow
def test_a_command_in_a_borrowed_worktree_goes_on_working(tmp_path: Path) -> None:
    agents = {
        "build": sh("echo b > b.txt"),
        "look": {"command": "cat b.txt", "depends_on": ["build"]},
        "merge": {"command": f"{BEGIN}; git merge side || true", "depends_on": ["look"]},
    }
    project = diverged(tmp_path, agents)
    project.run().expect(1)
    status = project.status()
    assert status.text("look") == "b"
    assert status.failures("merge")[-1] == "verify"
    agents["merge"]["command"] = "cat b.txt a.txt"
    project.team(team(agents))
    project.run().expect(0)
    assert project.status().text("merge") == "b\na"


@pytest.mark.slow
def test_in_a_clone_it_is_the_same(tmp_path: Path) -> None:
    script = f"{BEGIN}; git merge origin/side || true"
    project = diverged(tmp_path, {"build": sh(script, workspace={"mode": "clone"})})
    project.run().expect(1)
    assert project.status().failures("build") == ["verify"]
    assert project.status().step("build")["reason"].startswith("a.txt is unmerged, a merge is not finished there")
