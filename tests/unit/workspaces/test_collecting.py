"""What gc sees of a worktree: on real git, one hardship each."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from teamflow.core.work import Ready
from teamflow.policy.leftover import Lie, RunFacts, Stage, TreeFacts
from teamflow.ports import Order
from teamflow.workspaces.collecting import Collecting
from teamflow.workspaces.ownership import directory_of
from teamflow.workspaces.provider import GitWorkspaces
from teamflow.workspaces.repository import Repository

RUN = "01RUN00000000000000000WXYZ"


def git(place: Path | str, *words: str) -> str:
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", *who, *words], cwd=place, env=environ, capture_output=True, check=True, text=True)
    return done.stdout.strip()


class Place:
    def __init__(self, root: Path) -> None:
        self.root = root
        git(root, "init", "-q", "-b", "main")
        for name, text in {"a.txt": "a\n", ".gitignore": "*.tmp\n.teamflow/\n"}.items():
            (root / name).write_text(text)
        git(root, "add", "-A")
        git(root, "commit", "-qm", "first")
        home, environ = str(root / ".teamflow"), {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        (root / ".teamflow").mkdir()
        (root / ".env.tmp").write_text("secret")
        (root / "brought").write_text("mine")
        spaces = GitWorkspaces(str(root), run_id=RUN, number=7, home=home, environ=environ)
        made = spaces.prepare(Order("build", 1, (), own=True, copy=("brought",)))
        assert isinstance(made, Ready), made
        self.path = Path(made.path)
        self.collecting = Collecting(Repository.open(str(root), home=home, environ=environ), home=home)
        self.runs = {RUN: RunFacts(RUN, 7, Stage.OVER, directory_of(7, RUN))}

    def tree(self) -> TreeFacts:
        return self.collecting.facts(self.runs, within=[RUN]).trees[0]

    @property
    def admin(self) -> Path:
        return Path((self.path / ".git").read_text().strip().removeprefix("gitdir: "))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path.resolve())


def test_a_worktree_as_it_was_made_is_clean_with_what_was_brought_and_is_ignored(place: Place) -> None:
    (place.path / "x.tmp").write_text("ignored")
    assert (place.path / "brought").read_text() == "mine"
    head = git(place.root, "rev-parse", "HEAD")
    wanted = TreeFacts(RUN, "build", str(place.path), Lie.WHOLE, head, "refs/heads/teamflow/7/build")
    assert place.tree() == wanted


def change(place: Place) -> None:
    (place.path / "a.txt").write_text("b\n")


def delete(place: Place) -> None:
    (place.path / "a.txt").unlink()


def add(place: Place) -> None:
    (place.path / "näw\n").write_text("")


def stage(place: Place) -> None:
    change(place)
    git(place.path, "add", "a.txt")
    (place.path / "a.txt").write_text("a\n")


def merge(place: Place) -> None:
    (place.admin / "MERGE_HEAD").write_text(git(place.root, "rev-parse", "HEAD") + "\n")


def nest(place: Place) -> None:
    git(place.path, "init", "-q", "inner.tmp")


@pytest.mark.slow
@pytest.mark.parametrize("trouble", [change, delete, add, stage, merge, nest])
def test_what_would_be_lost_is_dirty(place: Place, trouble: Callable[[Place], None]) -> None:
    trouble(place)
    assert (place.tree().lie, place.tree().dirty) == (Lie.WHOLE, True)


def test_a_file_that_was_only_touched_is_not_dirty(place: Place) -> None:
    os.utime(place.path / "a.txt", (1, 1))
    assert not place.tree().dirty


@pytest.mark.slow
def test_nothing_that_an_agent_has_set_up_is_run(place: Place) -> None:
    for name in ("fsmonitor", "clean", "hook"):
        (place.root / name).write_text(f"#!/bin/sh\ntouch {place.root}/ran-{name}\ncat\n")
        (place.root / name).chmod(0o755)
    git(place.path, "config", "core.fsmonitor", str(place.root / "fsmonitor"))
    git(place.path, "config", "filter.x.clean", str(place.root / "clean"))
    git(place.path, "config", "core.hooksPath", str(place.root))
    (place.path / ".gitattributes").write_text("* filter=x\n")
    os.utime(place.path / "a.txt", (1, 1))
    assert place.tree().dirty
    assert not list(place.root.glob("ran-*"))


def test_a_link_in_its_place_and_a_registration_that_disagrees_are_strange(place: Place) -> None:
    (place.path / ".git").write_text("gitdir: /elsewhere\n")
    assert place.tree().lie is Lie.STRANGE
    place.path.rename(place.root / "moved")
    place.path.symlink_to(place.root / "moved")
    assert place.tree().lie is Lie.STRANGE


def test_a_directory_that_is_gone_leaves_its_registration(place: Place) -> None:
    place.path.rename(place.root / "moved")
    assert place.tree().lie is Lie.GONE


def test_links_above_it_that_lead_nowhere_are_another_disk(place: Place) -> None:
    work = place.root / ".teamflow/work"
    work.rename(place.root / "disk")
    work.symlink_to(place.root / "not-mounted")
    assert place.tree().lie is Lie.STRANGE


@pytest.mark.slow
def test_a_process_in_it_and_a_lock_are_seen(place: Place) -> None:
    (place.path / "sub.tmp").mkdir()
    with subprocess.Popen(["cat"], cwd=place.path / "sub.tmp", stdin=subprocess.PIPE) as process:
        assert place.tree().used
        assert process.stdin is not None
    git(place.root, "worktree", "lock", str(place.path))
    assert (place.tree().used, place.tree().locked) == (False, True)


@pytest.mark.slow
def test_half_a_checkout_is_nobodys_work(place: Place) -> None:
    made = place.root / ".teamflow/git/trees" / directory_of(7, RUN) / "build"
    (made / "made").unlink()
    (place.path / "a.txt").unlink()
    (place.path / "brought").unlink()
    assert (place.tree().lie, place.tree().dirty) == (Lie.WHOLE, False)
    (place.path / ".git").unlink()
    assert place.tree().lie is Lie.HALF
    (place.path / "a.txt").write_text("mine\n")
    assert place.tree().lie is Lie.UNCLEAR


@pytest.mark.slow
def test_it_is_taken_away_whole(place: Place) -> None:
    place.collecting.remove_tree(place.runs[RUN], place.tree(), between=lambda: None)
    assert not place.path.exists()
    assert git(place.root, "worktree", "list").count("\n") == 0
    assert place.collecting.sweep([directory_of(7, RUN)]) > 0
    assert os.listdir(place.root / ".teamflow/work") == []
    assert os.listdir(place.root / ".teamflow/git/gone") == []
    assert git(place.root, "rev-parse", "teamflow/7/build") == git(place.root, "rev-parse", "main")
