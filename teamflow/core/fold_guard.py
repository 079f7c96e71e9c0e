"""The fold's rules for guards. Used by the fold only; what follows is decided in `policy/guards.py`."""

from __future__ import annotations

from teamflow.core.events import Record
from teamflow.core.guarding import GuardTripped
from teamflow.core.requested import MessageSent
from teamflow.core.state import RunState


def guard_tripped(state: RunState, record: Record, event: GuardTripped) -> list[str]:
    state.steps[event.step].running(event.attempt).tripped = event.reason
    return [event.step]


def talked(state: RunState, event: MessageSent) -> list[str]:
    """A step has told others something: counts how often two have done so in turn, and trips the guard of the one that
    does it once more than it may. A word of a person begins anew."""
    if event.sender not in state.steps:
        for pair in [pair for pair in state.talks if not set(pair).isdisjoint(event.steps)]:
            del state.talks[pair]
        return []
    for other in event.steps:
        if other == event.sender:
            continue
        pair = (min(event.sender, other), max(event.sender, other))
        last, count = state.talks.get(pair, ("", 0))
        state.talks[pair] = (event.sender, count + 1 if last == other else 1)
        if _too_often(state, event.sender, state.talks[pair][1]):
            live = state.steps[event.sender].live
            if live is not None:
                live.tripped = (
                    f"it and {other} have told each other something {count + 1} times in turn (guards.ping_pong)"
                )
            del state.talks[pair]
    return [event.sender]


def _too_often(state: RunState, sender: str, count: int) -> bool:
    guards = state.steps[sender].step.guards
    return guards is not None and 0 < guards.ping_pong <= count
