"""Conflicts that git cannot show by markers, and merges that an agent has begun itself, on real git."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.work import Change, Ready
from teamflow.ports import Finish, Order, Parent
from tests.contract.test_workspaces import RUN, finished, git, made, prepared, project, to_mend, workspaces

__all__ = ["project"]  # a fixture

Work = Callable[[Path], object]


def by(project: Path, step: str, work: Work) -> Parent:
    ready = prepared(project, Order(step, 1, (), own=True))
    work(Path(ready.path))
    return Parent(step, finished(project, step, ready).left.commit, ready.path)


def refused(project: Path, step: str, ready: Ready, *, attempt: int = 1) -> Failed:
    before = git(project, "rev-parse", f"teamflow/7/{step.replace('/', '--')}")
    failed = workspaces(project).finish(Finish(step, attempt, ready, "x"))
    assert isinstance(failed, Failed), failed
    assert failed.failure is FailureClass.VERIFY
    assert git(project, "rev-parse", f"teamflow/7/{step.replace('/', '--')}") == before
    return failed


def base(project: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_bytes(content)
    git(project, "add", "-f", *files)
    git(project, "commit", "-qm", "more")


def lies(ready: Ready) -> set[str]:
    """All files but those that are in no conflict."""
    root = Path(ready.path)
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_symlink() or not path.is_dir()}
    return found - {".git", ".gitignore", "a.txt"}


# -- conflicts without markers ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_who_does_nothing_about_files_without_markers_has_mended_nothing(project: Path) -> None:
    base(project, {"bin": b"\0", "app/x": b"x\n"})
    a = by(project, "a", lambda at: ((at / "bin").write_bytes(b"\0a"), (at / "app/x").unlink()))
    b = by(project, "b", lambda at: ((at / "bin").write_bytes(b"\0b"), (at / "app/x").write_text("x\nmod\n")))
    ready = to_mend(project, a, b)
    assert ready.conflicts == ("app/x", "app/x~b", "bin", "bin~a", "bin~b")
    root = Path(ready.path)
    assert lies(ready) == {"app/x~b", "bin~a", "bin~b"}
    assert (root / "bin~a").read_bytes() == b"\0a"
    assert (root / "bin~b").read_bytes() == b"\0b"
    assert (root / "app/x~b").read_text() == "x\nmod\n"
    failed = refused(project, "fix/ship", ready)
    assert failed.reason == (
        "app/x~b, bin~a, bin~b still lie there: make each file as it should be, then remove what the sides have made "
        "of it"
    )
    assert failed.detail.split("\n") == ["app/x~b", "bin~a", "bin~b"]
    (root / "bin~b").rename(root / "bin")
    (root / "bin~a").unlink()
    order = Order("fix/ship", 2, (a, b), own=True, resolve=True, goes_on=True, before=ready)
    assert prepared(project, order) == ready
    assert refused(project, "fix/ship", ready, attempt=2).detail == "app/x~b"
    (root / "app/x~b").unlink()
    done = finished(project, "fix/ship", ready, attempt=3)
    assert done.changes == (Change("bin", "A", 0, 0, binary=True),), "what was ours is no change of the step"
    assert git(project, "ls-tree", "-r", "--name-only", done.left.commit).split() == [".gitignore", "a.txt", "bin"]
    assert git(project, "rev-parse", f"{done.left.commit}:bin") == git(project, "rev-parse", f"{b.commit}:bin")
    assert git(project, "rev-list", "--parents", "-n1", done.left.commit).split()[1:] == [a.commit, b.commit]
    assert finished(project, "fix/ship", ready, attempt=3) == done


def link(at: Path, to: str) -> None:
    if os.path.lexists(at):
        at.unlink()
    at.symlink_to(to)


def into_directory(at: Path) -> None:
    (at / "f").unlink()
    (at / "f").mkdir()
    (at / "f/x").write_text("x\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("one", "two", "found"),
    [
        (lambda at: link(at / "l", "one"), lambda at: link(at / "l", "two"), {"l~a", "l~b"}),
        (lambda at: (at / "n").write_text("n\n"), lambda at: link(at / "n", "two"), {"n~a", "n~b"}),
        (lambda at: (at / "f").rename(at / "g"), lambda at: (at / "f").rename(at / "h"), {"g~a", "h~b"}),
        (into_directory, lambda at: (at / "f").write_text("1\n2\nz\n"), {"f/x", "f~b"}),
        (lambda at: (at / "f").rename(at / "g"), lambda at: (at / "f").unlink(), {"g~a"}),
        (
            lambda at: ((at / "n").write_text("n\n"), (at / "n").chmod(0o755)),
            lambda at: (at / "n").write_text("n\n"),
            {"n~a", "n~b"},
        ),
    ],
    ids=["links", "types", "moved", "directory", "moved and deleted", "modes"],
)
def test_each_side_lies_beside_the_file(project: Path, one: Work, two: Work, found: set[str]) -> None:
    base(project, {"f": b"1\n2\n3\n"})
    link(project / "l", "a.txt")
    git(project, "add", "l")
    git(project, "commit", "-qm", "link")
    ready = to_mend(project, by(project, "a", one), by(project, "b", two))
    assert {path for path in lies(ready) if "/" in path or "~" in path} == found
    sides = {path for path in found if "~" in path}
    assert sides < set(ready.conflicts)
    assert not {path.partition("~")[0] for path in sides}.intersection(
        path for path in lies(ready) if not (Path(ready.path) / path).is_dir()
    )
    assert set(refused(project, "fix/ship", ready).detail.split("\n")) == sides
    for path in sides:
        (Path(ready.path) / path).unlink()
    assert not sides.intersection(
        workspaces(project).tree(finished(project, "fix/ship", ready).left.commit, None) or ()
    )


@pytest.mark.slow
def test_identical_sides_are_no_conflict_and_a_third_one_is_named_once(project: Path) -> None:
    base(project, {"bin": b"\0"})
    a, b = made(project, "a", {"bin": "\0x"}), made(project, "b", {"bin": "\0x"})
    c, d = made(project, "c", {"bin": "\0y"}), made(project, "d", {"d": "d"})
    order = Order("fix/none", 1, (a, b, d), own=True, resolve=True)
    assert not isinstance(workspaces(project).prepare(order), (Ready, Failed))
    assert to_mend(project, a, b, c, d).conflicts == ("bin", "bin~a", "bin~c")


@pytest.mark.slow
def test_a_third_side_that_merges_with_what_git_has_taken_is_laid_out_too(project: Path) -> None:
    text = "".join(f"{number}\n" for number in range(20))
    base(project, {"t": text.encode()})
    a = by(project, "a", lambda at: (at / "t").unlink())
    b, c = made(project, "b", {"t": f"b\n{text}"}), made(project, "c", {"t": f"{text}c\n"})
    ready = to_mend(project, a, b, c, made(project, "d", {"d": "d\n"}))
    assert ready.conflicts == ("t", "t~b", "t~c")
    assert (Path(ready.path) / "t~c").read_text() == f"{text}c\n"


@pytest.mark.slow
def test_what_is_tracked_is_never_written_over(project: Path) -> None:
    base(project, {"bin": b"\0", "BIN~a": b"own\n", "bin~b/x": b"own\n"})
    a, b = made(project, "a", {"bin": "\0a"}), made(project, "b", {"bin": "\0b"})
    ready = to_mend(project, a, b)
    assert ready.conflicts == ("bin", "bin~a-2", "bin~b-2")
    assert (Path(ready.path) / "BIN~a").read_text() == "own\n"


@pytest.mark.slow
def test_a_file_that_git_ignores_and_copy_names_is_still_what_was_made_of_it(project: Path) -> None:
    base(project, {"x.log": b"\0"})
    (project / ".env").write_text("S=1\n")
    a = by(project, "a", lambda at: (at / "x.log").write_bytes(b"\0a"))
    b = by(project, "b", lambda at: (at / "x.log").write_bytes(b"\0b"))
    order = Order("fix/ship", 1, (a, b), own=True, resolve=True, copy=("x.log", ".env"), sparse=("src/**",))
    ready = prepared(project, order)
    assert ready.copied == (".env",)
    assert lies(ready) == {".env", "x.log~a", "x.log~b"}
    for side in ("a", "b"):
        (Path(ready.path) / f"x.log~{side}").unlink()
    (Path(ready.path) / "x.log").write_bytes(b"\0both")
    assert workspaces(project).keep("fix/ship", 1, ready)
    assert git(project, "show", f"refs/teamflow/{RUN}/fix--ship/1:x.log") == "\0both"
    done = finished(project, "fix/ship", ready)
    assert git(project, "show", f"{done.left.commit}:x.log") == "\0both"


@pytest.mark.slow
def test_lines_that_a_side_had_before_are_no_markers_and_new_ones_are(project: Path) -> None:
    doc = b"how it looks:\n<<<<<<< one\n=======\n>>>>>>> two\n"
    base(project, {"doc": b"x\n", "t": b"1\n"})
    a = by(project, "a", lambda at: (at / "doc").unlink())
    b = by(project, "b", lambda at: (at / "doc").write_bytes(b"x\n" + doc))
    ready = to_mend(project, a, b)
    assert ready.conflicts == ("doc", "doc~b")
    assert refused(project, "fix/ship", ready).detail == "doc~b"
    (Path(ready.path) / "doc~b").rename(Path(ready.path) / "doc")
    assert finished(project, "fix/ship", ready).changes == (Change("doc", "A", 5, 0),)
    (Path(ready.path) / "doc").write_bytes(doc + doc)
    assert "conflict markers" in refused(project, "fix/ship", ready).reason


@pytest.mark.slow
def test_submodules_are_named_by_their_commits(project: Path) -> None:
    def points(commit: str) -> Work:
        def work(at: Path) -> None:
            git(at, "update-index", "--add", "--cacheinfo", f"160000,{commit},sub")
            (at / "sub").mkdir(exist_ok=True)
            git(at, "commit", "-qm", "sub")

        return work

    points("1" * 40)(project)
    a, b = by(project, "a", points("2" * 40)), by(project, "b", points("3" * 40))
    ready = to_mend(project, a, b)
    assert ready.conflicts == ("sub", "sub~a", "sub~b")
    assert (Path(ready.path) / "sub~b").read_text() == f"Subproject commit {'3' * 40}\n"
    assert refused(project, "fix/ship", ready).detail == "sub~a\nsub~b"
    for side in ("a", "b"):
        (Path(ready.path) / f"sub~{side}").unlink()
    git(ready.path, "update-index", "--cacheinfo", f"160000,{'3' * 40},sub")
    git(ready.path, "rm", "-q", "--cached", "sub~a", "sub~b")
    git(ready.path, "commit", "-qm", "theirs")
    done = finished(project, "fix/ship", ready)
    assert git(project, "rev-parse", f"{done.left.commit}:sub") == "3" * 40


# -- merges of the agent's own ---------------------------------------------------------------------------------------


def diverged(project: Path) -> tuple[Ready, str]:
    """A workspace, and a commit that does not merge with what is changed in it."""
    git(project, "checkout", "-q", "-b", "side")
    (project / "a.txt").write_text("side\n")
    git(project, "commit", "-qam", "side")
    side = git(project, "rev-parse", "HEAD")
    git(project, "checkout", "-q", "main")
    ready = prepared(project, Order("a", 1, (), own=True))
    (Path(ready.path) / "a.txt").write_text("mine\n")
    git(ready.path, "commit", "-qam", "mine")
    return ready, side


def attempted(at: str, *words: str) -> None:
    import subprocess

    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *words], cwd=at, capture_output=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("merge", "side"), "a.txt is unmerged, a merge is not finished there: settle and `git add` each, then "),
        (("rebase", "side"), "a.txt is unmerged, a rebase is not finished there: settle and `git add` each, then "),
    ],
)
def test_what_the_agent_has_not_merged_to_the_end_is_not_committed(
    project: Path, words: tuple[str, ...], said: str
) -> None:
    ready, _ = diverged(project)
    attempted(ready.path, *words)
    failed = refused(project, "a", ready)
    assert failed.reason.startswith(said)
    assert failed.detail == "a.txt"
    assert "<<<<<<<" in (Path(ready.path) / "a.txt").read_text()
    assert workspaces(project).keep("a", 1, ready)
    order = Order("a", 2, (), own=True, goes_on=True, before=ready)
    assert prepared(project, order) == ready
    (Path(ready.path) / "a.txt").write_text("both\n")
    git(ready.path, "add", "a.txt")
    git(ready.path, "-c", "core.editor=true", words[0], "--continue")
    done = finished(project, "a", ready, attempt=2)
    assert git(project, "show", f"{done.left.commit}:a.txt") == "both"


@pytest.mark.slow
def test_a_merge_that_is_settled_but_not_committed_becomes_one(project: Path) -> None:
    ready, side = diverged(project)
    mine = git(ready.path, "rev-parse", "HEAD")
    attempted(ready.path, "merge", "side")
    (Path(ready.path) / "a.txt").write_text("both\n")
    git(ready.path, "add", "a.txt")
    done = finished(project, "a", ready)
    assert git(project, "rev-list", "--parents", "-n1", done.left.commit).split()[1:] == [mine, side]
    assert git(ready.path, "status", "--porcelain") == ""
    assert finished(project, "a", ready) == done
    (Path(git(ready.path, "rev-parse", "--absolute-git-dir")) / "MERGE_HEAD").write_text(f"{side}\n")
    assert finished(project, "a", ready) == done, "it is merged already"


@pytest.mark.slow
def test_conflicts_that_come_of_no_merge_are_found_too(project: Path) -> None:
    ready, _ = diverged(project)
    (Path(ready.path) / "a.txt").write_text("stashed\n")
    git(ready.path, "stash", "-q")
    (Path(ready.path) / "a.txt").write_text("other\n")
    git(ready.path, "commit", "-qam", "other")
    attempted(ready.path, "stash", "pop")
    failed = refused(project, "a", ready)
    assert failed.reason == "a.txt is unmerged, git holds conflicts there: settle and `git add` each"
    git(ready.path, "checkout", "-q", "--theirs", "a.txt")
    git(ready.path, "add", "a.txt")
    assert git(project, "show", f"{finished(project, 'a', ready).left.commit}:a.txt") == "stashed"


@pytest.mark.slow
def test_an_index_in_two_parts_is_not_taken_for_a_merge_without_conflicts(project: Path) -> None:
    ready, side = diverged(project)
    attempted(ready.path, "-c", "core.splitIndex=true", "merge", "side")
    assert list(Path(git(ready.path, "rev-parse", "--absolute-git-dir")).glob("sharedindex.*"))
    assert refused(project, "a", ready).reason.startswith("a merge is not finished, and the index")
    (Path(ready.path) / "a.txt").write_text("both\n")
    git(ready.path, "commit", "-qam", "both")
    assert git(project, "rev-parse", f"{finished(project, 'a', ready).left.commit}^2") == side


@pytest.mark.slow
@pytest.mark.parametrize("text", ["side\n", "{side}\n{main}\n", "f" * 40 + "\n", "{tree}\n", "", "{side:.12}\n"])
def test_only_one_commit_in_full_is_another_side(project: Path, text: str) -> None:
    ready, side = diverged(project)
    mine = git(ready.path, "rev-parse", "HEAD")
    (Path(ready.path) / "b").write_text("b\n")
    tree = git(project, "rev-parse", "side^{tree}")
    admin = Path(git(ready.path, "rev-parse", "--absolute-git-dir"))
    (admin / "MERGE_HEAD").write_text(text.format(side=side, main=mine, tree=tree))
    done = finished(project, "a", ready)
    assert git(project, "rev-list", "--parents", "-n1", done.left.commit).split()[1:] == [mine]


@pytest.mark.slow
def test_what_another_has_begun_in_a_borrowed_worktree_is_not_ended_by_the_next(project: Path) -> None:
    ready, _ = diverged(project)
    done = finished(project, "a", ready)
    one = prepared(project, Order("one", 1, (Parent("a", done.left.commit),), own=False, takes=ready.path))
    assert one.path == ready.path
    git(one.path, "merge", "-q", "--no-commit", "-s", "ours", "side")
    two = prepared(project, Order("two", 1, (Parent("a", done.left.commit),), own=False, takes=ready.path))
    assert two == one
    assert finished(project, "two", two).left.commit == done.left.commit
    git(one.path, "merge", "-q", "--no-commit", "-s", "ours", "side")
    again = prepared(project, Order("a", 2, (), own=True, goes_on=True, before=ready))
    assert again == ready
    assert finished(project, "a", again, attempt=2).left.commit == done.left.commit


@pytest.mark.slow
def test_a_merge_brings_nothing_that_copy_has_brought(project: Path) -> None:
    (project / ".env").write_text("S=1\n")
    ready = prepared(project, Order("a", 1, (), own=True, copy=(".env",)))
    git(ready.path, "checkout", "-q", "-b", "secret")
    git(ready.path, "add", "-f", ".env")
    git(ready.path, "commit", "-qm", "secret")
    git(ready.path, "checkout", "-q", "teamflow/7/a")
    (Path(ready.path) / "b").write_text("b\n")
    git(ready.path, "add", "b")
    git(ready.path, "commit", "-qm", "mine")
    git(ready.path, "merge", "-q", "--no-commit", "secret")
    done = finished(project, "a", ready)
    assert len(git(project, "rev-list", "--parents", "-n1", done.left.commit).split()) == 2
    assert ".env" not in git(project, "log", "--name-only", "--format=", done.left.commit)


@pytest.mark.slow
def test_an_index_that_our_git_cannot_read_says_nothing(project: Path) -> None:
    ready, _ = diverged(project)
    index = Path(git(ready.path, "rev-parse", "--absolute-git-dir")) / "index"
    index.write_bytes(b"DIRC nonsense")
    assert git(project, "show", f"{finished(project, 'a', ready).left.commit}:a.txt") == "mine"
    index.unlink()
    os.mkfifo(index)
    assert isinstance(workspaces(project).finish(Finish("a", 1, ready, "x")), tuple)
