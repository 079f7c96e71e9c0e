"""A run whose every step comes from the cache: recorded at once, with the fold and `decide`, without a loop."""

from __future__ import annotations

import os

from teamflow.app import fresh
from teamflow.app.parts import Screen, Wired
from teamflow.app.session import Session
from teamflow.core.codec import dump_event, event_kind
from teamflow.core.events import Cached, Event, Record, RunEnded, RunnerStarted
from teamflow.core.fold import apply
from teamflow.policy.decide import decide
from teamflow.run.clock import SystemClock
from teamflow.run.probe import Prober
from teamflow.store.rows import Row
from teamflow.store.sqlite import Database


def finish(
    database: Database,
    session: Session,
    wired: Wired,
    screen: Screen,
    cached: Cached,
    *,
    parallel: int,
    prober: Prober,
    certificate: str | None,
) -> RunEnded:
    """Ends a new run for which `cached` covers every step. `certificate`: where to say so for the next time."""
    state, clock = session.state, SystemClock()
    now = clock.now()
    records: list[Record] = []

    def record(event: Event) -> None:
        records.append(Record(state.seq + 1, now.wall, now.mono, event))
        apply(state, records[-1])

    record(RunnerStarted(now.boot, os.getpid(), parallel))
    record(cached)
    for event in decide(state, (), now, run=wired.run).events:
        record(event)
    ended = state.ended
    assert ended is not None, "every step came from the cache, and the run has not ended"
    rows: list[Row] = [
        (each.seq, each.at, each.mono, event_kind(each.event), dump_event(each.event)) for each in records
    ]
    database.append(session.row.number, rows)
    prober.close()
    witness = prober.witness() if certificate is not None else None
    if certificate is not None and witness is not None:
        fresh.write(
            certificate,
            root=wired.root,
            plan=session.plan,
            stored=database.plan_digest(session.row.number, 1),
            inputs_digest=session.row.inputs_digest,
            inputs=session.row.inputs,
            rows=rows,
            witness=witness,
            artifacts=[artifact.path for hit in cached.hits.values() for artifact in hit.artifacts],
            began=int(session.row.created * 1e9),
        )
    # Not `begin`: a screen that follows a run needs a loop for that, and this run is over.
    screen.records(records, state)
    screen.end(state, ended)
    return ended
