"""Worktrees, branches and hidden refs that no run needs: whose they are by the store, and their removal under locks.

What may go is decided by `policy/collecting`, how far a run is by `whose`; this sees to it that nobody goes on with a
run while something of it is taken away, and that each worktree is looked at again right before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory
from typing import Final

from teamflow import git
from teamflow.app.whose import is_alive, stages, steps_of
from teamflow.core.named import NamedTuple
from teamflow.core.shell import quoted
from teamflow.policy.collecting import decide
from teamflow.policy.leftover import Kept, Lie, RefFacts, Role, RunFacts, Stage, TreeFacts, Why
from teamflow.store.layout import Layout
from teamflow.store.lock import Holder, RunLock
from teamflow.store.sqlite import Database
from teamflow.targets import keeper_files
from teamflow.workspaces.collecting import Collecting
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.naming import part
from teamflow.workspaces.process import GitError
from teamflow.workspaces.registered import registrations
from teamflow.workspaces.repository import Repository

_AT_ONCE: Final = 100
"""Runs whose locks are held together."""


class KeptLine(NamedTuple):
    """`what`: path or ref; `why`: one word or few; `remedy`: the command that would let it go, or empty."""

    what: str
    run: int
    why: str
    remedy: str


class Cleared(NamedTuple):
    """What went, by path or name; bytes; what stays of runs that are over. `trouble`: why git could not be asked."""

    worktrees: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    refs: tuple[str, ...] = ()
    freed: int = 0
    kept: tuple[KeptLine, ...] = ()
    trouble: str = ""


def clear(
    database: Database,
    environ: Mapping[str, str],
    *,
    dry_run: bool = False,
    purged: int | None = None,
    held: bool = False,
    between: Callable[[], None] | None = None,
) -> Cleared:
    """Takes away what nothing needs. `purged`: only of the run of that number, all of which is to go; `held`: its lock
    is ours. `between` is called between any two effects. StoreError."""
    root = database.layout.root
    try:
        repository = Repository.open(root, home=database.layout.directory, environ=environ)
    except WorkspaceError:
        return Cleared()
    except (GitError, OSError) as error:
        return Cleared(trouble=str(error))
    clearing = _Clearing(database, Collecting(repository, home=database.layout.directory), repository, between)
    try:
        return clearing.all(dry_run=dry_run, purged=purged, held=held)
    except (GitError, OSError, WorkspaceError) as error:
        return clearing.told(str(error))


def database_of_traces(root: str, environ: Mapping[str, str]) -> Database | None:
    """An empty one for a project that has none any more, where its repository still knows of runs: somebody has deleted
    `.teamflow`. None: there is nothing of that kind. StoreError."""
    with TemporaryDirectory() as home:
        try:
            repository = Repository.open(root, home=home, environ=environ)
            work = f"{os.path.realpath(Layout(root).directory)}/work/"
            here = any(row.path.startswith(work) for row in registrations(repository.common))
            if not here and not repository.refs(git.KEPT):
                return None
        except (GitError, OSError, WorkspaceError):
            return None
    return Database.open(root, allow_network=environ.get("TEAMFLOW_ALLOW_NETWORK_FS") == "1")


class _Clearing:
    def __init__(
        self,
        database: Database,
        collecting: Collecting,
        repository: Repository,
        between: Callable[[], None] | None,
    ) -> None:
        self._database = database
        self._collecting = collecting
        self._repository = repository
        self._between = between or (lambda: None)
        self._worktrees: list[str] = []
        self._branches: list[str] = []
        self._refs: list[str] = []
        self._kept: list[Kept] = []
        self._freed = 0
        self._runs: dict[str, RunFacts] = {}

    def all(self, *, dry_run: bool, purged: int | None, held: bool) -> Cleared:
        # First what lies there, then which runs there are: a run is on record before it has a workspace.
        owners = self._collecting.owners()
        self._runs = stages(self._database, owners, purged=purged)
        wanted = [run.id for run in self._runs.values() if purged is None or run.number == purged]
        if dry_run:
            decision = decide(self._collecting.facts(self._runs, within=wanted), only=wanted)
            self._note(decision.trees, decision.refs)
            self._kept = list(decision.kept)
            return self.told("")
        for at in range(0, len(wanted), _AT_ONCE):
            self._part(wanted[at : at + _AT_ONCE], held=held)
        ended = [run.directory for run in self._runs.values() if run.id in wanted and run.stage in _ENDED]
        self._freed += self._collecting.sweep(ended)
        return self.told("")

    def _part(self, wanted: list[str], *, held: bool) -> None:
        facts = self._collecting.facts(self._runs, within=wanted)
        first = decide(facts, only=wanted)
        touched = {tree.run for tree in first.trees} | {ref.run for ref in first.refs}
        with ExitStack() as stack:
            for run in sorted(touched):
                if not held and not stack.enter_context(_alone(self._database.layout, self._runs[run])):
                    self._runs[run] = self._runs[run]._replace(stage=Stage.ALIVE)
            late = [kept for tree in first.trees for kept in self._tree(tree)]
            with self._repository.alone():
                last = decide(self._collecting.facts(self._runs, within=wanted, names=()), only=wanted)
                self._between()
                self._collecting.remove_refs(last.refs)
                self._between()
        self._note((), last.refs)
        self._kept += [kept for kept in first.kept if isinstance(kept.item, TreeFacts)]
        self._kept += late
        self._kept += [kept for kept in last.kept if isinstance(kept.item, RefFacts)]

    def _tree(self, tree: TreeFacts) -> tuple[Kept, ...]:
        """Looks at it again, and takes it away if it still may go."""
        run = self._runs[tree.run]
        with self._repository.alone():
            facts = self._collecting.facts(self._runs, within=[run.id], names=(tree.path,))
            again = decide(facts, only=[run.id])
            if not again.trees:
                return tuple(kept for kept in again.kept if isinstance(kept.item, TreeFacts))
            self._between()
            self._collecting.remove_tree(run, again.trees[0], between=self._between)
        self._note(again.trees, ())
        return ()

    def _note(self, trees: Iterable[TreeFacts], refs: Iterable[RefFacts]) -> None:
        for tree in trees:
            self._worktrees += [tree.path] if tree.lie is not Lie.RECORD else []
            self._worktrees += [tree.aside] if tree.aside and not tree.needed else []
        for ref in refs:
            (self._branches if ref.role is Role.BRANCH else self._refs).append(ref.name)

    def told(self, trouble: str) -> Cleared:
        lines = [self._line(kept) for kept in self._kept]
        return Cleared(
            tuple(self._worktrees), tuple(self._branches), tuple(self._refs), self._freed, tuple(lines), trouble
        )

    def _line(self, kept: Kept) -> KeptLine:
        item, run = kept.item, self._runs[kept.item.run]
        what = item.path if isinstance(item, TreeFacts) else item.name.removeprefix("refs/heads/")
        if isinstance(item, TreeFacts) and kept.why is Why.ASIDE:
            what = item.aside
        return KeptLine(what, run.number, str(kept.why), self._remedy(kept, run))

    def _remedy(self, kept: Kept, run: RunFacts) -> str:
        item = kept.item
        if kept.why is Why.GOES_ON:
            return f"teamflow rm {run.number}"
        if isinstance(item, TreeFacts):
            if kept.why is Why.ASIDE:
                return f"rm -rf {quoted(item.aside)}"
            if kept.why is Why.LOCKED:
                return f"git worktree unlock {quoted(item.path)}"
            forced = kept.why in (Why.DIRTY, Why.UNMERGED)
            return f"git worktree remove --force {quoted(item.path)}" if forced else ""
        if kept.why is not Why.UNMERGED:
            return ""
        if item.role is not Role.BRANCH:
            return f"git update-ref -d {quoted(item.name)}"
        drop = f"git branch -D {quoted(item.name.removeprefix('refs/heads/'))}"
        trees = [other.item for other in self._kept if isinstance(other.item, TreeFacts)]
        drop = next(
            (f"git worktree remove --force {quoted(at.path)} && {drop}" for at in trees if at.branch == item.name), drop
        )
        step = self._step(run, item.slug)
        return f"teamflow merge {quoted(step)} -r {run.number}, or {drop}" if step else drop

    def _step(self, run: RunFacts, slug: str) -> str:
        """Id of the step of that name, of a run that is on record."""
        row = self._database.run(run.number)
        if row is None or row.id != run.id:
            return ""
        return next((step for step in steps_of(self._database, run.number) if part(step) == slug), "")


_ENDED: Final = frozenset({Stage.OVER, Stage.FORGOTTEN, Stage.PURGED})


@contextmanager
def _alone(layout: Layout, run: RunFacts) -> Iterator[bool]:
    """Whether nobody works on the run; while this is held, nobody begins to."""
    if not run.number or not os.path.isdir(layout.run(run.number)):
        yield not is_alive(layout, run.number)
        return
    lock = RunLock.acquire(layout, run.number, Holder())
    if isinstance(lock, Holder):
        yield False
        return
    try:
        yield not keeper_files.is_held(layout.run(run.number))
    finally:
        lock.release()
