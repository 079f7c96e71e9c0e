"""Steps that are not what they were: the records that open them again, with what depends on them (`plan/ripple.py`).

The fold marks them when a list of instances becomes another one. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from teamflow.core.events import AttemptStopping, Event, Reopened
from teamflow.core.named import NamedTuple
from teamflow.core.state import RunState, StepState
from teamflow.core.status import Status

if TYPE_CHECKING:
    from teamflow.plan.ripple import Rippled

REDEFINED: Final = "redefined"
"""The stop of an attempt whose step has another definition now."""


class Again(NamedTuple):
    """`opens`: whether steps are opened again, so that more than these steps changes."""

    events: tuple[Event, ...]
    opens: bool
    follow: Rippled


def any_stale(state: RunState, step_ids: Iterable[str]) -> bool:
    steps = state.steps
    return any(
        step_id in steps and steps[step_id].stale is not None and _is_stale(steps[step_id]) for step_id in step_ids
    )


def _is_stale(known: StepState) -> bool:
    """What runs without an attempt is about to end; `policy/decide.py` opens it again then."""
    if known.stale is None or known.status in (Status.PENDING, Status.QUEUED):
        return False
    return not known.at_work or (known.live is not None and known.live.stopping is None)


def opened_again(state: RunState) -> Again:
    """What follows for all stale steps together."""
    # Imported here: in most runs nothing becomes stale.
    from teamflow.plan.ripple import rippled

    redefined = {step_id: known.stale or "" for step_id, known in state.steps.items() if _is_stale(known)}
    out = rippled(state, state.plan, redefined=redefined, touched={})
    events: list[Event] = [Reopened(tuple(out.reopen), "revision", dict(out.reopen))] if out.reopen else []
    later = dict(out.later)
    for step_id, reason in out.stop.items():
        live = state.steps[step_id].live
        if live is None:
            later[step_id] = reason
        elif live.stopping is None:
            events.append(AttemptStopping(step_id, live.number, REDEFINED))
    return Again(tuple(events), bool(out.reopen), out._replace(later=later))
