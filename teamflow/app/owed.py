"""What a run that has succeeded still owes its hooks: its runner was killed before they had been told.

No runner comes back to such a run, so the next run of the same file tells them first. Writes no record: the keeper's
journal says what was told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from teamflow.app.parts import Wired
from teamflow.app.session import FINISHED, read_records, read_state
from teamflow.app.wiring import calling_of, environments_of
from teamflow.core.plan import Json
from teamflow.policy.hooks import declared_calls
from teamflow.ports import Exited, Started
from teamflow.run.calling import PHASE
from teamflow.run.hooks import Hooks
from teamflow.run.place import Place
from teamflow.store.lock import Holder, RunLock, this_process
from teamflow.store.rows import RunRow
from teamflow.store.sqlite import Database
from teamflow.targets.entries import parse
from teamflow.targets.keeper_files import journal_bytes
from teamflow.targets.local import LocalTarget


class _Nobody:
    """`ports.TargetEvents`: of the steps there is nothing more to be said."""

    def journal(self, entries: Sequence[Started | Exited]) -> None:
        pass

    def keeper_lost(self, reason: str) -> None:
        pass

    def disk_trouble(self, message: str | None) -> None:
        pass


def tell_owed(database: Database, row: RunRow, wired: Wired, *, warn: Callable[[str], None]) -> None:
    """Tells the hooks of run `row`, one before that of `wired`, what they have not been told."""
    if row.status not in FINISHED:
        return
    state, plans = read_state(database, row.number)
    records = read_records(database, row.number)
    run_dir = database.layout.run(row.number)
    known = _started(journal_bytes(run_dir))
    if all((call.event, call.seq) in known for call in declared_calls(records, plans, run=row.number)):
        return
    lock = RunLock.acquire(database.layout, row.number, this_process(since=row.created))
    if isinstance(lock, Holder):
        return
    run: dict[str, Json] = {"number": row.number, "id": row.id}
    theirs = wired._replace(number=row.number, run=run)
    place = Place(wired.root, run_dir, run)

    async def tell() -> None:
        target = LocalTarget(run_dir, environ=wired.environ, orphan_after=state.plan.limits.orphan_after)
        environments = environments_of(theirs, place, target)
        hooks = Hooks(
            state,
            target,
            calling_of(state, theirs, place, environments),
            warn=warn,
            past=lambda: records,
            plans=plans,
        )
        await hooks.open(_Nobody(), after=0)
        await hooks.close()

    try:
        asyncio.run(tell())
    finally:
        lock.release()


def _started(journal: bytes) -> set[tuple[str, int]]:
    """(event, record) of the calls that a journal has entries of. A damaged line ends it."""
    found = set()
    for line in journal.splitlines():
        try:
            entry = parse(line)
            if entry["phase"] == PHASE:
                found.add((str(entry["step"]).rpartition("/")[2], int(entry["attempt"])))
        except (ValueError, KeyError):
            break
    return found
