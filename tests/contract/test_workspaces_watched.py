"""What `Workspaces` promises of a look at a worktree in which somebody works, on real git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from teamflow.core.work import Ready
from teamflow.ports import Finish, Order
from tests.contract.test_workspaces import finished, git, prepared, workspaces
from tests.contract.test_workspaces import project as project


def worktree(project: Path, step: str) -> tuple[Ready, Path]:
    ready = prepared(project, Order(step, 1, (), own=True))
    return ready, Path(ready.path)


def blob(place: Path, path: str) -> str:
    return git(place, "hash-object", path)


@pytest.mark.slow
def test_what_lies_there_is_told_uncommitted_and_committed(project: Path) -> None:
    ready, place = worktree(project, "api")
    ours = workspaces(project)
    assert ours.look(ready) == (ready.base, {})
    (place / "a.txt").unlink()
    (place / "new é").write_text("new\n")
    (place / "x.log").write_text("ignored")
    found = ours.look(ready)
    assert found is not None
    assert found[1] == {"a.txt": "", "new é": blob(place, "new é")}
    assert ours.look(ready) == found
    git(place, "add", "-A")
    git(place, "commit", "-qm", "mine")
    (place / "b").write_text("b\n")
    again = ours.look(ready)
    assert again is not None
    assert again[1] == {**found[1], "b": blob(place, "b")}
    assert git(project, "rev-parse", f"{again[0]}^") == git(place, "rev-parse", "HEAD")
    (place / "b").write_text("c\n")
    changed = ours.look(ready)
    assert changed is not None
    assert changed[1]["b"] == blob(place, "b")
    git(place, "reset", "-q", "--hard", ready.base)
    (place / "b").unlink(missing_ok=True)
    assert ours.look(ready) == (ready.base, {})


def test_looking_changes_nothing(project: Path) -> None:
    ready, place = worktree(project, "api")
    (place / "a.txt").write_text("1\n2\n3\nmore\n")
    (place / "new").write_text("x\n")
    git(place, "add", "new")
    (place / "new").write_text("y\n")
    admin = Path(git(place, "rev-parse", "--absolute-git-dir"))

    def seen() -> object:
        index = admin / "index"
        refs = git(project, "for-each-ref")
        listing = {path: path.stat().st_mtime_ns for path in sorted(admin.rglob("*"))}
        return index.read_bytes(), listing, refs, subprocess.check_output(["git", "-C", place, "diff", "--cached"])

    before, ours = seen(), workspaces(project)
    for text in ("1", "2"):
        (place / "a.txt").write_text(text)
        assert ours.look(ready) is not None
        assert ours.look(ready) is not None
    assert seen() == before


def test_a_rule_for_what_is_ignored_that_came_later_counts(project: Path) -> None:
    ready, place = worktree(project, "api")
    (place / "cache").write_text("x")
    ours = workspaces(project)
    first = ours.look(ready)
    assert first is not None
    assert set(first[1]) == {"cache"}
    (place / ".gitignore").write_text("*.log\n.env\ncache\n")
    then = ours.look(ready)
    assert then is not None
    assert set(then[1]) == {".gitignore"}


def test_what_copy_brought_is_no_difference(project: Path) -> None:
    (project / "brought").write_text("S=1")
    git(project, "config", "core.excludesFile", "/dev/null")
    ready = prepared(project, Order("api", 1, (), own=True, copy=("brought",)))
    ours = workspaces(project)
    assert ours.look(ready) == (ready.base, {})
    assert ours.look(ready) == (ready.base, {})


@pytest.mark.slow
def test_a_worktree_that_is_not_there_or_was_made_anew(project: Path) -> None:
    ready, place = worktree(project, "api")
    ours = workspaces(project)
    (place / "new").write_text("x")
    assert ours.look(ready) is not None
    ours.remove(ready)
    assert ours.look(ready) is None
    again = ours.prepare(Order("api", 2, (), own=True))
    assert isinstance(again, Ready)
    assert ours.look(again) == (again.base, {})
    assert ours.look(again._replace(path="/tmp")) is None


@pytest.mark.slow
def test_what_conflicts_when_it_is_merged(project: Path) -> None:
    one, two, three = (worktree(project, name) for name in ("one", "two", "three"))
    one[1].joinpath("a.txt").write_text("1\n2\nX\n")
    two[1].joinpath("a.txt").write_text("1\n2\nY\n")
    three[1].joinpath("a.txt").write_text("0\n1\n2\n3\n")
    ours = workspaces(project)
    commits = []
    for ready, _ in (one, two, three):
        found = ours.look(ready)
        assert found is not None
        commits.append(found[0])
    assert ours.conflicts(commits[0], commits[1]) == ("a.txt",)
    assert ours.conflicts(commits[0], commits[2]) == ()
    assert ours.conflicts(commits[0], "0" * 40) is None


@pytest.mark.slow
def test_other_starting_commits_and_what_was_left(project: Path) -> None:
    first = worktree(project, "first")
    first[1].joinpath("a.txt").write_text("1\n2\n3\n4\n")
    done = finished(project, "first", first[0])
    (project / "other").write_text("x\n")
    git(project, "add", "other")
    git(project, "commit", "-qm", "second")
    later = worktree(project, "later")
    later[1].joinpath("a.txt").write_text("1\n2\n3\nfour\n")
    ours = workspaces(project)
    found = ours.look(later[0])
    assert found is not None
    assert set(found[1]) == {"a.txt"}
    assert ours.conflicts(found[0], done.left.commit) == ("a.txt",)
    assert ours.differs(done.left) == {"a.txt": blob(first[1], "a.txt")}
    assert ours.differs(done.left._replace(commit="0" * 40)) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_passed_over(project: Path) -> None:
    ready, place = worktree(project, "api")
    (place / "closed").write_text("x")
    (place / "closed").chmod(0)
    (place / "open").write_text("x")
    found = workspaces(project).look(ready)
    assert found is not None
    assert set(found[1]) == {"open"}


@pytest.mark.slow
def test_the_end_of_a_step_is_told_from_the_same_worktree(project: Path) -> None:
    ready, place = worktree(project, "api")
    ours = workspaces(project)
    (place / "new").write_text("x")
    before = ours.look(ready)
    done = ours.finish(Finish("api", 1, ready, "done"))
    after = ours.look(ready)
    assert before is not None
    assert after is not None
    assert before[1] == after[1]
    assert after[0] == done.left.commit  # type: ignore[union-attr]
