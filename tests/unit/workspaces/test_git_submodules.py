"""Submodules in a workspace: nothing of them is lost in silence, and nothing of them runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from teamflow.core.work import Ready
from teamflow.ports import Order
from tests.fakes.worktrees import changed, finished, git, prepared, repository, workspaces

pytestmark = pytest.mark.slow
"""Each starts several programs; `test_git_hostile` and `test_landing` stand for them in the fast run."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    library = repository(tmp_path / "library")
    root = repository(tmp_path / "project")
    git(root, "submodule", "--quiet", "add", str(library), "lib")
    git(root, "commit", "-q", "-m", "lib")
    return root


def initialised(project: Path) -> tuple[Ready, Path]:
    ready = prepared(project)
    git(ready.path, "submodule", "--quiet", "update", "--init")
    return ready, Path(ready.path, "lib")


def commit(inner: Path) -> str:
    (inner / "new").write_text("new\n")
    git(inner, "add", "new")
    git(inner, "commit", "-q", "-m", "inside")
    return git(inner, "rev-parse", "HEAD")


def put_by(project: Path, *names: str) -> Path:
    return project.joinpath(".teamflow/git/trees/7-00000run/a/aside/1", *names)


def test_one_that_was_only_initialised_is_no_change_and_goes_with_the_worktree(project: Path) -> None:
    assert changed(finished(project, prepared(project, "b"), "b")) == []
    ready, _ = initialised(project)
    done = finished(project, ready)
    assert (done.changes, done.aside) == ((), ())
    assert workspaces(project).remove(ready) == ""
    assert not put_by(project).exists()


def test_commits_inside_are_named_and_the_worktree_stays(project: Path) -> None:
    ready, inner = initialised(project)
    made = commit(inner)
    done = finished(project, ready)
    assert done.changes == ()
    assert [line.partition(":")[0] for line in done.aside] == ["lib"]
    assert made[:12] in done.aside[0]
    git(ready.path, "commit", "-q", "-am", "pointer")
    done = finished(project, ready)
    assert changed(done) == ["lib"]
    assert "may be nowhere else" in done.aside[0]
    assert workspaces(project).remove(ready) == f"{ready.path} stays: lib is in no commit"
    assert git(inner, "cat-file", "-t", made) == "commit"


@pytest.mark.slow
def test_commits_inside_outlive_a_worktree_that_is_made_anew(project: Path) -> None:
    ready, inner = initialised(project)
    made = commit(inner)
    finished(project, ready)
    assert isinstance(workspaces(project).prepare(Order("a", 2, (), own=True, before=ready)), Ready)
    assert git(put_by(project), "--git-dir=modules/lib", "--work-tree=.", "cat-file", "-t", made) == "commit"


def test_edits_inside_are_named_and_a_clean_retry_starts_without_them(project: Path) -> None:
    ready, inner = initialised(project)
    (inner / "a.txt").write_text("edited\n")
    done = finished(project, ready)
    assert "1 of its files are not committed" in done.aside[0]
    again = workspaces(project).prepare(Order("a", 2, (), own=True, before=ready))
    assert isinstance(again, Ready)
    assert os.listdir(inner) == []
    assert put_by(project, "lib", "a.txt").read_text() == "edited\n"


def test_one_that_became_plain_files_is_committed_as_files(project: Path) -> None:
    ready, inner = initialised(project)
    (inner / ".git").unlink()
    (inner / "b").write_text("b\n")
    done = finished(project, ready)
    assert "lib/a.txt" in changed(done)
    assert git(project, "show", f"{done.left.commit}:lib/b") == "b"


def test_files_beside_one_that_was_never_initialised_are_committed(project: Path) -> None:
    ready = prepared(project)
    Path(ready.path, "lib/b").write_text("b\n")
    assert git(project, "show", f"{finished(project, ready).left.commit}:lib/b") == "b"


@pytest.mark.parametrize("how", ["rm", "git rm", "file", "link"])
def test_one_that_was_taken_away_is_gone(project: Path, how: str) -> None:
    ready, inner = initialised(project)
    if how == "git rm":
        git(ready.path, "rm", "-q", "lib")
    else:
        shutil.rmtree(inner)
    if how == "file":
        inner.write_text("f\n")
    elif how == "link":
        inner.symlink_to("a.txt")
    done = finished(project, ready)
    assert "lib" in changed(done)
    listed = git(project, "ls-tree", done.left.commit, "lib")
    assert "160000" not in listed
    assert bool(listed) == (how in ("file", "link"))


def test_one_that_the_agent_adds_is_named(project: Path, tmp_path: Path) -> None:
    ready = prepared(project)
    git(ready.path, "submodule", "--quiet", "add", str(tmp_path / "library"), "other")
    git(ready.path, "commit", "-q", "-m", "both")
    done = finished(project, ready)
    assert ".gitmodules" in changed(done)
    assert any(line.startswith("other: ") for line in done.aside)


def test_nothing_of_a_submodule_runs(project: Path, tmp_path: Path) -> None:
    ready, inner = initialised(project)
    script = tmp_path / "trap"
    script.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    script.chmod(0o755)
    for key in ("core.fsmonitor", "filter.x.clean", "filter.x.process", "diff.x.textconv", "core.pager"):
        git(inner, "config", key, str(script))
    git(ready.path, "config", "submodule.lib.update", f"!{script}")
    git(ready.path, "config", "--file", ".gitmodules", "submodule.lib.update", f"!{script}")
    (inner / ".gitattributes").write_text("* filter=x diff=x\n")
    (inner / "a.txt").write_text("2\n")
    assert finished(project, ready).aside
    assert workspaces(project).remove(ready) != ""
    assert not (tmp_path / "ran").exists()


def test_one_that_is_broken_counts_as_changed(project: Path) -> None:
    ready, inner = initialised(project)
    (inner / ".git").write_text("gitdir: /nowhere\n")
    assert "cannot be told" in finished(project, ready).aside[0]
    (inner / ".git").unlink()
    os.mkfifo(inner / ".git")
    assert any(line.startswith("lib") for line in finished(project, ready).aside)


def nested(project: Path) -> tuple[Ready, Path]:
    ready = prepared(project)
    inner = Path(ready.path, "deep/inner")
    inner.mkdir(parents=True)
    git(inner, "init", "-q")
    return ready, inner


def test_a_worktree_with_the_only_history_of_a_repository_inside_stays(project: Path) -> None:
    ready, inner = nested(project)
    made = commit(inner)
    assert changed(finished(project, ready)) == ["deep/inner/new"]
    for _ in range(2):
        assert workspaces(project).remove(ready) == f"{ready.path} stays: the history of deep/inner is in no commit"
    assert git(inner, "cat-file", "-t", made) == "commit"


def test_a_history_that_is_detached_or_stashed_or_broken_counts_as_well(project: Path) -> None:
    ready, inner = nested(project)
    commit(inner)
    git(inner, "checkout", "-q", "--detach")
    git(inner, "branch", "-D", "-q", "master" if "master" in git(inner, "branch") else "main")
    assert "deep/inner" in workspaces(project).remove(ready)
    (inner / ".git/HEAD").write_text("nonsense\n")
    assert "deep/inner" in workspaces(project).remove(ready)


def test_the_history_of_a_repository_inside_outlives_a_worktree_that_is_made_anew(project: Path) -> None:
    ready, inner = nested(project)
    made = commit(inner)
    assert isinstance(workspaces(project).prepare(Order("a", 2, (), own=True, before=ready)), Ready)
    assert git(put_by(project), "--git-dir=deep/inner/.git", "cat-file", "-t", made) == "commit"


@pytest.mark.parametrize("how", ["empty", "cloned"])
def test_a_repository_inside_without_commits_of_its_own_holds_no_worktree(
    project: Path, tmp_path: Path, how: str
) -> None:
    ready, inner = nested(project)
    if how == "cloned":
        git(inner, "fetch", "-q", str(tmp_path / "library"), "+refs/heads/*:refs/remotes/origin/*")
        git(inner, "checkout", "-q", "-b", "work", "refs/remotes/origin/main")
    finished(project, ready)
    assert workspaces(project).remove(ready) == ""
    assert not os.path.lexists(ready.path)
