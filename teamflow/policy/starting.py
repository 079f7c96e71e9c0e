"""Which step starts next, and with which engine. Pure: reads the queues, slots and limits that the state has."""

from __future__ import annotations

from teamflow.core.events import AttemptStarted, Now, RunnerStarted
from teamflow.core.state import RunState, StepState
from teamflow.policy.quota import Reach, reach

_OWN = Reach(None, 0.0)


def next_start(state: RunState, runner: RunnerStarted, now: Now) -> AttemptStarted | None:
    """Of the heads of all queues the one with the longest remaining path, if its engine has a slot and is in reach."""
    if len(state.running) >= runner.max_parallel:
        return None
    best: tuple[tuple[int, int, str], int | None] | None = None
    for engines, queue in state.ready.items():
        head = queue.head()
        if head is None or (best is not None and head >= best[0]):
            continue
        found = reach(state, engines, now) if state.limited else _OWN
        engine = engines[found.fallback or 0]
        limit = state.plan.limits.engines.get(engine)
        if not found.seconds and (limit is None or state.running_by_engine.get(engine, 0) < limit):
            best = (head, found.fallback)
    return None if best is None else _start(state.steps[best[0][2]], best[1])


def _start(known: StepState, fallback: int | None) -> AttemptStarted:
    continues = known.next_continues
    if continues is not None and known.attempts[continues - 1].engine != known.step.engines[fallback or 0]:
        # Another engine knows nothing of that session.
        continues = None
    reason = known.reason if known.next_cause != "first" else ""
    return AttemptStarted(known.step.id, len(known.attempts) + 1, known.next_cause, continues, reason, fallback)
