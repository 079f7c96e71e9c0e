"""What a ripple through a living run is made of: the records that bring it about, and the lines that tell it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from teamflow.app.parts import ChangedStep
from teamflow.core.events import AttemptStopping, Event, Reopened
from teamflow.plan.diff import ADDED, REDEFINED, REMOVED, Change
from teamflow.plan.ripple import Rippled
from teamflow.policy.stale import REDEFINED as STOP_REDEFINED
from teamflow.run.executor import Executor


def consequences(executor: Executor, out: Rippled) -> Iterator[Event]:
    """The records of a ripple; what is to follow later is left with the executor."""
    if out.reopen:
        yield Reopened(tuple(out.reopen), "revision", dict(out.reopen))
    for step_id in out.stop:
        live = executor.state.steps[step_id].live
        if live is not None and live.stopping is None:
            yield AttemptStopping(step_id, live.number, STOP_REDEFINED)
    executor.followers.expect(out.ripple, out.later)


def told_of(changes: Mapping[str, Change], out: Rippled) -> tuple[ChangedStep, ...]:
    """One line per step that is touched, those that come and go first."""
    lines = []
    for step_id, change in changes.items():
        if change.kind == ADDED:
            lines.append(ChangedStep(step_id, "added", "added"))
        elif change.kind == REMOVED:
            lines.append(ChangedStep(step_id, "removed", "removed"))
    again = {**out.reopen, **out.stop, **{name: f"{why}, once it has ended" for name, why in out.later.items()}}
    lines += [ChangedStep(step_id, "again", reason) for step_id, reason in again.items()]
    for step_id, change in changes.items():
        if change.kind == REDEFINED and step_id not in again:
            lines.append(ChangedStep(step_id, "changed", change.reason))
    return tuple(lines)
