"""Crashes on purpose, for tests: `TEAMFLOW_FAILPOINT=N` ends the runner by SIGKILL at the Nth boundary it passes.

A boundary is a moment between two effects: before and after each run, directory and record that is written, each plan,
commit, cache entry, start, stop, journal entry and publication. A sweep over N until a run ends by itself visits them
all. Without the variable nothing is wrapped.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

from teamflow.core.events import Record
from teamflow.core.outcome import Artifact, Failed, Succeeded
from teamflow.core.plan import Step
from teamflow.core.state import StepState
from teamflow.ports import Exited, Input, Start, Started, Target, TargetEvents
from teamflow.run.brief import Rendering
from teamflow.run.roles import Results
from teamflow.store.rows import NewRun, Row, RunRow
from teamflow.store.sqlite import Database
from teamflow.store.writer import Writer

VARIABLE = "TEAMFLOW_FAILPOINT"


class Failpoint:
    """Counts boundaries, in all threads together; the last one does not return."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, effect: Callable[[int], None]) -> Callable[[int], None]:
        """`effect` between two boundaries."""

        def crossed(value: int) -> None:
            self()
            effect(value)
            self()

        return crossed


def failpoint(environ: Mapping[str, str]) -> Failpoint | None:
    word = environ.get(VARIABLE, "")
    return _failpoint(int(word)) if word.isdigit() and int(word) > 0 else None


@cache
def _failpoint(number: int) -> Failpoint:
    """One per process: whoever asks counts on."""
    return Failpoint(number)


def boundaries(environ: Mapping[str, str]) -> Callable[[], None]:
    """To be called between effects: ends the process at the Nth call if the variable asks for it."""
    return failpoint(environ) or (lambda: None)


class CrashingDatabase(Database):
    """A database with boundaries around what makes a run, and around appends without a writer."""

    def __init__(self, database: Database, boundary: Failpoint) -> None:
        super().__init__(database.layout, database._connection)
        self._boundary = boundary

    def create_run(self, new: NewRun) -> RunRow:
        self._boundary()
        return super().create_run(new)

    def make_directories(self, run: int) -> None:
        self._boundary()
        super().make_directories(run)
        self._boundary()

    def append(self, run: int, rows: Sequence[Row], *, plans: Iterable[tuple[int, bytes]] = ()) -> None:
        self._boundary()
        super().append(run, rows, plans=plans)
        self._boundary()


def crashing(database: Database, environ: Mapping[str, str]) -> Database:
    """The database, with boundaries if the variable asks for them."""
    boundary = failpoint(environ)
    return database if boundary is None else CrashingDatabase(database, boundary)


class CrashingResults:
    """What is kept of a success, with boundaries around it."""

    def __init__(self, results: Results, boundary: Failpoint) -> None:
        self._results = results
        self._boundary = boundary

    def artifacts(self, step: Step, rendering: Rendering, *, root: str) -> tuple[Artifact, ...] | Failed:
        self._boundary()
        return self._results.artifacts(step, rendering, root=root)

    def keep(self, known: StepState, attempt: int, outcome: Succeeded) -> tuple[str | None, str]:
        self._boundary()
        kept = self._results.keep(known, attempt, outcome)
        self._boundary()
        return kept

    def tree(self, step: Step, attempt: int) -> str:
        self._boundary()
        return self._results.tree(step, attempt)


class CrashingStore:
    """A store with boundaries around its appends."""

    def __init__(self, store: Writer, boundary: Failpoint) -> None:
        self._store = store
        self._boundary = boundary

    def put_plan(self, revision: int, data: bytes) -> None:
        self._boundary()
        self._store.put_plan(revision, data)
        self._boundary()

    def append(self, records: Iterable[Record]) -> None:
        self._boundary()
        self._store.append(records)
        self._boundary()

    async def flush(self) -> None:
        self._boundary()
        await self._store.flush()
        self._boundary()


class CrashingTarget:
    """A target with boundaries around what it is told and what it tells."""

    def __init__(self, target: Target, boundary: Failpoint) -> None:
        self._target = target
        self._boundary = boundary

    async def open(self, events: TargetEvents, *, after: int) -> None:
        self._boundary()
        await self._target.open(CrashingEvents(events, self._boundary), after=after)
        self._boundary()

    def environment(self, name: str, variables: Mapping[str, str]) -> None:
        self._target.environment(name, variables)

    def start(self, request: Start) -> None:
        self._boundary()
        self._target.start(request)
        self._boundary()

    def stop(self, step: str, attempt: int, *, grace: float, cause: str, soft: float = 0.0) -> None:
        self._boundary()
        self._target.stop(step, attempt, grace=grace, cause=cause, soft=soft)
        self._boundary()

    def freeze(self, step: str, attempt: int, *, on: bool) -> None:
        self._boundary()
        self._target.freeze(step, attempt, on=on)
        self._boundary()

    def hold(self, step: str, attempt: int, *, on: bool) -> None:
        self._boundary()
        self._target.hold(step, attempt, on=on)
        self._boundary()

    def send(self, step: str, attempt: int, given: Input) -> None:
        self._boundary()
        self._target.send(step, attempt, given)
        self._boundary()

    async def close(self) -> None:
        self._boundary()
        await self._target.close()
        self._boundary()


class CrashingEvents:
    """The callbacks of a target, with a boundary before and after each."""

    def __init__(self, events: TargetEvents, boundary: Failpoint) -> None:
        self._events = events
        self._boundary = boundary

    def journal(self, entries: Sequence[Started | Exited]) -> None:
        for entry in entries:
            self._boundary()
            self._events.journal((entry,))
            self._boundary()

    def disk_trouble(self, message: str | None) -> None:
        self._events.disk_trouble(message)

    def keeper_lost(self, reason: str) -> None:
        self._boundary()
        self._events.keeper_lost(reason)


def guarded(
    boundary: Failpoint | None, store: Writer, target: Target, results: Results
) -> tuple[Writer | CrashingStore, Target, Results]:
    """The three as they are, or with boundaries around each."""
    if boundary is None:
        return store, target, results
    return CrashingStore(store, boundary), CrashingTarget(target, boundary), CrashingResults(results, boundary)
