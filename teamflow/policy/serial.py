"""Instances that may write the same file, as only a run can tell: one waits for the other, in the order of the list.

When planning that is an error which suggests the edge (`plan/writers.py`); here the edge is added. Pure. Compared are
the instances with each other, and with other steps that have not ended and that neither depend on them nor come before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from teamflow.core.globs import PatternError
from teamflow.core.plan import Deferred, Json, Step
from teamflow.core.state import ENDED, RunState, StepState
from teamflow.plan.overlap import overlap
from teamflow.policy.context import step_context

SerialEdge = tuple[str, str, str]
"""(step, the one that it waits for, why)."""


def serial_edges(
    state: RunState, known: StepState, instances: Mapping[str, Mapping[str, Json]], *, run: Mapping[str, Json]
) -> tuple[SerialEdge, ...]:
    """The edges that keep these instances of `known` from writing one file at once."""
    if not known.step.writes:
        return ()
    mine = {step_id: _writes(state, known.step, step_id, values, run) for step_id, values in instances.items()}
    others = dict(_others(state, known))
    found: list[SerialEdge] = []
    before: dict[str, Sequence[str]] = {}
    for step_id, writes in mine.items():
        found += _clashes(step_id, writes, others)
        found += _clashes(step_id, writes, before)
        before[step_id] = writes
    return tuple(found)


def _clashes(step_id: str, writes: Sequence[str], others: Mapping[str, Sequence[str]]) -> Iterator[SerialEdge]:
    for other, theirs in others.items():
        try:
            path = overlap(writes, theirs)
        except PatternError:
            return  # the attempt itself will say so
        if path is not None:
            yield step_id, other, f"both may write {path}"


def _writes(
    state: RunState, step: Step, step_id: str, values: Mapping[str, Json], run: Mapping[str, Json]
) -> tuple[str, ...]:
    """The patterns of an instance; what cannot be rendered fails its attempt, and clashes with nothing here."""
    if not any(isinstance(pattern, Deferred) for pattern in step.writes):
        return tuple(str(pattern) for pattern in step.writes)
    from teamflow.team.template import TemplateError, render_text

    context = step_context(state, step._replace(id=step_id, matrix=values), run=run)
    found: list[str] = []
    for pattern in step.writes:
        try:
            found.append(render_text(pattern.template, context) if isinstance(pattern, Deferred) else pattern)
        except TemplateError:
            continue
    return tuple(found)


def _others(state: RunState, known: StepState) -> Iterator[tuple[str, Sequence[str]]]:
    """Steps with patterns that are known, that may run at the same time as the instances."""
    kept_apart = {*_before(state, known.step.id), *_after(state, known.step.id)}
    for step_id, other in state.steps.items():
        step = other.step
        if step_id in kept_apart or other.status in ENDED or step.expansion is not None or step.parent == known.step.id:
            continue
        if step.writes and not any(isinstance(pattern, Deferred) for pattern in step.writes):
            yield step_id, tuple(str(pattern) for pattern in step.writes)


def _before(state: RunState, step_id: str) -> set[str]:
    return _reached(step_id, lambda name: [edge.on for edge in state.steps[name].step.edges])


def _after(state: RunState, step_id: str) -> set[str]:
    return _reached(step_id, lambda name: [edge.on for edge in state.dependents[name]])


def _reached(start: str, following: Callable[[str], Sequence[str]]) -> set[str]:
    """All steps that can be come to from `start`, itself as well."""
    seen = {start}
    pending = [start]
    while pending:
        for name in following(pending.pop()):
            if name not in seen:
                seen.add(name)
                pending.append(name)
    return seen
