"""What an agent plants in the repository that it shares with the user: nothing of it runs."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from teamflow.core.work import Ready
from teamflow.ports import Done, Finish, Parent
from tests.fakes.worktrees import finished, git, prepared, repository, workspaces


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return repository(tmp_path / "project")


def plant(project: Path, canaries: Path) -> None:
    """Everything in a repository that names a program; each leaves a file of its own."""
    canaries.mkdir()

    def trap(name: str) -> str:
        script = canaries.parent / f"trap-{name}"
        script.write_text(f"#!/bin/sh\ntouch '{canaries}/{name}'\ncat\n")
        script.chmod(0o755)
        return str(script)

    for hook in ("post-checkout", "reference-transaction", "post-commit", "pre-commit", "post-index-change"):
        (project / f".git/hooks/{hook}").write_text(Path(trap(hook)).read_text())
        (project / f".git/hooks/{hook}").chmod(0o755)
    included = canaries.parent / "included"
    included.write_text(f"[core]\n\tfsmonitor = {trap('include')}\n")
    for key in (
        "core.fsmonitor", "filter.x.clean", "filter.x.smudge", "filter.y.process", "diff.external", "diff.x.textconv",
        "diff.x.command", "merge.x.driver", "core.sshCommand", "core.pager", "core.editor", "core.alternateRefsCommand",
        "credential.helper", "gpg.program", "alias.rev-parse", "submodule.sub.update",
    ):  # fmt: skip
        value = trap(key)
        git(project, "config", key, f"!{value}" if key.startswith(("alias", "credential", "submodule")) else value)
    for key, value in {
        "include.path": str(included),
        "commit.gpgSign": "true",
        "filter.x.required": "true",
        "remote.bad.url": f"ext::{trap('ext')}",
        "remote.bad.promisor": "true",
        "protocol.ext.allow": "always",
        "extensions.partialClone": "bad",
        "core.repositoryFormatVersion": "1",
    }.items():
        git(project, "config", key, value)
    (project / ".git/info/attributes").write_text("* filter=x diff=x merge=x\n*.y filter=y\n")


def test_nothing_that_is_planted_runs_in_the_whole_life_of_a_workspace(project: Path, tmp_path: Path) -> None:
    plant(project, tmp_path / "canaries")
    ready = prepared(project)
    (Path(ready.path) / ".gitattributes").write_text("* filter=x diff=x merge=x\n*.y filter=y\n")
    (Path(ready.path) / "b.y").write_text("b\n")
    done = finished(project, ready)
    (Path(ready.path) / "a.txt").write_text("2\n")
    assert workspaces(project).keep("a", 2, ready)
    two = prepared(project, "two")
    (Path(two.path) / "c").write_text("c\n")
    other = finished(project, two, "two").left
    parents = (Parent("a", done.left.commit), Parent("two", other.commit))
    prepared(project, "both", *parents)
    assert workspaces(project).on_top("step", done.left, parents[1:])
    assert workspaces(project).remove(ready) == ""
    assert workspaces(project).repository.diff(done.left.base, done.left.commit)
    workspaces(project).repository.look("cat-file", "-e", "1" * 40, allowed=(1, 128))
    workspaces(project).repository.commit_of("1" * 40)
    assert sorted(os.listdir(tmp_path / "canaries")) == []
    # The traps do work: git as the user calls it runs into them.
    subprocess.run(["git", "status"], cwd=project, capture_output=True)
    subprocess.run(["git", "checkout", "--detach"], cwd=project, capture_output=True)
    assert {"include", "post-checkout"} <= set(os.listdir(tmp_path / "canaries"))


def test_names_that_are_odd_are_committed(project: Path) -> None:
    ready = prepared(project)
    names = [b"-x", b"two\nlines", b" s p ", "é".encode(), b"\xff\xfe", b"n" * 250, b"*", b":(top)x", b'"q"']
    for name in names:
        (Path(ready.path) / os.fsdecode(name)).write_text("x\n")
    (Path(ready.path) / ".gitattributes").write_text("* binary\n")
    done = finished(project, ready)
    assert {os.fsencode(change.path) for change in done.changes} == {*names, b".gitattributes"}
    assert done.aside == ()


def test_what_cannot_be_committed_is_named(project: Path) -> None:
    ready = prepared(project)
    root = Path(ready.path)
    os.mkfifo(root / "pipe")
    (root / "a.txt").unlink()
    os.mkfifo(root / "a.txt")
    with socket.socket(socket.AF_UNIX) as end:
        there = os.open(root, os.O_PATH)
        end.bind(f"/proc/self/fd/{there}/sock")  # a path of its own may be too long for one
        os.close(there)
    (root / "inner/deep").mkdir(parents=True)
    git(root / "inner", "init", "-q")
    (root / "inner/deep/f").write_text("f\n")
    (root / "link").symlink_to("/etc")
    done = finished(project, ready)
    assert [(change.path, change.kind) for change in done.changes] == [
        ("a.txt", "D"), ("inner/deep/f", "A"), ("link", "A"),
    ]  # fmt: skip
    assert [line.partition(":")[0] for line in done.aside] == ["a.txt", "inner", "pipe", "sock"]


def test_a_repository_that_the_agent_committed_as_a_link_is_committed_as_files(project: Path) -> None:
    ready = prepared(project)
    inner = Path(ready.path) / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "f").write_text("f\n")
    git(inner, "add", ".")
    git(inner, "commit", "-q", "-m", "inner")
    git(ready.path, "add", "inner")
    git(ready.path, "commit", "-q", "-m", "outer")
    assert [change.path for change in finished(project, ready).changes] == ["inner/f"]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("what", ["gone", "directory", "link", "other", "commondir", "lock", "index", "head"])
def test_a_git_link_that_was_tampered_with_is_mended(project: Path, what: str, tmp_path: Path) -> None:
    ready = prepared(project)
    link, admin = Path(ready.path) / ".git", project / ".git/worktrees/a"
    (Path(ready.path) / "b").write_text("b\n")
    if what in ("gone", "directory", "link", "other"):
        link.unlink()
    if what == "directory":
        git(ready.path, "init", "-q")
    elif what == "link":
        link.symlink_to(tmp_path)
    elif what == "other":
        link.write_text(f"gitdir: {project}/.git\n")
    elif what == "commondir":
        (admin / "commondir").write_text("/tmp/elsewhere\n")
    elif what == "lock":
        (admin / "index.lock").write_text("")
    elif what == "index":
        (admin / "index").write_text("broken")
    elif what == "head":
        (admin / "HEAD").write_text("what?")
    done = finished(project, ready)
    assert [change.path for change in done.changes] == ["b"]
    assert git(ready.path, "status", "--porcelain") == ""
    assert git(ready.path, "rev-parse", "HEAD", "teamflow/7/a").split() == [done.left.commit] * 2
    assert git(project, "status", "--porcelain") == ""


def test_a_link_in_place_of_the_worktree_is_not_followed(project: Path, tmp_path: Path) -> None:
    ready = prepared(project)
    outside = tmp_path / "outside"
    os.rename(ready.path, outside)
    os.symlink(outside, ready.path)
    assert not isinstance(workspaces(project).finish(Finish("a", 1, ready, "m")), Done)
    assert workspaces(project).remove(ready) == ""
    assert (outside / "a.txt").read_text() == "1\n"
    assert not os.path.lexists(ready.path)
    assert workspaces(project).remove(Ready(str(outside), ready.base)) != ""
    assert (outside / "a.txt").exists()


def test_line_endings_do_not_make_untouched_files_look_changed(project: Path) -> None:
    (project / "crlf.txt").write_bytes(b"1\r\n2\r\n")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "crlf")
    (project / ".gitattributes").write_text("*.txt text eol=crlf\n")
    git(project, "add", ".gitattributes")
    git(project, "commit", "-q", "-m", "attributes")
    ready = prepared(project)
    assert finished(project, ready).left.changed is False
    (Path(ready.path) / "b").write_text("b\n")
    assert [change.path for change in finished(project, ready).changes] == ["b"]
