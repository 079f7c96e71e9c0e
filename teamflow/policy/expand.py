"""Which instances a step stands for whose matrix only results can tell: `StepsAdded`, or why there are none.

Pure. Ids are made as for a matrix that is known when planning (`plan/instances.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.events import Event, StepEnded, StepsAdded
from teamflow.core.outcome import FailureClass
from teamflow.core.plan import Expansion, Json
from teamflow.core.state import RunState, Status, StepState
from teamflow.policy.asking import allowed, may_go_on
from teamflow.policy.context import step_context


def expanded(state: RunState, known: StepState, expansion: Expansion, *, run: Mapping[str, Json]) -> Event | None:
    """What follows for a step that is to be expanded; None while what it needs is not there."""
    if expansion.pairs_with is not None:
        return _paired(state, known, expansion.pairs_with)
    if known.status is not Status.QUEUED:
        return None
    from teamflow.plan.instances import Instance, expand_axes

    problems: list[str] = []

    def complain(code: str, message: str, hint: str | None) -> None:
        problems.append(message)

    context = step_context(state, known.step, run=run)
    found: tuple[Instance, ...] = expand_axes(dict(expansion.axes), context, complain)
    if problems:
        return StepEnded(known.step.id, "failed", problems[0], failure=FailureClass.OUTPUT)
    agent = known.step.agent
    return _within_limits(state, known, {f"{agent}/{instance.name}": dict(instance.matrix) for instance in found})


def _paired(state: RunState, known: StepState, partner: str) -> Event | None:
    added = state.added.get(partner)
    if added is None or state.steps[partner].status is not Status.SUCCEEDED:
        return None
    agent = known.step.agent
    instances = {f"{agent}/{name.partition('/')[2]}": dict(values) for name, values in added.instances.items()}
    return _within_limits(state, known, instances)


def _within_limits(state: RunState, known: StepState, instances: Mapping[str, Mapping[str, Json]]) -> Event:
    """Over `limits.max_steps` a person is asked; nothing is ever cut."""
    step_id = known.step.id
    limit = state.plan.limits.max_steps
    others = sum(len(added.instances) for parent, added in state.added.items() if parent != step_id)
    if limit is None or others + len(instances) <= limit or allowed(state, known, about="budget"):
        return StepsAdded(step_id, instances)
    more = f" to the {others} that it has added" if others else ""
    text = f"{step_id} would add {len(instances)} steps{more}, and limits.max_steps is {limit}. Add them?"
    return may_go_on(step_id, text, about="budget")
