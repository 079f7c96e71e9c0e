"""Workspaces in worktrees of the project and clones of others: the Protocol `Workspaces`, by the modules beside it.

Decides in which order things are written, so that whoever is killed in between leaves what the next call mends: the
objects first, then the refs that protect them in one transaction, then the worktree, its record last.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Final

from teamflow.core.globs import PathSet, PatternError
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.work import Left, Ready
from teamflow.policy.trees import matching
from teamflow.ports import Done, Finish, Order, Parent
from teamflow.workspaces import merging
from teamflow.workspaces.clones import Clones, opened, store_at, store_of, take_in
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.finishing import Finishing
from teamflow.workspaces.mirrors import Mirrors, OriginError, root_of
from teamflow.workspaces.naming import Names
from teamflow.workspaces.origins import origin, redacted
from teamflow.workspaces.preparing import Preparing
from teamflow.workspaces.process import GitError
from teamflow.workspaces.repository import Repository
from teamflow.workspaces.seats import Seat, Worktrees

_LONGEST: Final = 4 * 2**20
"""Bytes of a file of which `content` tells."""
_TROUBLE: Final = (GitError, WorkspaceError, PatternError, OSError)


class Bench(NamedTuple):
    """What works on one repository."""

    repository: Repository
    finishing: Finishing
    preparing: Preparing


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

        self._mirrors = Mirrors(root_of(environ), environ=environ, boundary=boundary)
        self._benches: dict[str, Bench] = {}
        self._lock = threading.Lock()

    @cached_property
    def repository(self) -> Repository:
        """The project's; opened with the first use. WorkspaceError (no-git)."""
        return Repository.open(self._project, home=self._home, environ=self._environ, boundary=self._boundary)

    def store(self, repo: str) -> Repository:
        """The repository that has the commits of a `Left` or `Ready`. WorkspaceError."""
        if not repo:
            return self.repository
        return opened(store_at(self._home, repo), home=self._home, environ=self._environ, boundary=self._boundary)

    def _bench(self, repo: str) -> Bench:
        path = store_at(self._home, repo) if repo else ""
        with self._lock:
            found = self._benches.get(path)
            if found is None:
                repository = self.store(path)
                names = Names(repository, run_id=self._run_id, number=self._number)
                seat: Seat = Clones(repository) if path else Worktrees(repository)
                run = f"{self._number}-{self._run_id[-8:].lower()}"
                finishing = Finishing(repository, names, seat, home=self._home, run=run, repo=path)
                found = Bench(repository, finishing, Preparing(finishing, project=self._project))
                self._benches[path] = found
        return found

    def prepare(self, order: Order) -> Ready | Failed:
        try:
            return self._prepare(order)
        except OriginError as error:
            return Failed(error.failure, error.reason, detail=error.detail)
        except _TROUBLE as error:
            return Failed(FailureClass.SETUP, f"the workspace cannot be made: {_line(error)}", detail=str(error))

    def _prepare(self, order: Order) -> Ready | Failed:
        before = order.before
        if order.goes_on and before is not None:
            return self._bench(before.repo).preparing.prepare(order)
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
            old = self._bench(before.repo).finishing
            if os.path.lexists(before.path) and before.own:
                old.keep(order.step, str(max(order.attempt - 1, 0)), before, fresh=True)
                old.clear(old.of(before.path))
            order = order._replace(before=None, adds="")
        return self._bench(repo).preparing.prepare(order)

    def _fetched(self, repo: str) -> Parent:
        """Nobody's commit: the HEAD of a repository as it is now. OriginError, and `_TROUBLE`."""
        source = origin(repo, project=self._project)
        store = store_of(self._home, source)
        with self._mirrors.fetched(source) as fetched:
            take_in(store, source, fetched)
            return Parent("", fetched.head, repo=store)

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
            return self._bench(work.ready.repo).finishing.finish(work)
        except _TROUBLE as error:
            reason = f"what lies in the workspace cannot be committed: {_line(error)}"
            return Failed(FailureClass.OUTPUT, reason, detail=str(error))

    def keep(self, step: str, attempt: int, ready: Ready) -> str:
        """GitError, WorkspaceError, OSError: it cannot be kept; nothing is changed then."""
        return self._bench(ready.repo).finishing.keep(step, str(attempt), ready)

    def remove(self, ready: Ready) -> str:
        try:
            return self._bench(ready.repo).finishing.remove(ready)
        except _TROUBLE as error:
            return str(error)

    def on_top(self, step: str, left: Left, parents: tuple[Parent, ...]) -> Left | None:
        try:
            base, repo = self.merged(parents, ""), self._common(parents)
            if isinstance(base, Failed) or isinstance(repo, Failed) or not _same(repo, left.repo):
                return None
            bench = self._bench(repo)
            found = merging.on_top(bench.repository, left, base=base)
            if found is not None and self._run_id:
                bench.finishing.protect(step, found.commit)
            return found._replace(repo=repo) if found is not None else None
        except _TROUBLE:
            return None

    def tree(self, commit: str, patterns: tuple[str, ...] | None, *, repo: str = "") -> Mapping[str, str] | None:
        """PatternError."""
        try:
            repository = self._bench(repo).repository
        except WorkspaceError:
            if repo:
                return None
            raise
        if not repository.has(commit):
            return None
        files = repository.files(commit)
        if patterns is None:
            return files
        wanted = PathSet(patterns)
        return {path: found for path, found in files.items() if path in wanted}

    def content(self, commit: str, path: str, *, repo: str = "") -> bytes | None:
        try:
            return self._bench(repo).repository.content(commit, path, most=_LONGEST)
        except _TROUBLE:
            return None

    def head(self) -> str | None:
        return self.repository.commit_of("HEAD")

    def origin(self, repo: str) -> Parent | Failed:
        try:
            return self._fetched(repo)
        except OriginError as error:
            return Failed(error.failure, error.reason, detail=error.detail)
        except _TROUBLE as error:
            return Failed(FailureClass.SETUP, f"{redacted(repo)} cannot be fetched: {_line(error)}", detail=str(error))

    def merged(self, parents: tuple[Parent, ...], message: str) -> str | Failed:
        try:
            if not parents:
                return self.head() or no_commit()
            repo = self._common(parents)
            if isinstance(repo, Failed):
                return repo
            return merging.merged(self._bench(repo).repository, parents, message=message)
        except (GitError, WorkspaceError, OSError) as error:
            return Failed(FailureClass.SETUP, f"commits cannot be merged: {_line(error)}", detail=str(error))


def _same(one: str, other: str) -> bool:
    """Whether two records mean the same repository: a project may have been moved since."""
    return os.path.basename(one) == os.path.basename(other)


def no_commit() -> Failed:
    reason = "the project has no commit to start from (none yet, or HEAD is broken): commit something first"
    return Failed(FailureClass.SETUP, reason)


def _line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
