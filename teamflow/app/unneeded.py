"""Worktrees, branches and hidden refs that no run needs: whose they are by the store, and their removal under locks.

Decides how far a run is. What may go then is `policy/collecting`; this sees to it that nobody goes on with a run while
something of it is taken away, and that each worktree is looked at again right before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

from teamflow.app.session import read_state
from teamflow.core.named import NamedTuple
from teamflow.core.shell import quoted
from teamflow.core.status import Status
from teamflow.policy.collecting import Kept, RefFacts, Role, RunFacts, Stage, TreeFacts, Why, decide
from teamflow.store.layout import Layout
from teamflow.store.lock import Holder, RunLock, holder_of
from teamflow.store.place import unwritable
from teamflow.store.rows import RunRow
from teamflow.store.sqlite import Database
from teamflow.targets import keeper_files
from teamflow.workspaces.collecting import Collecting, Owners, directory_of, number_in
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.naming import part
from teamflow.workspaces.process import GitError
from teamflow.workspaces.repository import Repository

NOTE: Final = "forgotten.json"
"""In the directory of a run that is forgotten: what has to be known of it to take away its workspaces."""
_GOES_ON: Final = frozenset({"created", "running", "interrupted", "limited", "waiting"})
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


class Note(NamedTuple):
    id: str
    done: frozenset[str]


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
        self._worktrees += [tree.path for tree in trees]
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
        return KeptLine(what, run.number, str(kept.why), self._remedy(kept, run))

    def _remedy(self, kept: Kept, run: RunFacts) -> str:
        item = kept.item
        if kept.why is Why.GOES_ON:
            return f"teamflow rm {run.number}"
        if isinstance(item, TreeFacts):
            if kept.why is Why.LOCKED:
                return f"git worktree unlock {quoted(item.path)}"
            forced = kept.why in (Why.DIRTY, Why.UNMERGED)
            return f"git worktree remove --force {quoted(item.path)}" if forced else ""
        if kept.why is not Why.UNMERGED:
            return ""
        if item.role is not Role.BRANCH:
            return f"git update-ref -d {quoted(item.name)}"
        drop = f"git branch -D {quoted(item.name.removeprefix('refs/heads/'))}"
        step = self._step(run, item.slug)
        return f"teamflow merge {quoted(step)} -r {run.number}, or {drop}" if step else drop

    def _step(self, run: RunFacts, slug: str) -> str:
        """Id of the step of that name, of a run that is on record."""
        row = self._database.run(run.number)
        if row is None or row.id != run.id:
            return ""
        state, _ = read_state(self._database, run.number)
        return next((step for step in state.steps if part(step) == slug), "")


_ENDED: Final = frozenset({Stage.OVER, Stage.FORGOTTEN, Stage.PURGED})


def stages(database: Database, owners: Owners, *, purged: int | None) -> dict[str, RunFacts]:
    """By id, the runs of this project and of others that have something here. `purged`: this one is to go wholly."""
    layout = database.layout
    rows = database.runs()
    known = {row.id: row for row in rows}
    newest: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row.file, row.inputs_digest)
        newest[key] = max(newest.get(key, 0), row.number)
    found: dict[str, RunFacts] = {}
    for row in rows:
        directory = directory_of(row.number, row.id)
        if directory in owners.directories or row.id in owners.marks:
            goes_on = row.status in _GOES_ON
            goes_on |= row.status != "succeeded" and newest[row.file, row.inputs_digest] == row.number
            stage = Stage.OPEN if goes_on else Stage.OVER
            if is_alive(layout, row.number):
                stage = Stage.ALIVE
            found[row.id] = RunFacts(row.id, row.number, stage, directory)
    for run in _forgotten(layout, owners, known=known, taken={run.directory for run in found.values()}):
        stage = run.stage
        if stage is Stage.FORGOTTEN:
            marked = run.number == purged or os.path.exists(f"{layout.run(run.number)}/purged")
            stage = Stage.PURGED if marked else stage
            stage = Stage.ALIVE if not marked and is_alive(layout, run.number) and not _taken(known, run) else stage
        found[run.id] = run._replace(stage=stage)
    return found


def _taken(known: Mapping[str, RunRow], run: RunFacts) -> bool:
    """Whether another run that is on record has the number now."""
    return any(row.number == run.number for row in known.values())


def _forgotten(
    layout: Layout, owners: Owners, *, known: Mapping[str, RunRow], taken: Collection[str]
) -> Iterator[RunFacts]:
    """Runs that are not on record: forgotten ones of this project, and those of others."""
    directories = {name: number for name in owners.directories if (number := number_in(name)) is not None}
    notes = {note.id: (number, note) for number in _numbers(layout.runs) if (note := read_note(layout, number))}
    elsewhere = _elsewhere(owners)
    numbers = {row.id: row.number for row in known.values()}
    named = set(taken)
    for run in sorted(set(owners.marks) - set(known)):
        number, note = notes.get(run, (0, Note(run, frozenset())))
        mine = next((name for name in directories if name == directory_of(directories[name], run)), "")
        number = number or directories.get(mine, 0)
        named.add(mine)
        strange = run in elsewhere or (not number and owners.blind)
        stage = Stage.STRANGE if strange else Stage.FORGOTTEN
        number = elsewhere.get(run, number)
        if not number and not strange:
            number = _guess(run, owners, others={**numbers, **elsewhere})
        yield RunFacts(run, number, stage, directory_of(number, run), note.done)
    for name, number in directories.items():
        if name not in named:
            by_note = next((note for _, note in notes.values() if directory_of(number, note.id) == name), None)
            yield RunFacts(by_note.id if by_note else name, number, Stage.FORGOTTEN, name)


def _guess(run: str, owners: Owners, *, others: Mapping[str, int]) -> int:
    """The number of a run of which only refs are left, by the branches that are marked as its; 0: not clear."""
    taken = {(number, tail) for other, number in others.items() for tail in owners.marks.get(other, ())}
    found = {number for number, tail in owners.branches - taken if tail in owners.marks[run]}
    return found.pop() if len(found) == 1 else 0


def _elsewhere(owners: Owners) -> dict[str, int]:
    """Id → number of the runs of other projects in this repository."""
    found: dict[str, int] = {}
    for root in owners.roots:
        database = Database.find(root, allow_network=True)
        if database is not None:
            with database:
                found |= {row.id: row.number for row in database.runs()}
    return found


def _numbers(directory: str) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(directory) if name.isascii() and name.isdigit())
    except OSError:
        return []


def is_alive(layout: Layout, run: int) -> bool:
    """Whether somebody drives the run, or its steps still run."""
    return holder_of(layout, run) is not None or keeper_files.is_held(layout.run(run))


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


def write_note(database: Database, number: int) -> None:
    """What has to be known of a run once its records are gone. StoreError."""
    row = database.run(number)
    if row is None:
        return
    state, _ = read_state(database, number)
    done = sorted(part(step) for step, known in state.steps.items() if known.status is Status.SUCCEEDED)
    path = f"{database.layout.run(number)}/{NOTE}"
    try:
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump({"id": row.id, "done": done}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{path}.new", path)
    except OSError as error:
        raise unwritable(path, error) from error


def read_note(layout: Layout, number: int) -> Note | None:
    """None: there is none, or it is damaged."""
    try:
        with open(f"{layout.run(number)}/{NOTE}", encoding="utf-8") as file:
            given = json.load(file)
        return Note(str(given["id"]), frozenset(map(str, given["done"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None
