"""Cancelling steps or a run when no runner lives: a session of its own, in which nothing starts.

Steps that run go on living with their keeper, except those that are cancelled, which it is told to stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from teamflow.app.act import Told
from teamflow.app.inspect import Inspected, now
from teamflow.app.parts import Wired, make_prober
from teamflow.app.secrets import read_secrets
from teamflow.app.session import Session, read_state
from teamflow.app.wiring import Cancel, run_to_end
from teamflow.core.events import Record, RunEnded
from teamflow.core.redact import Redactor
from teamflow.core.state import RunState
from teamflow.policy.requests import Asker, cancel_args, granted
from teamflow.store.lock import RunLock


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


def cancel_alone(
    inspected: Inspected, lock: RunLock, steps: tuple[str, ...] | None, *, by: str, environ: Mapping[str, str]
) -> Told:
    """Cancels steps (None: the run) with the run's lock; whether that was done, and what to say."""
    database, row = inspected.database, inspected.row
    state, plans = read_state(database, row.number)
    found = granted(state, "cancel", cancel_args(steps), Asker(by, row.number, now()))
    if isinstance(found, str):
        return False, found
    session = Session(row, lock, state, plans, plans[max(plans)], resumed=True)
    wired = Wired(
        root=database.layout.root,
        number=row.number,
        run=session.run,
        environ=environ,
        secrets={},
        env_file_values={},
        redactor=Redactor(read_secrets(database.layout.run(row.number))),
        use_cache=False,
        force=frozenset(),
    )
    screen = NoScreen()
    prober = make_prober(state, wired, screen)
    asyncio.run(run_to_end(database, session, wired, screen, prober, parallel=0, cancel=Cancel(steps, by)))
    what = f"run {row.number}" if steps is None else ", ".join(steps)
    return True, f"cancelled {what}"
