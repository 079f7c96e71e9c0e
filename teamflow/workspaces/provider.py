"""Workspaces in worktrees of the project and clones of others: the Protocol `Workspaces`, by the modules beside it.

Decides in which order things are written, so that whoever is killed in between leaves what the next call mends: the
objects first, then the refs that protect them in one transaction, then the worktree, its record last.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Final

from teamflow import git
from teamflow.core.globs import PathSet, PatternError
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.work import Left, Ready
from teamflow.policy.trees import matching
from teamflow.ports import Done, Finish, Order, Parent
from teamflow.workspaces import merging
from teamflow.workspaces.benches import Benches
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.mirrors import Mirrors, OriginError, root_of
from teamflow.workspaces.origins import origin, redacted
from teamflow.workspaces.process import GitError
from teamflow.workspaces.repository import Repository
from teamflow.workspaces.stores import opened, store_at, store_of, take_in

_LONGEST: Final = 4 * 2**20
"""Bytes of a file of which `content` tells."""
_LITTLE: Final = 2**20
"""Bytes that git cannot do with."""
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
        self._head: str | None = None
        self._lock = threading.Lock()
        self._mirrors = Mirrors(root_of(environ), environ=environ, boundary=boundary)
        self._benches = Benches(self.store, self.head, project=project, home=self._home, run=(run_id, number))

    @cached_property
    def repository(self) -> Repository:
        """The project's; opened with the first use. WorkspaceError (no-git)."""
        return Repository.open(self._project, home=self._home, environ=self._environ, boundary=self._boundary)

    def store(self, repo: str) -> Repository:
        """The repository that has the commits of a `Left` or `Ready`. WorkspaceError."""
        if not repo:
            return self.repository
        return opened(store_at(self._home, repo), home=self._home, environ=self._environ, boundary=self._boundary)

    def prepare(self, order: Order) -> Ready | Left | Failed:
        try:
            return self._prepare(order)
        except OriginError as error:
            return Failed(error.failure, error.reason, detail=error.detail)
        except _TROUBLE as error:
            return Failed(FailureClass.SETUP, f"the workspace cannot be made: {self._said(error)}", detail=str(error))

    def _prepare(self, order: Order) -> Ready | Left | Failed:
        before = order.before
        if order.goes_on and before is not None:
            return self._benches.of(before.repo).preparing.prepare(order)
        if order.own:
            repo = self._fetched(order.repo).repo if order.repo is not None else ""
            order = order._replace(parents=matching(order.parents, repo))
        else:
            found = self._common(order.parents)
            if isinstance(found, Failed):
                return found
            repo = found
        if before is not None and before.repo != repo:
            # It was of another repository: kept there, and taken away from there.
            old = self._benches.of(before.repo).finishing
            if os.path.lexists(before.path) and before.own:
                with old.of(before.path).alone():
                    old.keep_and_clear(order.step, str(max(order.attempt - 1, 0)), before)
            order = order._replace(before=None, adds="")
        return self._benches.of(repo).preparing.prepare(order)

    def _fetched(self, repo: str) -> Parent:
        """Nobody's commit: the HEAD of a repository as it is now. OriginError, and `_TROUBLE`."""
        source = origin(repo, project=self._project)
        store = store_of(self._home, source)
        with self._mirrors.fetched(source) as fetched:
            take_in(store, source, fetched, who=self._who())
            return Parent("", fetched.head, repo=store)

    def _who(self) -> Mapping[str, str]:
        """Who commits, where the project's own configuration says so: the user's holds everywhere anyway."""
        try:
            own = dict(git.settings(self.repository.look("config", "--local", "-z", "--list").out))
        except (GitError, WorkspaceError, OSError):
            return {}
        return {key: own[key] for key in ("user.name", "user.email") if key in own}

    def _common(self, parents: tuple[Parent, ...]) -> str | Failed:
        """The one repository that all of them are of."""
        repos = {parent.repo: parent.step for parent in reversed(parents)}
        if len(repos) > 1:
            names = " and ".join(f"`{name}`" for name in sorted(repos.values()))
            reason = f"{names} have left commits of different repositories, and a step works in one"
            remedy = "workspace: {repo: ...} says in which, {mode: worktree} or {mode: shared} that it is the project"
            return Failed(FailureClass.SETUP, f"{reason}; {remedy}")
        return next(iter(repos), "")

    def finish(self, work: Finish) -> Done | Failed:
        try:
            return self._benches.of(work.ready.repo).finishing.finish(work)
        except _TROUBLE as error:
            reason = f"what lies in the workspace cannot be committed: {self._said(error)}"
            return Failed(FailureClass.OUTPUT, reason, detail=str(error))

    def keep(self, step: str, attempt: int, ready: Ready) -> str:
        """OSError: it cannot be kept; nothing is changed then."""
        try:
            return self._benches.of(ready.repo).finishing.keep(step, str(attempt), ready)
        except (GitError, WorkspaceError) as error:
            raise OSError(str(error)) from error

    def remove(self, ready: Ready) -> str:
        try:
            return self._benches.of(ready.repo).finishing.remove(ready)
        except _TROUBLE as error:
            return str(error)

    def on_top(self, step: str, left: Left, parents: tuple[Parent, ...]) -> Left | None:
        try:
            base, repo = self.merged(parents, ""), self._common(parents)
            if isinstance(base, Failed) or isinstance(repo, Failed) or not _same(repo, left.repo):
                return None
            bench = self._benches.of(repo)
            found = merging.on_top(bench.repository, left, base=base)
            if found is not None and self._run_id:
                bench.finishing.protect(step, found.commit)
            return found._replace(repo=repo) if found is not None else None
        except _TROUBLE:
            return None

    def tree(self, commit: str, patterns: tuple[str, ...] | None, *, repo: str = "") -> Mapping[str, str] | None:
        """PatternError."""
        try:
            repository = self._benches.of(repo).repository
            if not repository.has(commit):
                return None
            files = repository.files(commit)
        except (GitError, WorkspaceError, OSError):
            return None
        if patterns is None:
            return files
        wanted = PathSet(patterns)
        return {path: found for path, found in files.items() if path in wanted}

    def content(self, commit: str, path: str, *, repo: str = "") -> bytes | None:
        try:
            return self._benches.of(repo).repository.content(commit, path, most=_LONGEST)
        except _TROUBLE:
            return None

    def look(self, ready: Ready) -> tuple[str, Mapping[str, str]] | None:
        try:
            return self._benches.of(ready.repo).watching.look(ready)
        except _TROUBLE:
            return None

    def differs(self, left: Left) -> Mapping[str, str] | None:
        try:
            return self._benches.of(left.repo).watching.differs(left.base, left.commit)
        except _TROUBLE:
            return None

    def conflicts(self, first: str, second: str) -> tuple[str, ...] | None:
        try:  # only worktrees of the project are compared (`policy/colliding`)
            return self._benches.of("").watching.conflicts(first, second)
        except _TROUBLE:
            return None

    def head(self) -> str | None:
        with self._lock:
            if self._head is None:
                try:
                    self._head = self.repository.commit_of("HEAD")
                except _TROUBLE:
                    return None
            return self._head

    def refresh(self) -> None:
        with self._lock:
            self._head = None

    def origin(self, repo: str) -> Parent | Failed:
        try:
            return self._fetched(repo)
        except OriginError as error:
            return Failed(error.failure, error.reason, detail=error.detail)
        except _TROUBLE as error:
            return Failed(
                FailureClass.SETUP, f"{redacted(repo)} cannot be fetched: {self._said(error)}", detail=str(error)
            )

    def merged(self, parents: tuple[Parent, ...], message: str) -> str | Failed:
        try:
            if not parents:
                return self.head() or no_commit()
            repo = self._common(parents)
            if isinstance(repo, Failed):
                return repo
            return merging.merged(self._benches.of(repo).repository, parents, message=message)
        except _TROUBLE as error:
            return Failed(FailureClass.SETUP, f"commits cannot be merged: {self._said(error)}", detail=str(error))

    def _said(self, error: BaseException) -> str:
        if isinstance(error, GitError) and "unable to read" in error.said and self._is_partial():
            remedy = "`git fetch --refetch --no-filter` brings all of them"
            return f"the project is a partial clone, and an object that is needed is not here: {remedy}"
        line = str(error).partition("\n")[0]
        with contextlib.suppress(OSError):
            found = os.statvfs(self._home)
            if found.f_bavail * found.f_frsize < _LITTLE and "No space left" not in line:
                return f"{line} (the disk has no space left)"
        return line

    def _is_partial(self) -> bool:
        try:
            return self.repository.is_partial()
        except WorkspaceError:
            return False  # who only clones needs no repository


def _same(one: str, other: str) -> bool:
    """Whether two records mean the same repository: a project may have been moved since."""
    return os.path.basename(one) == os.path.basename(other)


def no_commit() -> Failed:
    reason = "the project has no commit to start from (none yet, or HEAD is broken): commit something first"
    return Failed(FailureClass.SETUP, reason)
