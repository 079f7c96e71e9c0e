"""Repositories of all kinds as a project, and worktrees with more in them than usual."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from teamflow.core.outcome import Failed
from teamflow.core.work import Ready
from teamflow.ports import Done, Finish, Order
from teamflow.workspaces.process import GitError
from tests.fakes.worktrees import changed, finished, git, prepared, repository, workspaces

pytestmark = pytest.mark.slow
"""Each starts several programs; `test_git_hostile` and `test_landing` stand for them in the fast run."""


def life(project: Path) -> Done:
    ready = prepared(project)
    Path(ready.path, "b").write_text("b\n")
    done = finished(project, ready)
    assert changed(done) == ["b"]
    assert git(project, "rev-parse", ready.branch) == done.left.commit
    again = workspaces(project).prepare(Order("a", 2, (), own=True, before=ready))
    assert isinstance(again, Ready), again
    assert workspaces(project).remove(again) == ""
    assert git(project, "status", "--porcelain") == ""
    return done


@pytest.mark.parametrize("kind", ["sha256", "detached", "linked", "bare", "shallow", "alternates", "separate", "link"])
def test_a_workspace_lives_in_every_kind_of_repository(tmp_path: Path, kind: str) -> None:
    words = {"sha256": ["--object-format=sha256"], "separate": [f"--separate-git-dir={tmp_path}/elsewhere"]}
    project = repository(tmp_path / "project", *words.get(kind, []))
    git(project, "commit", "-q", "--allow-empty", "-m", "second")
    other = tmp_path / "other"
    if kind == "detached":
        git(project, "checkout", "-q", "--detach")
    elif kind == "linked":
        git(project, "worktree", "add", "-q", str(other))
    elif kind == "bare":
        git(tmp_path, "clone", "-q", "--bare", str(project), "bare")
        git(tmp_path / "bare", "worktree", "add", "-q", str(other), "main")
    elif kind == "shallow":
        git(tmp_path, "clone", "-q", "--depth=1", f"file://{project}", str(other))
    elif kind == "alternates":
        git(tmp_path, "clone", "-q", "--shared", str(project), str(other))
    elif kind == "link":
        os.symlink(project, other)
    if other.exists():
        project = other
        (project / ".teamflow").mkdir(exist_ok=True)
        (project / ".teamflow/.gitignore").write_text("*\n")
    life(project)


@pytest.mark.parametrize("name", ["HEAD.lock", "packed-refs.lock", "index.lock", "config.lock", "shallow.lock"])
def test_locks_that_others_hold_in_the_project_do_not_matter(tmp_path: Path, name: str) -> None:
    project = repository(tmp_path / "project")
    (project / ".git" / name).write_text("")
    ready = prepared(project)
    Path(ready.path, "b").write_text("b\n")
    assert changed(finished(project, ready)) == ["b"]


def test_a_directory_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    project = repository(tmp_path / "project")
    (project / ".git").chmod(0o500)
    failed = workspaces(project).prepare(Order("a", 1, (), own=True))
    (project / ".git").chmod(0o700)
    assert isinstance(failed, Failed)
    assert "denied" in failed.reason


def test_changes_of_case_alone_are_changes(tmp_path: Path) -> None:
    project = repository(tmp_path / "project")
    ready = prepared(project)
    os.rename(f"{ready.path}/a.txt", f"{ready.path}/A.TXT")
    assert changed(finished(project, ready)) == ["A.TXT", "a.txt"]


def test_paths_longer_than_the_system_allows_are_named(tmp_path: Path) -> None:
    project = repository(tmp_path / "project")
    ready = prepared(project)
    Path(ready.path, "b").write_text("b\n")
    at = os.open(ready.path, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=at)
        at, old = os.open("d" * 200, os.O_RDONLY, dir_fd=at), at
        os.close(old)
    os.close(os.open("deep", os.O_WRONLY | os.O_CREAT, dir_fd=at))
    os.close(at)
    done = workspaces(project).finish(Finish("a", 1, ready, "m"))
    if isinstance(done, Done):
        assert changed(done) == ["b"]
        assert any("dddd" in line for line in done.aside)
    else:
        assert "too long" in done.reason
    assert isinstance(workspaces(project).prepare(Order("a", 2, (), own=True, before=ready)), Ready)


def test_a_huge_file_and_many_small_ones_are_committed(tmp_path: Path) -> None:
    project = repository(tmp_path / "project")
    ready = prepared(project)
    with open(f"{ready.path}/huge", "wb") as file:
        for _ in range(100):
            file.write(os.urandom(1 << 20))
    Path(ready.path, "many").mkdir()
    for number in range(20_000):
        Path(ready.path, f"many/{number}").write_text(f"{number}\n")
    done = finished(project, ready)
    assert done.left.files == 20_001
    assert done.aside == ()


def test_errors_of_git_are_of_one_kind(tmp_path: Path) -> None:
    project = repository(tmp_path / "project")
    with pytest.raises(GitError, match="exited 128"):
        workspaces(project).repository.tree_of("1" * 40)
