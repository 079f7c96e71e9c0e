"""What lies in a worktree while somebody works there, again and again, and whether two of them go together.

Decides how little of it is looked at when nothing has changed: each worktree has an index of ours that holds what lay
there last, with the stats of the files, so that a listing tells. Touches no ref, no worktree and no worktree's index;
the objects that it makes belong to nothing, and `git gc` takes them away.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Final

from teamflow import git
from teamflow.core.named import NamedTuple
from teamflow.core.work import Ready
from teamflow.workspaces import merging
from teamflow.workspaces.finishing import Finishing
from teamflow.workspaces.place import Made, Place, copy_index
from teamflow.workspaces.repository import Repository
from teamflow.workspaces.snapshot import Look

_MESSAGE: Final = "teamflow: what lies in a worktree"


class _Seen(NamedTuple):
    made: tuple[int, int]
    """Which reference index it began with: another one is another checkout."""
    head: str
    base: str
    commit: str
    paths: Mapping[str, str]


class Watching:
    """Of one run. Several threads may look at once, each at another worktree."""

    def __init__(self, finishing: Finishing) -> None:
        self._finishing = finishing
        self._repository: Repository = finishing.repository
        self._seen: dict[str, _Seen] = {}

    def look(self, ready: Ready) -> tuple[str, Mapping[str, str]] | None:
        """What lies there as a commit, and each file that differs from the starting commit with its object (empty: it
        is gone). None: it is not there. GitError, WorkspaceError, OSError: cannot be told now."""
        found = self._finishing.of(ready.path)
        if not found.is_there() or found.made() is None:
            return None
        head = self._finishing.head(found, ready)
        reference = os.stat(found.reference)
        made = (reference.st_ino, reference.st_mtime_ns)
        known = self._seen.get(found.path)
        if known is None or known.made != made:
            self._seen.pop(found.path, None)
            known = None
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{found.watched}.lock")  # of somebody who was killed: nobody else writes it
            copy_index(found.reference, found.watched)
        copied = {*ready.copied, *(found.made() or Made()).copied}
        one = Look(self._repository, found, index=found.watched, copied=copied)
        same = known is not None and (known.head, known.base) == (head, ready.base)
        if known is not None and same and one.is_as_it_was():
            return known.commit, known.paths
        seen = self._take(found, one, head=head, base=ready.base, made=made)
        return seen.commit, seen.paths

    def _take(self, found: Place, one: Look, *, head: str, base: str, made: tuple[int, int]) -> _Seen:
        self._seen.pop(found.path, None)
        tree = one.take(head=head, base=base, thorough=False).tree
        onto = head if self._repository.is_ancestor(base, head) else base
        commit = onto
        if tree != self._repository.tree_of(onto):
            # At the same moment always: the same content is the same commit.
            commit = self._repository.commit(tree, parents=[onto], message=_MESSAGE, date=0)
        seen = self._seen[found.path] = _Seen(made, head, base, commit, self.differs(base, commit))
        return seen

    def differs(self, base: str, commit: str) -> dict[str, str]:
        """File → its object in `commit` (empty: it is not there), of those that are not as in `base`. GitError."""
        if base == commit:
            return {}
        listed = self._repository.look("diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", base, commit)
        entries = git.raw_entries(listed.out)
        return {os.fsdecode(entry.path): "" if entry.kind == "D" else entry.after for entry in entries}

    def conflicts(self, first: str, second: str) -> tuple[str, ...]:
        """Files in conflict when the two commits are merged. GitError."""
        return tuple(merging.conflicts(self._repository, first, second))
