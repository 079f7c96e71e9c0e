"""The files of a commit into an empty worktree. Decides nothing about which commit; runs outside of any lock."""

from __future__ import annotations

import contextlib
import os

from teamflow import git
from teamflow.core.globs import PathSet
from teamflow.workspaces.place import Place, copy_index
from teamflow.workspaces.repository import Repository


def checkout(
    repository: Repository, place: Place, admin: str, *, commit: str, sparse: tuple[str, ...] | None = None
) -> None:
    """All files, or those that `sparse` names; the rest stays part of the tree. GitError, OSError, PatternError."""
    index = f"{admin}/index"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{index}.lock")
    if sparse is None:
        repository.look("read-tree", "--reset", "-u", commit, index=index, tree=place.path)
    else:
        repository.look("read-tree", "--reset", commit, index=index, tree=place.path)
        wanted = PathSet(sparse)
        listed = git.paths(repository.look("ls-files", "-z", index=index, tree=place.path).out)
        hidden = [path for path in listed if os.fsdecode(path) not in wanted]
        words = ("update-index", "-z", "--skip-worktree", "--stdin")
        repository.look(*words, index=index, tree=place.path, given=git.lines_of(hidden))
        repository.look("checkout-index", "--all", "--index", "--force", index=index, tree=place.path)
    copy_index(index, place.reference)
