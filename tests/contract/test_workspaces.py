"""What `Workspaces` promises, on real git: prepare, finish, keep, remove, and what lies between them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.work import Change, Left, Ready
from teamflow.ports import Done, Finish, Order, Parent
from teamflow.workspaces.provider import GitWorkspaces

RUN = "01JB0000000000000000000RUN"


def git(root: Path | str, *words: str) -> str:
    argv = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words]
    return subprocess.run(argv, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / ".teamflow").mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    (root / ".teamflow/.gitignore").write_text("*\n")
    (root / ".gitignore").write_text("*.log\n.env\n")
    (root / "a.txt").write_text("1\n2\n3\n")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root


def workspaces(project: Path) -> GitWorkspaces:
    return GitWorkspaces(str(project), run_id=RUN, number=7, home=str(project / ".teamflow"), environ=dict(os.environ))


def prepared(project: Path, order: Order) -> Ready:
    ready = workspaces(project).prepare(order)
    assert isinstance(ready, Ready), ready
    return ready


def finished(project: Path, step: str, ready: Ready, *, attempt: int = 1) -> Done:
    done = workspaces(project).finish(Finish(step, attempt, ready, f"{step}: done"))
    assert isinstance(done, Done), done
    return done


def made(project: Path, step: str, files: dict[str, str], *parents: Parent) -> Parent:
    ready = prepared(project, Order(step, 1, parents, own=True))
    for path, text in files.items():
        (Path(ready.path) / path).write_text(text)
    return Parent(step, finished(project, step, ready).left.commit, ready.path)


def test_what_is_left_uncommitted_is_committed_on_the_steps_branch(project: Path) -> None:
    (project / ".env").write_text("S=1")
    head = git(project, "rev-parse", "HEAD")
    ready = prepared(project, Order("build/api", 1, (), own=True, copy=(".env",)))
    place = f"{project}/.teamflow/work/7-00000run/build--api"
    assert ready == Ready(place, head, "teamflow/7/build--api", copied=(".env",))
    assert (Path(place) / ".env").read_text() == "S=1"
    (Path(place) / "a.txt").write_text("1\nzwei\n3\n")
    (Path(place) / "new\nname é").write_text("x\n")
    (Path(place) / "x.log").write_text("ignored")
    done = finished(project, "build/api", ready)
    assert done.left == Left(done.left.commit, head, "teamflow/7/build--api", 2, 2, 1)
    assert done.changes == (Change("a.txt", "M", 1, 1), Change("new\nname é", "A", 1, 0))
    assert git(place, "status", "--porcelain") == ""
    assert git(project, "status", "--porcelain") == ""
    assert (
        git(project, "rev-parse", "teamflow/7/build--api", f"refs/teamflow/{RUN}/build--api/left").split()
        == [done.left.commit] * 2
    )
    assert finished(project, "build/api", ready) == done


@pytest.mark.slow
def test_an_agents_own_commits_stay_and_no_changes_are_no_commit(project: Path) -> None:
    ready = prepared(project, Order("a", 1, (), own=True))
    assert finished(project, "a", ready).left == Left(ready.base, ready.base, "teamflow/7/a")
    (Path(ready.path) / "b").write_text("b\n")
    git(ready.path, "add", "b")
    git(ready.path, "commit", "-q", "-m", "mine")
    mine = git(ready.path, "rev-parse", "HEAD")
    assert finished(project, "a", ready).left.commit == mine
    (Path(ready.path) / "c").write_text("c\n")
    assert git(project, "rev-parse", f"{finished(project, 'a', ready).left.commit}^") == mine


def test_history_that_an_agent_left_is_kept(project: Path) -> None:
    ready = prepared(project, Order("a", 1, (), own=True))
    git(ready.path, "checkout", "-q", "--orphan", "odd")
    (Path(ready.path) / "b").write_text("b\n")
    git(ready.path, "add", "b")
    git(ready.path, "commit", "-q", "-m", "alone")
    odd = git(ready.path, "rev-parse", "HEAD")
    done = finished(project, "a", ready)
    assert git(project, "rev-parse", f"{done.left.commit}^") == ready.base
    assert [change.path for change in done.changes] == ["b"]
    assert odd in git(project, "for-each-ref", f"refs/teamflow/{RUN}/a")
    assert git(ready.path, "symbolic-ref", "HEAD") == "refs/heads/teamflow/7/a"


def test_several_parents_are_merged_and_conflicts_name_files_and_sides(project: Path) -> None:
    one, two = made(project, "one", {"b": "b\n"}), made(project, "two", {"c": "c\n"})
    ready = prepared(project, Order("both", 1, (one, two), own=True))
    assert sorted(os.listdir(ready.path)) == [".git", ".gitignore", "a.txt", "b", "c"]
    assert workspaces(project).merged((one, two), "") == ready.base
    assert workspaces(project).merged((one, Parent("both", ready.base)), "") == ready.base
    left, right = made(project, "left", {"a.txt": "x\n"}), made(project, "right", {"a.txt": "y\n"})
    failed = workspaces(project).prepare(Order("all", 1, (one, left, right), own=True))
    assert isinstance(failed, Failed)
    assert failed.failure is FailureClass.CONFLICT
    assert failed.reason == "`one`, `left` and `right` change the same places of a.txt"
    assert failed.detail == "a.txt"


def test_a_clean_order_keeps_what_lay_there(project: Path) -> None:
    ready = prepared(project, Order("a", 1, (), own=True))
    (Path(ready.path) / "b").write_text("b\n")
    (Path(ready.path) / "x.log").write_text("ignored")
    again = prepared(project, Order("a", 2, (), own=True, before=ready))
    assert again == ready
    assert sorted(os.listdir(again.path)) == [".git", ".gitignore", "a.txt"]
    assert git(project, "show", f"refs/teamflow/{RUN}/a/1:b") == "b"


def test_going_on_finds_the_same_files_also_when_the_worktree_is_gone(project: Path) -> None:
    ready = prepared(project, Order("a", 1, (), own=True))
    (Path(ready.path) / "b").write_text("b\n")
    assert prepared(project, Order("a", 2, (), own=True, goes_on=True, before=ready)) == ready
    assert workspaces(project).keep("a", 1, ready)
    assert workspaces(project).remove(ready) == ""
    assert not os.path.exists(ready.path)
    assert git(project, "worktree", "list").count("\n") == 0
    assert prepared(project, Order("a", 2, (), own=True, goes_on=True, before=ready)) == ready
    assert git(ready.path, "status", "--porcelain") == "?? b"


@pytest.mark.slow
def test_a_dependencys_worktree_is_taken_where_it_is_clean(project: Path) -> None:
    one = made(project, "one", {"b": "b\n"})
    ready = prepared(project, Order("test", 1, (one,), own=False, takes=one.path))
    assert ready == Ready(one.path, one.commit, own=False)
    (Path(one.path) / "b").write_text("dirty\n")
    fresh = prepared(project, Order("look", 1, (one,), own=False, takes=one.path))
    assert fresh.path.endswith("/look")
    done = finished(project, "test", ready)
    assert done.left.branch == "teamflow/7/test"
    assert git(project, "rev-parse", "teamflow/7/one") == one.commit


def test_sparse_checks_out_what_matches_and_keeps_the_rest(project: Path) -> None:
    ready = prepared(project, Order("a", 1, (), own=True, sparse=("src/**",)))
    assert os.listdir(ready.path) == [".git"]
    (Path(ready.path) / "src").mkdir()
    (Path(ready.path) / "src/b").write_text("b\n")
    done = finished(project, "a", ready)
    assert [(change.path, change.kind) for change in done.changes] == [("src/b", "A")]
    assert set(workspaces(project).tree(done.left.commit, None) or ()) == {".gitignore", "a.txt", "src/b"}


def test_a_branch_that_is_not_ours_is_never_moved(project: Path) -> None:
    git(project, "branch", "teamflow/7/A")
    git(project, "branch", "teamflow/7/b/c")
    assert prepared(project, Order("a", 1, (), own=True)).branch == "teamflow/7/a-2"
    assert prepared(project, Order("b", 1, (), own=True)).branch == "teamflow/7/b-2"
    git(project, "branch", "-m", "teamflow/7/A", "teamflow/8")
    other = GitWorkspaces(str(project), run_id=RUN, number=8, home=str(project / ".teamflow"), environ=dict(os.environ))
    failed = other.prepare(Order("z", 1, (), own=True))
    assert isinstance(failed, Failed)
    assert "`teamflow/8` is in the way" in failed.reason


def test_without_a_commit_there_is_nothing_to_start_from(tmp_path: Path) -> None:
    (tmp_path / ".teamflow").mkdir()
    git(tmp_path, "init", "-q")
    failed = workspaces(tmp_path).prepare(Order("a", 1, (), own=True))
    assert isinstance(failed, Failed)
    assert "commit something first" in failed.reason
    assert workspaces(tmp_path).head() is None


@pytest.mark.slow
def test_changes_go_on_top_of_other_commits(project: Path) -> None:
    one, two = made(project, "one", {"b": "b\n"}), made(project, "two", {"c": "c\n"})
    base = git(project, "rev-parse", "HEAD")
    left = workspaces(project).on_top("step", Left(one.commit, base), (two,))
    assert left is not None
    assert (left.base, left.files, left.added) == (two.commit, 1, 1)
    other = made(project, "other", {"b": "x\n"})
    assert workspaces(project).on_top("step", Left(one.commit, base), (other,)) is None
    assert workspaces(project).on_top("step", Left("1" * 40, base), (two,)) is None


# -- merges to mend --------------------------------------------------------------------------------------------------


def to_mend(project: Path, *parents: Parent, attempt: int = 1) -> Ready:
    return prepared(project, Order("fix/ship", attempt, parents, own=True, resolve=True))


@pytest.mark.slow
def test_without_a_conflict_there_is_nothing_to_mend(project: Path) -> None:
    one, two = made(project, "one", {"b": "b\n"}), made(project, "two", {"c": "c\n"})
    order = Order("fix/ship", 1, (one, two), own=True, resolve=True)
    left = workspaces(project).prepare(order)
    assert left == Left(workspaces(project).merged((one, two), ""), workspaces(project).merged((one, two), ""))  # type: ignore[arg-type]
    assert not os.path.lexists(f"{project}/.teamflow/work/7-00000run/fix--ship")
    assert workspaces(project).prepare(order) == left
    assert workspaces(project).prepare(order._replace(parents=(one,))) == Left(one.commit, one.commit)
    assert git(project, "rev-parse", f"refs/teamflow/{RUN}/fix--ship/left") == one.commit
    assert workspaces(project).prepare(order._replace(parents=())) == Left("", "")


@pytest.mark.slow
def test_a_mended_merge_is_one_of_all_sides(project: Path) -> None:
    left, right = made(project, "left", {"a.txt": "x\n", "l": "l\n"}), made(project, "right", {"a.txt": "y\n"})
    ready = to_mend(project, left, right)
    assert ready.conflicts == ("a.txt",)
    assert (Path(ready.path) / "a.txt").read_text() == (
        f"<<<<<<< {left.commit}\nx\n=======\ny\n>>>>>>> {right.commit}\n"
    )
    assert git(ready.path, "rev-parse", "HEAD", "HEAD^1", "HEAD^2").split() == [ready.base, left.commit, right.commit]
    assert git(ready.path, "status", "--porcelain") == ""
    (Path(ready.path) / "a.txt").write_text("xy\n")
    done = finished(project, "fix/ship", ready)
    assert done.changes == (Change("a.txt", "M", 1, 5),)
    assert done.left.base == ready.base
    assert git(project, "rev-parse", f"{done.left.commit}^1", f"{done.left.commit}^2").split() == [
        left.commit,
        right.commit,
    ]
    assert git(project, "log", "--format=%H", done.left.commit).count("\n") == 3, "the markers are no history"
    assert finished(project, "fix/ship", ready) == done
    assert "stray" not in git(project, "for-each-ref", f"refs/teamflow/{RUN}")
    fixed = Parent("fix/ship", done.left.commit)
    assert workspaces(project).merged((left, right, fixed), "") == done.left.commit


@pytest.mark.slow
def test_markers_that_are_left_fail_and_the_next_attempt_goes_on(project: Path) -> None:
    left, right = (
        made(project, "left", {"a.txt": "x\n", "b": "x\n"}),
        made(project, "right", {"a.txt": "y\n", "b": "y\n"}),
    )
    ready = to_mend(project, left, right)
    assert ready.conflicts == ("a.txt", "b")
    (Path(ready.path) / "a.txt").write_text("xy\n")
    git(ready.path, "commit", "-qam", "half of it")
    failed = workspaces(project).finish(Finish("fix/ship", 1, ready, "fix"))
    assert isinstance(failed, Failed)
    assert (failed.failure, failed.reason, failed.detail) == (
        FailureClass.VERIFY,
        "b still has conflict markers",
        "b",
    )
    order = Order("fix/ship", 2, (left, right), own=True, resolve=True, goes_on=True, before=ready)
    assert prepared(project, order) == ready
    (Path(ready.path) / "b").unlink()
    done = finished(project, "fix/ship", ready, attempt=2)
    assert git(project, "ls-tree", "--name-only", done.left.commit).split() == [".gitignore", "a.txt"]
    assert len(git(project, "rev-list", "--parents", "-n1", done.left.commit).split()) == 3
    workspaces(project).remove(ready)
    again = prepared(project, order._replace(attempt=3))
    assert again._replace(path=ready.path) == ready
    assert (Path(again.path) / "a.txt").read_text() == "xy\n"


@pytest.mark.slow
def test_a_clean_attempt_to_mend_begins_with_the_markers_again(project: Path) -> None:
    left, right = made(project, "left", {"a.txt": "x\n"}), made(project, "right", {"a.txt": "y\n"})
    ready = to_mend(project, left, right)
    (Path(ready.path) / "a.txt").write_text("half\n")
    assert to_mend(project, left, right, attempt=2) == ready
    assert "<<<<<<<" in (Path(ready.path) / "a.txt").read_text()


@pytest.mark.slow
def test_three_sides_and_files_without_markers_are_mended_at_once(project: Path) -> None:
    one = made(project, "one", {"a.txt": "x\n", "bin": "\0one"})
    two = made(project, "two", {"a.txt": "y\n", "bin": "\0two"})
    three = made(project, "three", {"c": "c\n"})
    gone = prepared(project, Order("gone", 1, (), own=True))
    (Path(gone.path) / "a.txt").unlink()
    four = Parent("gone", finished(project, "gone", gone).left.commit)
    ready = to_mend(project, one, two, three, four)
    assert ready.conflicts == ("a.txt", "bin", "bin~one", "bin~two")
    (Path(ready.path) / "a.txt").unlink()
    (Path(ready.path) / "bin~one").rename(Path(ready.path) / "bin")
    (Path(ready.path) / "bin~two").unlink()
    done = finished(project, "fix/ship", ready)
    sides = git(project, "rev-list", "--parents", "-n1", done.left.commit).split()[1:]
    assert sides == [one.commit, two.commit, three.commit, four.commit]
    assert git(project, "ls-tree", "--name-only", done.left.commit).split() == [".gitignore", "bin", "c"]
