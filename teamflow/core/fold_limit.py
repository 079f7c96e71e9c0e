"""The fold's rules for engines that are out of reach, and for the steps that wait for that to end.

Used by `core/fold.py` only. What follows is decided in `policy/quota.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from teamflow.core.attempts import AttemptState
from teamflow.core.events import Record
from teamflow.core.fold_budget import BUDGET, go_on
from teamflow.core.limited import EngineLimited, LimitLifted, met_again
from teamflow.core.plan import Step
from teamflow.core.state import RunState, StepState
from teamflow.core.status import Status

ENGINE: Final = "engine"
"""Who lets a step go on that waits for an engine."""


def engine_limited(state: RunState, record: Record, event: EngineLimited) -> list[str]:
    step = state.steps.get(event.step)
    began = step.attempts[event.attempt - 1].began if step is not None and event.attempt is not None else 0
    known = state.limited.get(event.engine)
    state.limited[event.engine] = met_again(known, event, at=record.at, seq=record.seq, began=began)
    return [] if step is None else [event.step]


def limit_lifted(state: RunState, record: Record, event: LimitLifted) -> list[str]:
    state.limited.pop(event.engine, None)
    state.lifted[event.engine] = record.at
    return go_on(state)


def answered(state: RunState, step: Step, attempt: AttemptState) -> None:
    """An engine has done its work. One that was at it already when its limit was met does not show that it is over."""
    if not state.limited:
        return
    name = step.account_of(attempt.engine)
    limit = state.limited.get(name)
    if limit is not None and attempt.began > limit.met:
        del state.limited[name]


def still_limited(steps: Iterable[StepState]) -> set[str]:
    """The ids of those that wait for an engine, or for money."""
    waiting = (known for known in steps if known.status is Status.WAITING)
    return {known.step.id for known in waiting if known.waiting_by in (ENGINE, BUDGET)}
