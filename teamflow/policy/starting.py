"""Which step starts next, and with which engine. Pure: reads the queues, slots and limits that the state has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from teamflow.core.events import AttemptStarted, Now, QuestionAsked, RunnerStarted
from teamflow.core.named import NamedTuple
from teamflow.core.plan import NO_CAPS, Caps
from teamflow.core.ready import ReadyQueue
from teamflow.core.state import RunState, StepState
from teamflow.policy import budget
from teamflow.policy.quota import Reach, preferred, reach

_OWN: Final = Reach(None, 0.0)


class _Found(NamedTuple):
    """The head of a queue that may start."""

    head: tuple[int, int, str]
    fallback: int | None
    may_spend: Caps | None


def next_start(
    state: RunState,
    runner: RunnerStarted,
    now: Now,
    caps: Sequence[budget.Line],
    asked: Sequence[budget.Line],
) -> AttemptStarted | QuestionAsked | None:
    """Of the heads of all queues the one with the longest remaining path, if its engine has a slot and is in reach, and
    there is money for it. `caps`: what it may spend of; `asked`: those and what else it may use up only if somebody
    allows it: the question, then."""
    if len(state.running) >= runner.max_parallel:
        return None
    best: _Found | None = None
    for engines, queue in state.ready.items():
        head = queue.head()
        if head is None or (best is not None and head >= best.head):
            continue
        found = reach(state, engines, now) if state.limited else _OWN
        if found.seconds:
            continue
        for entry in (head,) if not caps else _in_turn(queue, caps):
            known = state.steps[entry[2]]
            fallback = preferred(state, known, found.fallback, now) if len(engines) > 1 else None
            engine = known.step.engines[fallback or 0]
            limit = state.plan.limits.engines.get(engine)
            if limit is not None and state.running_by_engine.get(engine, 0) >= limit:
                continue
            may_spend = budget.grant(state, runner, known, caps)
            if not isinstance(may_spend, str):
                best = _Found(entry, fallback, may_spend) if best is None or entry < best.head else best
                break
    if best is None:
        return None
    known = state.steps[best.head[2]]
    question = budget.question(state, runner, known, asked) if asked else None
    return question or _start(known, best.fallback, best.may_spend or NO_CAPS)


def _in_turn(queue: ReadyQueue, caps: Sequence[budget.Line]) -> Sequence[tuple[int, int, str]]:
    """Those of a queue that may start now: its head, and others where nothing that runs gives back what it lacks."""
    head = queue.head()
    return ([] if head is None else [head]) if any(line.held for line in caps) else queue.in_turn()


def _start(known: StepState, fallback: int | None, may_spend: Caps) -> AttemptStarted:
    continues = known.next_continues
    if continues is not None and known.attempts[continues - 1].engine != known.step.engines[fallback or 0]:
        # Another engine knows nothing of that session.
        continues = None
    reason = known.reason if known.next_cause != "first" else ""
    number = len(known.attempts) + 1
    return AttemptStarted(known.step.id, number, known.next_cause, continues, reason, fallback, *may_spend)
