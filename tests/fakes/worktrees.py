"""A project in a repository, and what the tests of workspaces ask of `GitWorkspaces` again and again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from teamflow.core.work import Ready
from teamflow.ports import Done, Finish, Order, Parent
from teamflow.workspaces.provider import GitWorkspaces

RUN = "01JB0000000000000000000RUN"
KEPT = f"refs/teamflow/{RUN}"


def git(root: Path | str, *words: str, given: str | None = None) -> str:
    argv = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always", *words]
    done = subprocess.run(argv, cwd=root, check=False, capture_output=True, text=True, input=given, timeout=120)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout.strip()


def repository(root: Path, *words: str) -> Path:
    """A project with one commit. `words` go to `git init`."""
    (root / ".teamflow").mkdir(parents=True)
    git(root, "init", "-q", "-b", "main", *words)
    (root / ".teamflow/.gitignore").write_text("*\n")
    (root / "a.txt").write_text("1\n")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root


def workspaces(project: Path) -> GitWorkspaces:
    return GitWorkspaces(str(project), run_id=RUN, number=7, home=str(project / ".teamflow"), environ=dict(os.environ))


def prepared(project: Path, step: str = "a", *parents: Parent) -> Ready:
    ready = workspaces(project).prepare(Order(step, 1, parents, own=True))
    assert isinstance(ready, Ready), ready
    return ready


def finished(project: Path, ready: Ready, step: str = "a") -> Done:
    done = workspaces(project).finish(Finish(step, 1, ready, "done"))
    assert isinstance(done, Done), done
    return done


def changed(done: Done) -> list[str]:
    return [change.path for change in done.changes]
