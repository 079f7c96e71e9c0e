"""What the user does to the repository while a run goes on: nothing is lost, and what cannot be done is said."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from teamflow.core.outcome import Failed
from teamflow.core.work import Ready
from teamflow.ports import Done, Finish, Order, Parent
from tests.fakes.worktrees import KEPT, changed, finished, git, prepared, repository, workspaces

pytestmark = pytest.mark.slow
"""Each starts several programs; `test_git_hostile` and `test_landing` stand for them in the fast run."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return repository(tmp_path / "project")


def worked(project: Path) -> tuple[Ready, str]:
    """A workspace with a commit of the agent's and an uncommitted file."""
    ready = prepared(project)
    Path(ready.path, "b").write_text("b\n")
    git(ready.path, "add", "b")
    git(ready.path, "commit", "-q", "-m", "mine")
    Path(ready.path, "c").write_text("c\n")
    return ready, git(ready.path, "rev-parse", "HEAD")


def commit(project: Path, name: str) -> str:
    (project / name).write_text(f"{name}\n")
    git(project, "add", name)
    git(project, "commit", "-q", "-m", name)
    return git(project, "rev-parse", "HEAD")


def test_steps_that_begin_later_start_from_the_same_commit(project: Path) -> None:
    session = workspaces(project)
    one = session.prepare(Order("one", 1, (), own=True))
    made = commit(project, "late")
    two = session.prepare(Order("two", 1, (), own=True))
    assert isinstance(one, Ready)
    assert isinstance(two, Ready)
    assert one.base == two.base == session.head() == session.merged((), "")
    session.refresh()
    assert session.head() == made


def test_a_branch_that_the_user_has_deleted_is_there_again(project: Path) -> None:
    ready, mine = worked(project)
    git(project, "update-ref", "-d", f"refs/heads/{ready.branch}")
    done = finished(project, ready)
    assert changed(done) == ["b", "c"]
    assert git(project, "rev-parse", ready.branch) == done.left.commit
    assert mine


def test_a_branch_that_the_user_has_moved_loses_nothing(project: Path) -> None:
    ready, mine = worked(project)
    other = git(project, "commit-tree", "-p", ready.base, "-m", "users", git(project, "rev-parse", "HEAD^{tree}"))
    git(project, "update-ref", f"refs/heads/{ready.branch}", other)
    done = finished(project, ready)
    assert changed(done) == ["b", "c"]
    kept = git(project, "for-each-ref", "--format=%(objectname)", KEPT, "refs/heads/").split()
    assert other in kept or git(project, "merge-base", other, done.left.commit) == other
    reachable = git(project, "rev-list", "--glob=refs/teamflow/*", "--branches").split()
    assert {other, done.left.commit} <= set(reachable)
    assert mine in git(project, "rev-list", "--all", "--reflog").split()


def test_a_branch_that_the_user_has_taken_into_a_checkout_of_his_own(project: Path, tmp_path: Path) -> None:
    ready, _ = worked(project)
    git(ready.path, "checkout", "-q", "--detach")
    git(project, "checkout", "-q", ready.branch)
    before = git(project, "rev-parse", "HEAD")
    done = finished(project, ready)
    assert git(project, "rev-parse", "HEAD") == before
    assert git(project, "status", "--porcelain") == ""
    assert done.left.branch != ready.branch
    assert git(project, "rev-parse", done.left.branch) == done.left.commit


@pytest.mark.parametrize(
    "words",
    [
        ["worktree prune"],
        ["gc -q --prune=now"],
        ["stash -u"],
        ["branch -m main trunk"],
        ["checkout -q --orphan fresh", "rm -rfq --cached ."],
        ["checkout -q --detach"],
        ["worktree remove -f .teamflow/work/7-00000run/a"],
        ["reflog expire --expire=now --all", "gc -q --prune=now"],
        ["pack-refs --all"],
        ["repack -adq"],
        ["switch -q -c teamflow"],
    ],
)
def test_what_the_user_calls_git_for_loses_nothing_of_the_agents(project: Path, words: list[str]) -> None:
    commit(project, "second")
    ready, mine = worked(project)
    (project / "a.txt").write_text("users\n")
    for line in words:
        argv = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *line.split()]
        subprocess.run(argv, cwd=project, capture_output=True, check=False)
    done = workspaces(project).finish(Finish("a", 1, ready, "m"))
    if "remove" in words[0]:
        assert isinstance(done, Failed)
        assert "not there any more" in done.reason
        assert git(project, "rev-parse", ready.branch) == mine
        return
    assert isinstance(done, Done), done
    assert changed(done) == ["b", "c"]
    assert git(project, "rev-parse", f"{done.left.commit}^") == mine
    assert isinstance(workspaces(project).prepare(Order("n", 1, (Parent("a", done.left.commit),), own=True)), Ready)


def test_a_rebase_of_main_changes_nothing_for_what_has_begun(project: Path) -> None:
    commit(project, "second")
    ready, _ = worked(project)
    git(project, "commit", "-q", "--amend", "-m", "other")
    git(project, "reflog", "expire", "--expire=now", "--all")
    git(project, "gc", "-q", "--prune=now")
    assert changed(finished(project, ready)) == ["b", "c"]


@pytest.mark.parametrize("what", ["git", "git/trees", "work", "work/7-00000run/a/.git", ""])
def test_what_the_user_deletes_of_ours_is_made_again(project: Path, what: str) -> None:
    ready, mine = worked(project)
    path = project / ".teamflow" / what
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    done = workspaces(project).finish(Finish("a", 1, ready, "m"))
    if what in ("work", ""):
        assert isinstance(done, Failed)
        assert "not there any more" in done.reason
    else:
        assert isinstance(done, Done), done
        assert changed(done) == ["b", "c"]
    again = workspaces(project).prepare(Order("a", 2, (), own=True, before=ready))
    assert isinstance(again, Ready), again
    assert mine in git(project, "rev-list", "--glob=refs/teamflow/*", "--branches").split()
    assert sorted(os.listdir(again.path)) == [".git", "a.txt"]


@pytest.mark.parametrize("what", ["git", "git/trees"])
def test_a_clean_attempt_keeps_what_lay_there_also_where_our_record_is_gone(project: Path, what: str) -> None:
    ready, mine = worked(project)
    shutil.rmtree(project / ".teamflow" / what)
    again = workspaces(project).prepare(Order("a", 2, (), own=True, before=ready))
    assert isinstance(again, Ready), again
    assert git(project, "show", f"{KEPT}/a/1:c") == "c"
    assert git(project, "rev-parse", f"{KEPT}/a/1^") == mine


@pytest.mark.parametrize("where", ["bisect", "rebase", "merge"])
def test_what_the_project_is_in_the_middle_of_does_not_matter(project: Path, where: str) -> None:
    commit(project, "second")
    commit(project, "third")
    git(project, "checkout", "-q", "-b", "side", "HEAD~1")
    (project / "third").write_text("other\n")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "side")
    words = {"bisect": "bisect start HEAD HEAD~2", "rebase": "rebase main", "merge": "merge main"}[where]
    argv = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words.split()]
    subprocess.run(argv, cwd=project, capture_output=True, check=False)
    before = git(project, "status")
    ready, _ = worked(project)
    assert changed(finished(project, ready)) == ["b", "c"]
    assert workspaces(project).remove(ready) == ""
    assert git(project, "status") == before
