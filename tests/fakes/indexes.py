"""What the indexes of a state must be, worked out from its steps alone: the slow truth that the fold keeps up with."""

from __future__ import annotations

from collections import Counter

from teamflow.core.fold_budget import BUDGET
from teamflow.core.fold_limit import ENGINE
from teamflow.core.plan import ASK
from teamflow.core.state import RunState, StepState
from teamflow.core.status import ENDED, Status


def as_kept(state: RunState) -> dict[str, object]:
    """The indexes as the fold has them."""
    queues = [*state.ready.values(), state.asks]
    return {
        "held": state.held,
        "frozen": state.frozen,
        "on limit": state.on_limit,
        "running": state.running,
        "by engine": {engine: count for engine, count in state.running_by_engine.items() if count},
        "open": state.open,
        "ready": {step_id for step_id in state.steps for queue in queues if step_id in queue},
        "failures": sorted(state.failures),
        "at work": state.active_since is not None,
    }


def as_they_are(state: RunState) -> dict[str, object]:
    """The same, from the steps."""
    steps = state.steps
    running = {name for name, known in steps.items() if known.live is not None and known.step.kind != ASK}
    frozen = {name for name, known in steps.items() if known.frozen}
    engines = Counter(known.live.engine for name, known in steps.items() if known.live and name in running)
    turns = {
        name
        for name, known in steps.items()
        if known.status is Status.QUEUED and known.admitted and known.backoff is None and known.step.expansion is None
    }
    return {
        "held": {name for name, known in steps.items() if known.pause is not None},
        "frozen": frozen,
        "on limit": {
            n for n, known in steps.items() if known.status is Status.WAITING and known.waiting_by in (ENGINE, BUDGET)
        },
        "running": running,
        "by engine": dict(engines),
        "open": {name for name, known in steps.items() if known.status not in ENDED},
        "ready": turns,
        "failures": sorted(name for name, known in steps.items() if known.status is Status.FAILED),
        "at work": len(running) > len(frozen),
    }


def _on_limit(known: StepState) -> bool:
    return known.status is Status.WAITING and known.waiting_by in (ENGINE, BUDGET)
