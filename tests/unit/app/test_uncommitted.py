"""What `plan` says of files that are in no commit, in real repositories."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from teamflow.app.uncommitted import start_notes
from tests.fakes.plans import make_plan, make_step

TREE = make_plan([make_step("a", workspace="worktree")])


def git(root: Path, *words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    return tmp_path


def test_without_a_commit(repository: Path) -> None:
    (note,) = start_notes(TREE, str(repository))
    assert note.startswith("there is no commit yet")


def test_uncommitted_files(repository: Path) -> None:
    for name in ("a b.py", "gone.py", "staged.py"):
        (repository / name).write_text("1\n", encoding="utf-8")
    (repository / ".gitignore").write_text("*.log\n", encoding="utf-8")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "first")
    assert start_notes(TREE, str(repository)) == ()
    (repository / "x.log").write_text("ignored", encoding="utf-8")
    (repository / ".teamflow").mkdir()
    (repository / ".teamflow/state.db").write_text("ours", encoding="utf-8")
    assert start_notes(TREE, str(repository)) == ()
    (repository / "a b.py").write_text("2\n", encoding="utf-8")
    (note,) = start_notes(TREE, str(repository))
    assert note == "1 uncommitted file (a b.py) is not in the worktrees: steps start from the last commit"
    (repository / "gone.py").unlink()
    (repository / "staged.py").write_text("2\n", encoding="utf-8")
    git(repository, "add", "staged.py")
    (repository / "new").mkdir()
    (repository / "new/ä\n.py").write_text("", encoding="utf-8")
    (note,) = start_notes(TREE, str(repository))
    assert note.startswith("4 uncommitted files (a b.py, gone.py, staged.py, …) are not in the worktrees")
    assert start_notes(make_plan([make_step("a", workspace="project")]), str(repository)) == ()
    assert start_notes(make_plan([make_step("a", workspace="dependency")]), str(repository)) == (note,)


def test_a_conflict_counts_once(repository: Path) -> None:
    for branch, text in (("main", "0"), ("other", "1"), ("main", "2")):
        if text == "1":
            git(repository, "checkout", "-q", "-b", branch)
        elif text == "2":
            git(repository, "checkout", "-q", branch)
        (repository / "f.txt").write_text(text, encoding="utf-8")
        git(repository, "add", "-A")
        git(repository, "commit", "-q", "-m", text)
    with pytest.raises(subprocess.CalledProcessError):
        git(repository, "merge", "other")
    (note,) = start_notes(TREE, str(repository))
    assert note.startswith("1 uncommitted file (f.txt)")


def test_hooks_and_monitors_of_the_repository_are_not_run(repository: Path) -> None:
    trap = repository / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {repository}/sprung\n", encoding="utf-8")
    trap.chmod(0o755)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "first")
    git(repository, "config", "core.fsmonitor", str(trap))
    git(repository, "config", "core.hooksPath", str(repository))
    start_notes(TREE, str(repository))
    assert not (repository / "sprung").exists()


def test_where_git_says_nothing_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: /nowhere\n", encoding="utf-8")
    assert start_notes(TREE, str(tmp_path)) == ()


@pytest.mark.parametrize("below", ["", "sub/project"])
def test_what_says_what_runs_is_no_work(repository: Path, below: str) -> None:
    (repository / "README").write_text("", encoding="utf-8")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "first")
    root = repository / below
    (root / "teams/parts").mkdir(parents=True)
    for name in ("team.yaml", "teamflow.lock", "teams/parts/one.yaml"):
        (root / name).write_text("x", encoding="utf-8")
    plan = TREE._replace(file="team.yaml", files={"team.yaml": "", "teams/parts/one.yaml": "", "/etc/other.yaml": ""})
    assert start_notes(plan, str(root)) == ()
    (root / "teams/parts/two.py").write_text("x", encoding="utf-8")
    (note,) = start_notes(plan, str(root))
    assert note.startswith("1 uncommitted file (")
