"""The project directory as a step's workspace: several steps share it and teamflow changes nothing in it by itself.

Decides what a step reads that declares `cache: true` and no `reads`: all that git tracks, and what it neither tracks
nor ignores. Runs no process: git's command line is given out and its output taken in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final

from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.top_level import is_repository

LIST_FILES: Final = (
    "git",
    "--no-optional-locks",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.quotePath=false",
    "ls-files",
    "-z",
    "--cached",
    "--others",
    "--exclude-standard",
)
"""Runs nothing that the repository's own configuration names. To be started in the workspace's root."""


def default_reads(root: str, run: Callable[[Sequence[str]], bytes]) -> list[str]:
    """Paths below `root` for `ReadsDigester.digests_of`. `run` starts an argv in `root` and gives its output.

    WorkspaceError (no-git): `root` is in no repository. What `run` raises goes through.
    """
    if not in_git(root):
        raise WorkspaceError(
            "no-git",
            ".",
            "the project is not in a git repository, so what a step reads is not known",
            remedy="declare `reads` for steps with `cache`",
        )
    listed = {os.fsdecode(path) for path in run(LIST_FILES).split(b"\0") if path}
    return sorted(path for path in listed if not path.startswith(".teamflow/"))


def in_git(root: str) -> bool:
    """Whether `root` lies in a git work tree, by looking upward for `.git`."""
    at = os.path.realpath(root)
    while not is_repository(at):
        parent = os.path.dirname(at)
        if parent == at:
            return False
        at = parent
    return True
