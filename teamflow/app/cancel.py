"""`cancel` when no runner lives: takes the run's lock for a moment and does it itself.

Steps that run go on living with their keeper, except those that are cancelled, which it is told to stop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from teamflow.app.parts import Wired, make_prober
from teamflow.app.secrets import read_secrets
from teamflow.app.session import Session, read_state
from teamflow.app.wiring import Cancel, run_to_end
from teamflow.core.events import Record, RunEnded
from teamflow.core.state import RunState
from teamflow.store.lock import Holder, RunLock, this_process
from teamflow.store.rows import RunRow
from teamflow.store.sqlite import Database


class NoScreen:
    """Shows nothing."""

    def begin(self, state: RunState) -> None: ...

    def records(self, records: Sequence[Record], state: RunState) -> None: ...

    def said(self, step: str, text: str) -> None: ...

    def trouble(self, message: str | None) -> None: ...

    def problems(self, compiled: object, message: str) -> None: ...

    def changed(self, steps: Sequence[object], message: str) -> None: ...

    def rest(self, state: RunState, ended: RunEnded, *, files: int) -> None: ...

    def control(self, controls: object) -> None: ...

    def leave(self) -> None: ...

    def end(self, state: RunState, ended: RunEnded) -> None: ...


def cancel_without_runner(
    database: Database, row: RunRow, steps: tuple[str, ...] | None, *, by: str, environ: Mapping[str, str]
) -> tuple[bool, str]:
    """(done, what to say). `steps` None: the whole run. A runner that comes in between is named."""
    lock = RunLock.acquire(database.layout, row.number, this_process(since=time.time()))
    if isinstance(lock, Holder):
        return False, f"run {row.number} has just been taken by {lock}: cancel again"
    try:
        return _cancel(database, row, lock, steps, by, environ)
    finally:
        lock.release()


def _cancel(
    database: Database,
    row: RunRow,
    lock: RunLock,
    steps: tuple[str, ...] | None,
    by: str,
    environ: Mapping[str, str],
) -> tuple[bool, str]:
    state, plans = read_state(database, row.number)
    problem = _problem(state, steps)
    if problem is not None:
        return False, problem
    session = Session(row, lock, state, plans, plans[max(plans)], resumed=True)
    wired = Wired(
        root=database.layout.root,
        number=row.number,
        run=session.run,
        environ=environ,
        secrets={},
        env_file_values={},
        hidden=read_secrets(database.layout.run(row.number)),
        use_cache=False,
        force=frozenset(),
    )
    screen = NoScreen()
    prober = make_prober(state, wired, screen)
    asyncio.run(run_to_end(database, session, wired, screen, prober, parallel=0, cancel=Cancel(steps, by)))
    what = f"run {row.number}" if steps is None else ", ".join(steps)
    return True, f"cancelled {what}"


def _problem(state: RunState, steps: tuple[str, ...] | None) -> str | None:
    if steps is None:
        if not state.open:
            return f"the run has ended ({state.ended.status if state.ended else 'all steps are done'})"
        return None
    for step in steps:
        known = state.steps.get(step)
        if known is None:
            return f"there is no step {step}"
        if step not in state.open:
            return f"{step} has ended ({known.status.value})"
    return None
