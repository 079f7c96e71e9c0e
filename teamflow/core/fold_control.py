"""The fold's rules for what people ask of steps: held back, frozen, let go on, started anew; and the clock of work.

Used by `core/fold.py` only. A request marks steps; the records that follow from it are decided (`policy/holding.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

from teamflow.core.attempts import AttemptState
from teamflow.core.changes import merged
from teamflow.core.events import MessageDelivered, Record, StepFrozen, StepThawed
from teamflow.core.fold_guard import talked
from teamflow.core.fold_leave import clock_work as clock_work
from teamflow.core.fold_leave import settle
from teamflow.core.requested import MessageSent, PauseRequested, RelaunchRequested, ResumeRequested
from teamflow.core.state import Message, Pause, RunState, StepState
from teamflow.core.status import IllegalTransition, Status
from teamflow.core.transitions import TRANSITIONS


def pause_requested(state: RunState, record: Record, event: PauseRequested) -> list[str]:
    for step_id in event.steps:
        if step_id in state.open:
            state.steps[step_id].pause = Pause(event.by, event.freeze)
            state.held.add(step_id)
    return list(event.steps)


def resume_requested(state: RunState, record: Record, event: ResumeRequested) -> list[str]:
    for step_id in event.steps:
        release(state, step_id)
    return list(event.steps)


def release(state: RunState, step_id: str) -> None:
    """Nobody holds it back any more."""
    if step_id in state.held:
        state.held.discard(step_id)
        state.steps[step_id].pause = None


def relaunch_marked(state: RunState, event: RelaunchRequested) -> None:
    """It is to be started anew; what was asked of it before holds no more."""
    known = state.steps[event.step]
    if known.step.expansion is not None:
        raise IllegalTransition(f"{event.step} stands for its instances")
    known.relaunch = f"relaunched by {event.by}"
    known.cancelled_by = None
    release(state, event.step)
    if event.changes:
        state.changes[event.step] = merged(state.changes.get(event.step, {}), event.changes)


def message_sent(state: RunState, record: Record, event: MessageSent) -> list[str]:
    for step_id in event.steps:
        state.steps[step_id].messages.append(Message(event.by, event.text, record.at))
    return [*event.steps, *talked(state, event)]


def message_delivered(state: RunState, record: Record, event: MessageDelivered) -> list[str]:
    known = state.steps[event.step]
    live = known.running(event.attempt)
    if not known.at_work or known.frozen or live.stopping is not None:
        raise IllegalTransition(f"{event.step} cannot be told anything now")
    known.heard = event.heard
    return []


def begin_hearing(known: StepState, attempt: AttemptState) -> None:
    """A new attempt is told all that the session that it goes on with has not heard; without one, all."""
    goes_on = attempt.continues is not None
    attempt.heard_from = known.heard if goes_on else 0
    attempt.told_from = known.heard = len(known.messages)


def step_frozen(state: RunState, record: Record, event: StepFrozen) -> list[str]:
    known = state.steps[event.step]
    if Status.WAITING not in TRANSITIONS.get((known.status, StepFrozen), ()):
        raise IllegalTransition(f"{event.step}: {known.status} cannot be frozen")
    live = known.running(event.attempt)
    live.frozen_at = record.mono
    state.frozen.add(event.step)
    settle(state, known, live, mono=record.mono)
    known.reason = event.reason
    return [event.step]


def step_thawed(state: RunState, record: Record, event: StepThawed) -> list[str]:
    known = state.steps[event.step]
    if not known.frozen:
        raise IllegalTransition(f"{event.step} is not frozen")
    live = known.running(event.attempt)
    thaw(state, known, live, mono=record.mono)
    return [event.step]


def thaw(state: RunState, known: StepState, live: AttemptState, *, mono: float) -> None:
    """The attempt goes on, or is about to be ended."""
    if live.frozen_at is None:
        return
    live.frozen_at = None
    state.frozen.discard(known.step.id)
    settle(state, known, live, mono=mono)


def still_held(steps: Iterable[StepState]) -> set[str]:
    """The ids of those that somebody holds back."""
    return {known.step.id for known in steps if known.pause is not None}
