"""What `copy` brings into a workspace, and what becomes of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.work import Ready
from teamflow.ports import Order, Parent
from tests.fakes.worktrees import changed, finished, git, repository, workspaces


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = repository(tmp_path / "project")
    (root / ".gitignore").write_text(".env\nnode_modules/\n")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "ignore")
    (root / ".env").write_text("SECRET\n")
    return root


def ordered(project: Path, *patterns: str, step: str = "a", parents: tuple[Parent, ...] = ()) -> Ready | Failed:
    return workspaces(project).prepare(Order(step, 1, parents, own=True, copy=patterns))


def ready(project: Path, *patterns: str) -> Ready:
    found = ordered(project, *patterns)
    assert isinstance(found, Ready), found
    return found


@pytest.mark.slow
@pytest.mark.parametrize("force", [True, False])
def test_what_the_agent_commits_of_it_is_not_in_the_result(project: Path, force: bool) -> None:
    (project / "plain.local").write_text("local\n")
    found = ready(project, ".env", "plain.local")
    Path(found.path, "b").write_text("b\n")
    git(found.path, "add", "-f" if force else "-A", "plain.local", "b", *([".env"] if force else []))
    git(found.path, "commit", "-q", "-m", "all")
    done = finished(project, found)
    assert changed(done) == ["b"]
    assert "SECRET" not in git(project, "log", "-p", f"{done.left.base}..{done.left.commit}")
    assert Path(found.path, ".env").read_text() == "SECRET\n"


def test_tracked_files_are_those_of_the_commit(project: Path) -> None:
    (project / "a.txt").write_text("edited by the user\n")
    found = ready(project, "*.txt", ".env")
    assert Path(found.path, "a.txt").read_text() == "1\n"
    assert found.copied == (".env",)


@pytest.mark.slow
def test_a_tracked_file_that_only_the_start_has_stays(project: Path) -> None:
    one = ready(project)
    git(one.path, "config", "core.excludesFile", os.devnull)
    Path(one.path, ".env").write_text("from the step before\n")
    git(one.path, "add", "-f", ".env")
    git(one.path, "commit", "-q", "-m", "env")
    left = finished(project, one).left.commit
    found = ordered(project, ".env", step="b", parents=(Parent("a", left),))
    assert isinstance(found, Ready)
    assert Path(found.path, ".env").read_text() == "from the step before\n"
    assert found.copied == ()


@pytest.mark.parametrize("pattern", ["/etc/passwd", "../x", "", "a\0b", "no-such", ".git/config", ".teamflow/**"])
def test_a_bad_pattern_is_said(project: Path, pattern: str) -> None:
    failed = ordered(project, pattern)
    assert isinstance(failed, Failed)
    assert failed.failure is FailureClass.SETUP
    assert "copy" in failed.reason or "path" in failed.reason or "workspace" in failed.reason, failed.reason


def test_links_are_copied_as_links_and_lead_nowhere_else(project: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("s\n")
    (project / "out").symlink_to(outside)
    (project / "node_modules").mkdir()
    (project / "node_modules/file").symlink_to(outside / "secret")
    found = ready(project, "node_modules", "out")
    assert os.readlink(f"{found.path}/node_modules/file") == str(outside / "secret")
    assert not os.path.isfile(f"{found.path}/out/secret") or os.path.islink(f"{found.path}/out")
    failed = ordered(project, "out/secret", step="b")
    assert isinstance(failed, Failed)


@pytest.mark.slow
def test_a_directory_with_many_files_starts_nothing_for_each_of_them(project: Path) -> None:
    for number in range(500):
        path = project / f"node_modules/p{number // 25}/f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x\n")
    begin = time.monotonic()
    found = ready(project, "node_modules")
    took = time.monotonic() - begin
    assert len(found.copied) == 500
    begin = time.monotonic()
    for _ in range(50):
        git(project, "--version")
    assert took < 10 * (time.monotonic() - begin), "a git for each would be ten times that of fifty"
    assert changed(finished(project, found)) == []
