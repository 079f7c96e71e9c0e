"""Which directory is a project."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from teamflow.app.project import NoTeamFile, Project, find_team_file, project_of


def test_a_git_top_level_is_one(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert project_of(str(below)) == Project(str(tmp_path), git=True)


def test_a_worktree_is_one(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: /elsewhere\n")
    assert project_of(str(tmp_path)).git


@pytest.mark.parametrize("below", [".", "a"])
def test_what_a_sandbox_left_behind_makes_none(tmp_path: Path, below: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "a").mkdir()
    start = (tmp_path / below).resolve()
    assert project_of(str(start)) == Project(str(start), git=False)


@pytest.mark.parametrize("name", ["teams/nightly.yaml", "nightly.yml"])
def test_a_name_that_is_nearly_one(tmp_path: Path, name: str) -> None:
    (tmp_path / "teams").mkdir()
    (tmp_path / name).write_text("agents: {}\n")
    with pytest.raises(NoTeamFile, match=r'no teams/nightlly.yaml or nightlly.yaml here .* did you mean "nightly"\?'):
        find_team_file("nightlly", str(tmp_path))
