"""Which instances a step stands for whose matrix only results can tell: `StepsAdded`, or why there are none.

Pure. Ids are made as for a matrix that is known when planning (`plan/instances.py`), and its limits hold: nothing is
ever cut. A list may be found again, and then replaces the one before; what that does to steps is up to the fold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from teamflow.core.added import own_name
from teamflow.core.events import Event, QuestionAsked, Reopened, StepEnded, StepsAdded
from teamflow.core.ids import slug
from teamflow.core.outcome import FailureClass
from teamflow.core.plan import Expansion, Json, Plan
from teamflow.core.state import RunState, StepState
from teamflow.core.status import ENDED, Status
from teamflow.policy.asking import GO_ON, may_go_on, newest
from teamflow.policy.context import step_context
from teamflow.policy.serial import serial_edges

Instances = Mapping[str, Mapping[str, Json]]
"""Step id → its matrix values."""

_SHOWN: Final = 8

_BEFORE: Final = " to the {} that were added before"


def expanded(state: RunState, known: StepState, expansion: Expansion, *, run: Mapping[str, Json]) -> Event | None:
    """What follows for a step that is to be expanded; None while what it needs is not there."""
    if expansion.pairs_with is not None:
        return _paired(state, known, expansion.pairs_with, run)
    if known.status is Status.PENDING:
        return StepEnded(known.step.id, "skipped", known.broken or "") if known.blockers == 0 else None
    # Imported here: most runs add no steps, and jinja2 is slow to import.
    from teamflow.plan.instances import Instance, expand_axes
    from teamflow.team.template import TemplateError, evaluate_condition

    context = step_context(state, known.step, run=run)
    if expansion.condition is not None:
        try:
            wanted = evaluate_condition(expansion.condition, context)
        except TemplateError as error:
            return StepEnded(known.step.id, "failed", f"`if` could not be evaluated: {error}")
        if not wanted:
            return StepEnded(known.step.id, "skipped", f"if: {expansion.condition}", own=True)
    problems: list[str] = []

    def complain(code: str, message: str, hint: str | None) -> None:
        problems.append(f"{message}: {hint}" if hint else message)

    found: tuple[Instance, ...] = expand_axes(dict(expansion.axes), context, complain)
    if problems:
        return _failed(known, problems[0])
    agent = known.step.agent
    instances = {f"{agent}/{instance.name}": dict(instance.matrix) for instance in found}
    return _checked(state, known, instances, run)


def no_longer_asked(state: RunState, known: StepState, *, run: Mapping[str, Json]) -> Reopened | None:
    """Withdraws the open question of a step that is to be expanded, when it would be another one now, or none: the
    limit was raised, somebody has confirmed beforehand, the list is another one. What is found again changes nothing.
    """
    question, expansion = newest(state, known), known.step.expansion
    if expansion is None or question is None or not question.open or state.stop is not None:
        return None
    partner = expansion.pairs_with
    for before in [partner] if partner is not None else [edge.on for edge in known.step.edges]:
        on = state.steps.get(before)
        if on is not None and on.status not in ENDED:
            return None
    found = expanded(state, known, expansion, run=run)
    if isinstance(found, QuestionAsked) and _gist(found.text) == _gist(question.text):
        return None
    step_id = known.step.id
    return Reopened((step_id,), "revision", {step_id: "what it has asked is another question now"})


def _failed(known: StepState, reason: str) -> StepEnded:
    return StepEnded(known.step.id, "failed", reason, failure=FailureClass.OUTPUT)


def _paired(state: RunState, known: StepState, partner: str, run: Mapping[str, Json]) -> Event | None:
    """Its instances are known as soon as those of its partner are, whatever else each of them waits for."""
    other = state.steps.get(partner)
    added = state.added.get(partner)
    if other is not None and other.status not in ENDED:
        return None
    if added is None or (other is not None and other.status is not Status.SUCCEEDED):
        what = "was left out" if other is None else other.status.value
        return StepEnded(known.step.id, "skipped", f"{partner} {what}, so there is nothing to pair with")
    agent = known.step.agent
    instances = {f"{agent}/{own_name(step_id)}": dict(values) for step_id, values in added.instances.items()}
    return _checked(state, known, instances, run)


# -- limits --------------------------------------------------------------------------------------------------


def _checked(state: RunState, known: StepState, instances: Instances, run: Mapping[str, Json]) -> Event:
    """The instances, if they may be added."""
    expansion = known.step.expansion
    wanted = [step_id for step_id in instances if _is_wanted(step_id, expansion)]
    problem = _missing(known, instances) or _too_many(state, known, wanted) or _same_slug(state.plan, known, wanted)
    return _failed(known, problem) if problem else _within_limits(state, known, instances, wanted, run)


def _is_wanted(step_id: str, expansion: Expansion | None) -> bool:
    return expansion is None or expansion.only is None or own_name(step_id) in expansion.only


def _missing(known: StepState, instances: Instances) -> str:
    """Which selected instances there are not."""
    expansion, agent = known.step.expansion, known.step.agent
    only = expansion.only if expansion is not None else None
    missing = [f"{agent}/{name}" for name in only or () if f"{agent}/{name}" not in instances]
    if not missing:
        return ""
    there = ", ".join(list(instances)[:_SHOWN]) + (", …" if len(instances) > _SHOWN else "")
    return f"there is no {', '.join(missing)}: {f'there are {there}' if there else 'there are no instances'}"


def _too_many(state: RunState, known: StepState, wanted: Sequence[str]) -> str:
    from teamflow.plan.instances import MAX_EDGES, MAX_STEPS

    steps = len(wanted) + sum(1 for step in state.plan.steps if step.parent != known.step.id)
    if steps > MAX_STEPS:
        return f"{len(wanted)} instances would make {steps} steps; a plan has at most {MAX_STEPS}"
    edges = len(wanted) * _edges_of_each(state, known)
    if edges > MAX_EDGES:
        return (
            f"{len(wanted)} instances would make {edges} dependencies between steps; a plan has at most {MAX_EDGES}: "
            "put one agent without a matrix between the two"
        )
    return ""


def _edges_of_each(state: RunState, known: StepState) -> int:
    """About how many dependencies one instance more makes: its own, and those on it."""
    expansion = known.step.expansion or Expansion()
    before = (state.steps[edge.on].step for edge in known.step.edges)
    own = sum(1 for step in before if (step.parent or step.id) not in expansion.for_matrix)
    if expansion.whole and expansion.pairs_with in state.added:
        own += len(state.added[expansion.pairs_with].instances)
    after = (state.steps[edge.on].step for edge in state.dependents[known.step.id])
    return 1 + own + sum(1 for step in after if step.parent != known.step.id)


def _same_slug(plan: Plan, known: StepState, wanted: Sequence[str]) -> str:
    """Two ids may differ and still share a slug: their logs would lie in one place."""
    mine = {slug(step_id).casefold(): step_id for step_id in wanted}
    for step in plan.steps:
        own = mine.get(slug(step.id).casefold())
        if own is not None and own != step.id and step.parent != known.step.id:
            return f"{own} and {step.id} would share the directory name {slug(own)}"
    return ""


def _within_limits(
    state: RunState, known: StepState, instances: Instances, wanted: Sequence[str], run: Mapping[str, Json]
) -> Event:
    """Over `limits.max_steps` a person is asked."""
    step_id = known.step.id
    limit = state.plan.limits.max_steps
    there = [step for step in state.plan.steps if step.parent is not None]
    others = sum(1 for step in there if step.parent != step_id)
    new = set(wanted).difference(step.id for step in there)
    kept = {name: instances[name] for name in wanted}
    if limit is None or others + len(wanted) <= limit or not new:
        return StepsAdded(step_id, instances, serial_edges(state, known, kept, run=run))
    asked = f"{step_id} would add {len(wanted)} steps"
    if _confirmed(state, known, asked):
        return StepsAdded(step_id, instances, serial_edges(state, known, kept, run=run))
    more = _BEFORE.format(others) if others else ""
    return may_go_on(step_id, f"{asked}{more}, and limits.max_steps is {limit}. Add them?", about="budget")


def _gist(question: str) -> str:
    """Without what other steps have added meanwhile."""
    return re.sub(_BEFORE.format(r"\d+"), "", question)


def _confirmed(state: RunState, known: StepState, asked: str) -> bool:
    """Whether somebody has agreed to just that: beforehand, or when asked."""
    if state.runner is not None and state.runner.yes:
        return True
    question = newest(state, known)
    agreed = question is not None and question.about == "budget" and question.answer == GO_ON
    return agreed and question is not None and question.text.startswith(asked)
