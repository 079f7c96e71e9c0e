"""Workspaces in worktrees of the project's repository: the Protocol `Workspaces`, in words of the modules beside it.

Decides in which order things are written, so that whoever is killed in between leaves what the next call mends: the
objects first, then the refs that protect them in one transaction, then the worktree, its record last.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Final

from teamflow.core.globs import PathSet, PatternError
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.work import Left, Ready
from teamflow.ports import Done, Finish, Order, Parent
from teamflow.workspaces import merging
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.finishing import Finishing
from teamflow.workspaces.naming import Names
from teamflow.workspaces.preparing import Preparing
from teamflow.workspaces.process import GitError
from teamflow.workspaces.repository import Repository

_LONGEST: Final = 4 * 2**20
"""Bytes of a file of which `content` tells."""
_TROUBLE: Final = (GitError, WorkspaceError, PatternError, OSError)


class GitWorkspaces:
    """Of one run. `project`: the top level of a work tree; `home`: its `.teamflow`; both absolute."""

    def __init__(
        self,
        project: str,
        *,
        run_id: str,
        number: int,
        home: str,
        environ: Mapping[str, str],
        boundary: Callable[[], None] = lambda: None,
    ) -> None:
        """`run_id` empty: only to look; no ref is written. `boundary`: called before and after each git command."""
        self._project = project
        self._run_id = run_id
        self._number = number
        self._home = os.path.realpath(home)
        self._environ = dict(environ)
        self._boundary = boundary

    @cached_property
    def repository(self) -> Repository:
        """Opened with the first use. WorkspaceError (no-git)."""
        return Repository.open(self._project, home=self._home, environ=self._environ, boundary=self._boundary)

    @cached_property
    def _finishing(self) -> Finishing:
        names = Names(self.repository, run_id=self._run_id, number=self._number)
        return Finishing(self.repository, names, home=self._home, run=f"{self._number}-{self._run_id[-8:].lower()}")

    @cached_property
    def _preparing(self) -> Preparing:
        return Preparing(self._finishing, project=self._project)

    def prepare(self, order: Order) -> Ready | Left | Failed:
        if order.repo is not None:
            return Failed(FailureClass.SETUP, f"clones are not made here: {order.repo}")
        try:
            return self._preparing.prepare(order)
        except _TROUBLE as error:
            return Failed(FailureClass.SETUP, f"the workspace cannot be made: {_line(error)}", detail=str(error))

    def finish(self, work: Finish) -> Done | Failed:
        try:
            return self._finishing.finish(work)
        except _TROUBLE as error:
            reason = f"what lies in the workspace cannot be committed: {_line(error)}"
            return Failed(FailureClass.OUTPUT, reason, detail=str(error))

    def keep(self, step: str, attempt: int, ready: Ready) -> str:
        """GitError, WorkspaceError, OSError: it cannot be kept; nothing is changed then."""
        return self._finishing.keep(step, str(attempt), ready)

    def remove(self, ready: Ready) -> str:
        try:
            return self._finishing.remove(ready)
        except _TROUBLE as error:
            return str(error)

    def on_top(self, step: str, left: Left, parents: tuple[Parent, ...]) -> Left | None:
        try:
            base = self.merged(parents, "")
            found = None if isinstance(base, Failed) else merging.on_top(self.repository, left, base=base)
            if found is not None and self._run_id:
                self._finishing.protect(step, found.commit)
            return found
        except _TROUBLE:
            return None

    def tree(self, commit: str, patterns: tuple[str, ...] | None) -> Mapping[str, str] | None:
        """PatternError."""
        if not self.repository.has(commit):
            return None
        files = self.repository.files(commit)
        if patterns is None:
            return files
        wanted = PathSet(patterns)
        return {path: found for path, found in files.items() if path in wanted}

    def content(self, commit: str, path: str) -> bytes | None:
        try:
            return self.repository.content(commit, path, most=_LONGEST)
        except _TROUBLE:
            return None

    def head(self) -> str | None:
        return self.repository.commit_of("HEAD")

    def merged(self, parents: tuple[Parent, ...], message: str) -> str | Failed:
        try:
            if not parents:
                return self.head() or no_commit()
            return merging.merged(self.repository, parents, message=message)
        except (GitError, OSError) as error:
            return Failed(FailureClass.SETUP, f"commits cannot be merged: {_line(error)}", detail=str(error))


def no_commit() -> Failed:
    reason = "the project has no commit to start from (none yet, or HEAD is broken): commit something first"
    return Failed(FailureClass.SETUP, reason)


def _line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
