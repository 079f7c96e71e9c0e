"""What is not in the commit that steps start from: uncommitted files of the user, or that there is no commit.

Looks only, and only where a step works in something that is made of a commit. The hooks and the file system monitor
that the repository's configuration names are not run; git decides itself whether a file whose times tell nothing goes
through the filters of the user's own attributes.
"""

from __future__ import annotations

import os
from typing import Final

from teamflow.app.lock_file import lock_path
from teamflow.core.plan import Plan
from teamflow.core.work import DEPENDENCY, WORKTREE

STATUS: Final = (
    "git",
    "--no-optional-locks",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "status.relativePaths=false",
    "status",
    "--porcelain=v2",
    "-z",
    "--branch",
    "--no-ahead-behind",
    "--no-renames",
    "--untracked-files=normal",
    "--ignore-submodules=all",
)
"""To be started in the project."""

BRANCH: Final = ("git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null",
                 "status", "--porcelain=v2", "-z", "--branch", "--no-ahead-behind", "--untracked-files=no",
                 "--ignore-submodules=all", "--", ":(top,literal).git")  # fmt: skip
"""Likewise: of no file, so that nothing is looked at but HEAD."""

HEAD: Final = ("git", "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
"""Likewise."""

_SHOWN: Final = 3
_FIELDS: Final = {"1": 8, "u": 10}
"""First character of an entry → how many blanks stand before its path."""


def start_notes(plan: Plan, root: str) -> tuple[str, ...]:
    """Sentences about the commit that the steps of `plan` would start from; () where there is nothing to say."""
    if not any(step.workspace in (WORKTREE, DEPENDENCY) for step in plan.steps):
        return ()
    status = _status(root)
    if status is None:
        return ()
    if not has_commit(status):
        return ("there is no commit yet, and worktrees are made of commits: commit something first",)
    files = [path for path in uncommitted(status) if not _defines(plan, root, path)]
    if not files:
        return ()
    named = ", ".join(files[:_SHOWN]) + (", …" if len(files) > _SHOWN else "")
    count, are = ("1 uncommitted file", "is") if len(files) == 1 else (f"{len(files)} uncommitted files", "are")
    return (f"{count} ({named}) {are} not in the worktrees: steps start from the last commit",)


def _defines(plan: Plan, root: str, path: str) -> bool:
    """Whether `path`, as git calls it, is a file that says what runs, or a directory of such: no step works with
    those, and the runner reads them where they are. `path` may end with a slash."""
    top = _top(root)
    if top is None:
        return False
    ours = {os.path.normpath(os.path.join(root, name)) for name in (*plan.files, plan.file, lock_path(root, plan.file))}
    at = os.path.join(top, path)
    if not path.endswith("/"):
        return at in ours
    return all(f"{place}/{name}" in ours for place, _, names in os.walk(at.rstrip("/")) for name in names)


def _top(root: str) -> str | None:
    """The directory to which the paths of STATUS are relative; None: it is not to be seen."""
    at = root
    while not os.path.lexists(f"{at}/.git"):
        at, before = os.path.dirname(at), at
        if at == before:
            return None
    return at


def has_commit(status: bytes) -> bool:
    """Whether HEAD names a commit, by what STATUS has printed."""
    return b"# branch.oid (initial)" not in status.split(b"\0")


def head_of(root: str) -> str | None:
    """The commit that HEAD names; None where there is none, or git cannot say."""
    found = _said(HEAD, root)
    return found.decode().strip() if found else None


def is_unborn(root: str) -> bool:
    """Whether it is certain that HEAD names no commit yet."""
    status = _said(BRANCH, root)
    return status is not None and not has_commit(status)


def uncommitted(status: bytes) -> list[str]:
    """Paths that differ from HEAD, and directories (with a slash) that it does not have; without teamflow's own."""
    found: dict[str, None] = {}
    for entry in status.decode(errors="surrogateescape").split("\0"):
        kind = entry[:1]
        path = entry[2:] if kind == "?" else entry.split(" ", _FIELDS[kind])[-1] if kind in _FIELDS else ""
        if path and not path.startswith(".teamflow/"):
            found[path] = None
    return list(found)


def _status(root: str) -> bytes | None:
    """None where git cannot say: the run will meet that itself."""
    return _said(STATUS, root)


def _said(argv: tuple[str, ...], root: str) -> bytes | None:
    import subprocess  # slow to import, and most plans need no look

    try:
        done = subprocess.run(
            argv, cwd=root, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _environment() -> dict[str, str]:
    """Ours without what would point git at another repository, and without prompts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
