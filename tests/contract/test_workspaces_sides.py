"""Conflicts that git cannot show by markers; on real git."""

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
