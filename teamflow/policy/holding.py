"""What follows when somebody holds a step back, lets it go on, or wants it started anew.

Pure. Pausing ends what runs and keeps session and workspace; freezing halts it where it is. A paused step stays paused
over a new definition and a new runner, until it is resumed, retried or relaunched.
"""

from __future__ import annotations

from typing import Final

from teamflow.core.attempts import AttemptState
from teamflow.core.events import AttemptStopping, Event, Reopened, StepFrozen, StepThawed, StepWaiting
from teamflow.core.state import Pause, RunState, StepState
from teamflow.core.status import Status

PAUSE: Final = "pause"
RELAUNCH: Final = "relaunch"
"""Why a running attempt is stopped."""


def held_back(known: StepState, pause: Pause) -> StepWaiting:
    """Of a step of which nothing runs."""
    return StepWaiting(known.step.id, "pause", "user", f"paused by {pause.by}")


def halted(known: StepState, live: AttemptState) -> Event | None:
    """Of an attempt that runs, or is frozen, and that nobody stops otherwise."""
    step_id, pause = known.step.id, known.pause
    if known.relaunch is not None:
        return AttemptStopping(step_id, live.number, RELAUNCH)
    if pause is None:
        return StepThawed(step_id, live.number) if known.frozen else None
    if not pause.freeze:
        return AttemptStopping(step_id, live.number, PAUSE)
    return None if known.frozen else StepFrozen(step_id, live.number, f"frozen by {pause.by}")


def let_go(known: StepState) -> Reopened | None:
    """Of a step that waited because it was paused."""
    if known.waiting_on != "pause" or known.waiting_by != "user" or known.pause is not None:
        return None
    return Reopened((known.step.id,), "resume", {known.step.id: "resumed"})


def relaunched(state: RunState, known: StepState, reason: str) -> Reopened:
    """Of a step of which nothing runs any more; what was skipped because of it comes along."""
    step_id = known.step.id
    reasons = {step_id: reason, **skipped_because(state, [step_id])}
    return Reopened(tuple(reasons), "relaunch", reasons, by=step_id)


def skipped_because(state: RunState, step_ids: list[str]) -> dict[str, str]:
    """Steps that were skipped because of these, directly or not, with the reason why they are opened again."""
    again = set(step_ids)
    found: dict[str, str] = {}
    for step in state.plan.steps:
        known = state.steps.get(step.id)
        if known is None or known.status is not Status.SKIPPED or known.own_skip:
            continue
        because = next((edge.on for edge in step.edges if edge.on in again), None)
        if because is not None:
            again.add(step.id)
            found[step.id] = f"{because} runs again"
    return found
