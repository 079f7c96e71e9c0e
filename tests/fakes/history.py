"""What must not be in the log of any run, whoever steered it and whatever crashed: a checker over records alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from teamflow.core.events import (
    AttemptEnded,
    AttemptStarted,
    MessageDelivered,
    Record,
    Reopened,
    RunEnded,
    StepEnded,
    StepFrozen,
    StepThawed,
)
from teamflow.core.requested import (
    MessageSent,
    PauseRequested,
    RelaunchRequested,
    ResumeRequested,
    RunPaused,
    RunResumed,
)


def wrongs(records: Sequence[Record]) -> Iterator[str]:
    """What must not be in any log."""
    paused: dict[str, str] = {}
    run_paused = False
    running: dict[str, int] = {}
    ended: dict[str, str] = {}
    frozen: set[str] = set()
    unheard: dict[str, int] = {}
    for record in records:
        match record.event:
            case PauseRequested(steps=steps, by=by):
                paused.update(dict.fromkeys(steps, by))
            case ResumeRequested(steps=steps):
                for step in steps:
                    paused.pop(step, None)
            case RelaunchRequested(step=step):
                paused.pop(step, None)
            case RunPaused():
                run_paused = True
            case RunResumed():
                run_paused = False
            case Reopened(steps=steps, cause=cause):
                for step in steps:
                    if step in running:
                        yield f"{step} is opened again while it runs"
                    if ended.pop(step, "") == "cancelled" and cause not in ("retry", "relaunch", "revision", "rework"):
                        yield f"{step} was cancelled, and came back by {cause}"
                    if cause in ("retry", "relaunch"):
                        paused.pop(step, None)
                    if cause in ("revision", "relaunch"):
                        unheard.pop(step, None)
            case AttemptStarted(step=step, attempt=attempt):
                if step in running or step in ended:
                    yield f"{step} starts although it {'runs' if step in running else 'has ended'}"
                if step in paused or run_paused:
                    yield f"{step} starts although it is paused"
                running[step] = attempt
                unheard.pop(step, None)
            case AttemptEnded(step=step, attempt=attempt, outcome=outcome):
                if running.pop(step, None) != attempt:
                    yield f"{step}: attempt {attempt} ends twice, or never began"
                frozen.discard(step)
                del outcome
            case StepFrozen(step=step):
                frozen.add(step)
                if step not in running:
                    yield f"{step} is frozen, and does not run"
            case StepThawed(step=step):
                if step not in frozen:
                    yield f"{step} goes on, and was not frozen"
                frozen.discard(step)
            case MessageDelivered(step=step):
                unheard.pop(step, None)
            case MessageSent(steps=steps):
                for step in steps:
                    unheard[step] = unheard.get(step, 0) + 1
            case StepEnded(step=step, status=status):
                if step in running:
                    yield f"{step} has ended, and still runs"
                if step in ended:
                    yield f"{step} ends twice"
                if status == "succeeded" and unheard.get(step):
                    yield f"{step} has succeeded, and not heard what it was told"
                ended[step] = status
                paused.pop(step, None)
                unheard.pop(step, None)
            case RunEnded(status="succeeded" | "failed" | "cancelled"):
                run_paused = False
            case _:
                pass
