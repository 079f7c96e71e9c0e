"""What a step reads by default: git's own list, and nothing that the repository's configuration starts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from teamflow.workspaces.digest import ReadsDigester
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.shared import default_reads, in_git


def git(root: Path, *words: str) -> bytes:
    return subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words], cwd=root, check=True, capture_output=True
    ).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    for path, text in {
        ".gitignore": "*.log\nbuild/\n",
        "tracked.py": "1",
        "é x.py": "2",
        "sub/gone.py": "3",
        "forced.log": "4",
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    git(tmp_path, "add", "-f", ".")
    (tmp_path / "untracked.py").write_text("5")
    (tmp_path / "ignored.log").write_text("6")
    (tmp_path / "sub/gone.py").unlink()
    (tmp_path / ".teamflow").mkdir()
    (tmp_path / ".teamflow/state.db").write_text("")
    return tmp_path


def runner(root: Path) -> object:
    def run(argv: Sequence[str]) -> bytes:
        return subprocess.run(argv, cwd=root, check=True, capture_output=True).stdout

    return run


def test_tracked_and_untracked_files_that_are_there_and_not_ignored(repository: Path) -> None:
    run = runner(repository)
    assert callable(run)
    paths = default_reads(str(repository), run)
    found = ReadsDigester(str(repository), None).digests_of(paths)
    assert list(found) == [".gitignore", "forced.log", "tracked.py", "untracked.py", "é x.py"]


def test_nothing_that_the_repository_names_is_started(repository: Path) -> None:
    trap = repository.parent / f"{repository.name}.trap"
    hook = repository / "hook.sh"
    hook.write_text(f"#!/bin/sh\ntouch '{trap}'\n")
    hook.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(hook))
    git(repository, "config", "core.hooksPath", str(repository))
    run = runner(repository)
    assert callable(run)
    assert "hook.sh" in default_reads(str(repository), run)
    assert not os.path.lexists(trap)


def test_outside_git_what_is_read_must_be_said(tmp_path: Path) -> None:
    def never(argv: Sequence[str]) -> bytes:
        raise AssertionError(argv)

    assert not in_git(str(tmp_path))
    with pytest.raises(WorkspaceError, match="declare `reads`"):
        default_reads(str(tmp_path), never)


def test_a_worktree_and_a_directory_below_one_are_in_git(repository: Path) -> None:
    assert in_git(str(repository / "sub"))
    git(repository, "commit", "-qm", "x")
    git(repository, "worktree", "add", "-q", "--detach", "wt")
    assert in_git(str(repository / "wt"))
