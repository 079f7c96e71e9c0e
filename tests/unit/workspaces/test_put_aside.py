"""What was put aside of worktrees: whether it may go. It may only where nothing is lost with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from teamflow.workspaces.inner import is_elsewhere
from teamflow.workspaces.repository import Repository
from tests.fakes.worktrees import git, repository

pytestmark = pytest.mark.slow


@pytest.fixture
def ours(tmp_path: Path) -> Repository:
    root = repository(tmp_path / "project")
    return Repository.open(str(root), home=str(root / ".teamflow"), environ=os.environ)


@pytest.fixture
def aside(tmp_path: Path) -> Path:
    """One whose commits are all at its remote, and the directories above it."""
    origin = repository(tmp_path / "origin")
    place = tmp_path / "aside/1/deep"
    place.mkdir(parents=True)
    git(tmp_path, "clone", "-q", str(origin), "made")
    (tmp_path / "made/.git").rename(place / ".git")
    return tmp_path / "aside"


def test_what_its_remote_has_is_somewhere_else(ours: Repository, aside: Path) -> None:
    assert is_elsewhere(ours, str(aside))
    module = aside / "2/modules/lib"
    module.parent.mkdir(parents=True)
    (aside / "1/deep/.git").rename(module)
    assert is_elsewhere(ours, str(aside))


def _commit(inner: Path) -> None:
    git(inner.parent, "commit", "-q", "--allow-empty", "-m", "own")


def _stash(inner: Path) -> None:
    (inner.parent / "kept").write_text("x")
    git(inner.parent, "add", "kept")
    git(inner.parent, "stash", "-q")


def _module(inner: Path) -> None:
    git(inner.parent, "init", "-q", "--bare", str(inner / "modules/lib"))
    (inner / "modules/lib/own").write_text("x")
    (inner / "modules/more").mkdir()
    (inner / "modules/more/own").write_text("x")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a commit": _commit,
    "a stash": _stash,
    "a file beside it": lambda inner: (inner.parent / "own").write_text("x"),
    "a link beside it": lambda inner: (inner.parent / "own").symlink_to("/"),
    "a pipe beside it": lambda inner: os.mkfifo(inner.parent / "own"),
    "files of lfs": lambda inner: (inner / "lfs").mkdir(),
    "another worktree": lambda inner: (inner / "worktrees").mkdir(),
    "a hook": lambda inner: (inner / "hooks/pre-commit").write_text("x"),
    "a file among modules": _module,
    "no HEAD": lambda inner: (inner / "HEAD").unlink(),
    "a HEAD that is none": lambda inner: (inner / "HEAD").write_text("x"),
    "objects as a link": lambda inner: (
        (inner / "objects").rename(inner.parent.parent / "o"),
        (inner / "objects").symlink_to("../../o"),
    ),
    "a pipe for its index": lambda inner: ((inner / "config").unlink(), os.mkfifo(inner / "config")),
    "it is a link": lambda inner: (inner.rename(inner.parent / "x"), inner.symlink_to("x")),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_with_anything_of_its_own_it_stays(ours: Repository, aside: Path, what: str) -> None:
    DAMAGE[what](aside / "1/deep/.git")
    assert not is_elsewhere(ours, str(aside))


def test_what_is_not_there_is_nothing_to_remove(ours: Repository, tmp_path: Path) -> None:
    assert not is_elsewhere(ours, str(tmp_path / "nowhere"))
