"""Instances that may write the same file, as only a run can tell: one waits for the other, in the order of the list.

When planning that is an error which suggests the edge (`plan/writers.py`); here the edge is added. Pure. Compared are
the instances with each other, and with other steps that have not ended and that neither depend on them nor come before.
Of those that may write one file each waits for the one before it, so there are no more edges than are needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from teamflow.core.added import own_name
from teamflow.core.globs import PatternError
from teamflow.core.plan import Deferred, Json, Step
from teamflow.core.state import RunState, StepState
from teamflow.core.status import ENDED
from teamflow.plan.overlap import Claim, claims, common_path, meetings
from teamflow.policy.context import step_context

SerialEdge: TypeAlias = "tuple[str, str, str]"
"""(step, the one that it waits for, why)."""

_MOST: Final = 1_000
"""So many pairs of patterns are compared; where there are more, all that have patterns wait for each other."""

_Writers: TypeAlias = "dict[Claim, list[str]]"


def serial_edges(
    state: RunState, known: StepState, instances: Mapping[str, Mapping[str, Json]], *, run: Mapping[str, Json]
) -> tuple[SerialEdge, ...]:
    """The edges that keep these instances of `known` from writing one file at once."""
    if not known.step.writes or not instances:
        return ()
    mine = [known.step._replace(id=step_id, matrix=values) for step_id, values in instances.items()]
    writers: _Writers = {}
    for step in (*mine, *_others(state, known)):
        for claim in _claims(state, step, run):
            writers.setdefault(claim, []).append(step.id)
    rows = _Rows(state, known, instances)
    for number, (one, other) in enumerate(_near(writers, instances)):
        if number == _MOST:
            rows = _Rows(state, known, instances)
            rows.add(itertools.chain.from_iterable(writers.values()), "both may write one file, by what they declare")
            break
        path = common_path(one, other)
        if path is not None:
            rows.add((*writers[one], *writers[other]), f"both may write {path}")
    return tuple((step_id, on, why) for (step_id, on), why in rows.edges.items())


def _near(writers: _Writers, instances: Collection[str]) -> Iterator[tuple[Claim, Claim]]:
    """Pairs of claims that may have a path in common, one of them at least an instance's."""
    own = {claim for claim, those in writers.items() if any(name in instances for name in those)}
    yield from ((claim, claim) for claim, those in writers.items() if claim in own and len(those) > 1)
    yield from ((one, other) for one, other in meetings(writers) if one in own or other in own)


class _Rows:
    """Edges while they are being found: (step, the one that it waits for) → why."""

    def __init__(self, state: RunState, known: StepState, instances: Iterable[str]) -> None:
        self.edges: dict[tuple[str, str], str] = {}
        self._state = state
        self._known = known
        # What runs already cannot be told to wait.
        order = sorted(instances, key=lambda name: name not in state.running)
        self._place = {name: place for place, name in enumerate(order)}
        self._after: dict[str, set[str]] = {}

    def add(self, names: Iterable[str], why: str) -> None:
        """Steps each of which may write a file of each other."""
        unique = dict.fromkeys(names)
        row = sorted((name for name in unique if name in self._place), key=self._place.__getitem__)
        for before, name in itertools.pairwise(row):
            self.edges.setdefault((name, before), why)
        others = [name for name in unique if name not in self._place]
        for name in row:
            # The next ones wait for this one, and so for what it waits for.
            waits = [other for other in others if not self._is_in_order(name, other)]
            for other in waits:
                self.edges.setdefault((name, other), why)
            others = [other for other in others if other not in waits]

    def _is_in_order(self, name: str, other: str) -> bool:
        """Whether one of the two waits for the other anyway."""
        expansion, there = self._known.step.expansion, self._state.steps
        if expansion is not None and expansion.pairs_with == there[other].step.parent:
            return expansion.whole or own_name(name) == own_name(other)
        if name in there and name not in self._after:
            self._after[name] = _after(self._state, name)
        return other in self._after.get(name, ())


# -- who writes what -----------------------------------------------------------------------------------------


def _claims(state: RunState, step: Step, run: Mapping[str, Json]) -> Sequence[Claim]:
    try:
        return list(claims(_patterns(state, step, run)))
    except PatternError:
        return ()  # its attempt will say so


def _patterns(state: RunState, step: Step, run: Mapping[str, Json]) -> Sequence[str]:
    """What it writes, as far as that is known; what cannot be rendered fails its attempt, and clashes with nothing."""
    if not any(isinstance(pattern, Deferred) for pattern in step.writes):
        return tuple(str(pattern) for pattern in step.writes)
    from teamflow.team.template import TemplateError, render_text

    context = step_context(state, step, run=run)
    found: list[str] = []
    for pattern in step.writes:
        try:
            found.append(render_text(pattern.template, context) if isinstance(pattern, Deferred) else pattern)
        except TemplateError:
            continue
    return found


def _others(state: RunState, known: StepState) -> Iterator[Step]:
    """Steps that may run at the same time as instances of `known`."""
    own = known.step.id
    before = _reached(own, lambda name: [edge.on for edge in state.steps[name].step.edges])
    # Not by way of its instances: what waits for one that is already there does not wait for another one.
    in_order = before | _after(state, own, without=own)
    for step_id, other in state.steps.items():
        step = other.step
        writes = step.writes and other.status not in ENDED and step.expansion is None
        if writes and step.parent != own and step_id not in in_order:
            yield step


def _after(state: RunState, step_id: str, *, without: str = "") -> set[str]:
    """What waits for a step. `without`: the parent of instances by way of which it is not looked for."""

    def follow(name: str) -> Sequence[str]:
        names = (edge.on for edge in state.dependents[name])
        return [after for after in names if not without or state.steps[after].step.parent != without]

    return _reached(step_id, follow)


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
