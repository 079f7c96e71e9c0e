"""The plan with the steps that a run has added to it: a pure function of the plan and of what was added.

A step with an `expansion` stays in the plan as the parent of its instances, which come right after it. What depended
on it depends on all of them, and on the parent, so that it also waits when the instances are to be found anew; a step
that is paired depends only on its own. Refuses to know how instances are found; that is `policy/expand.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from teamflow.core.events import StepsAdded
from teamflow.core.named import NamedTuple
from teamflow.core.plan import APART, Edge, Expansion, Plan, Step

MATRIX: Final = "matrix"
"""Why an instance depends on its parent."""


class _Added(NamedTuple):
    """What was added, as the plan wants it. `ids`: parent → its instances, of a selection only the selected ones.

    `serial`: step → edges beyond those that the plan has.
    """

    by_parent: Mapping[str, StepsAdded]
    ids: Mapping[str, tuple[str, ...]]
    serial: Mapping[str, tuple[Edge, ...]]


def effective(plan: Plan, added: Mapping[str, StepsAdded]) -> Plan:
    """`plan` with the added steps. `added`: by parent; of parents that the plan does not have only results are seen."""
    if not added:
        return plan
    known = _known(plan, added)
    steps = tuple(each for step in plan.steps for each in _with_instances(step, known))
    return plan._replace(steps=_without_circles(steps) if known.serial else steps)


def _without_circles(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Since two steps were to be kept apart, the file may have come to say the opposite: then it is right."""
    if not _is_circular(steps):
        return tuple(steps)
    place = {step.id: number for number, step in enumerate(steps)}

    def holds(step: Step, edge: Edge) -> bool:
        return edge.when != APART or place[edge.on] < place[step.id]

    return tuple(step._replace(edges=tuple(edge for edge in step.edges if holds(step, edge))) for step in steps)


def _is_circular(steps: Sequence[Step]) -> bool:
    missing = {step.id: len(step.edges) for step in steps}
    dependents: dict[str, list[str]] = {step.id: [] for step in steps}
    for step in steps:
        for edge in step.edges:
            dependents[edge.on].append(step.id)
    ready = [step_id for step_id, count in missing.items() if count == 0]
    done = 0
    while ready:
        done += 1
        for step_id in dependents[ready.pop()]:
            missing[step_id] -= 1
            if missing[step_id] == 0:
                ready.append(step_id)
    return done < len(steps)


def own_name(step_id: str) -> str:
    """The part of a step id behind the agent's name; empty for a step that is no instance."""
    return step_id.partition("/")[2]


def _known(plan: Plan, added: Mapping[str, StepsAdded]) -> _Added:
    expansions = {step.id: step.expansion for step in plan.steps if step.expansion is not None}
    ids = {parent: _selected(one, expansions.get(parent)) for parent, one in added.items()}
    there = {step.id for step in plan.steps}.union(*(ids[parent] for parent in expansions if parent in ids))
    serial: dict[str, tuple[Edge, ...]] = {}
    for one in added.values():
        for name, on, why in one.edges:
            if name in there and on in there:
                serial[name] = (*serial.get(name, ()), Edge(on, APART, why))
    return _Added(added, ids, serial)


def _selected(added: StepsAdded, expansion: Expansion | None) -> tuple[str, ...]:
    if expansion is None or expansion.only is None:
        return tuple(added.instances)
    return tuple(step_id for step_id in added.instances if own_name(step_id) in expansion.only)


def _with_instances(step: Step, known: _Added) -> Iterator[Step]:
    expansion = step.expansion
    if expansion is None:
        yield _linked(step, known)
        return
    # What a paired step waits for is the list of its partner, and not what becomes of those that are on it.
    yield _linked(step, known, apart=expansion.pairs_with)
    mine = known.by_parent.get(step.id)
    if mine is None:
        return
    template = _template(step, expansion)
    for step_id in known.ids[step.id]:
        values = mine.instances[step_id]
        partner = "" if expansion.whole else expansion.pairs_with
        own = _linked(template, known, partner=partner, name=own_name(step_id))
        key = hashlib.sha256(f"{step.key}\0{step_id}\0{json.dumps(values, sort_keys=True)}".encode()).hexdigest()
        edges = (Edge(step.id, "succeeded", MATRIX), *own.edges, *known.serial.get(step_id, ()))
        yield own._replace(id=step_id, matrix=values, edges=edges, parent=step.id, key=key)


def _template(step: Step, expansion: Expansion) -> Step:
    """What its instances have of a parent: all but what only the matrix needs."""
    not_theirs = expansion.for_matrix
    return step._replace(
        edges=tuple(edge for edge in step.edges if edge.on not in not_theirs),
        refers=tuple(name for name in step.refers if name not in not_theirs),
        needs_text=tuple(name for name in step.needs_text if name not in not_theirs),
        condition=None if expansion.condition is not None else step.condition,
        expansion=None,
    )


def _linked(step: Step, known: _Added, *, apart: str | None = None, partner: str | None = None, name: str = "") -> Step:
    """The step with the instances of parents beside them. `apart`: a parent that stays alone; `partner`: one of which
    only the instance `name` counts."""
    ids = known.ids
    if ids.keys().isdisjoint((*(edge.on for edge in step.edges), *step.refers, *step.taken)):
        return step

    def instances(on: str) -> tuple[str, ...]:
        if on == apart or on not in ids:
            return ()
        return ids[on] if on != partner else tuple(one for one in ids[on] if own_name(one) == name)

    return step._replace(
        edges=tuple(each for edge in step.edges for each in _edges(edge, instances(edge.on))),
        refers=tuple(each for one in step.refers for each in (one, *instances(one))),
        needs_text=tuple(each for one in step.needs_text for each in (one, *instances(one))),
        taken=tuple(each for one in step.taken for each in (one, *instances(one))),
    )


def _edges(edge: Edge, instances: Sequence[str]) -> Iterator[Edge]:
    if not instances:
        yield edge
        return
    # That its instances failed is no failure of the parent.
    yield edge if edge.when != "failed" else edge._replace(when="finished")
    for step_id in instances:
        yield edge._replace(on=step_id)


def visible_edges(step: Step, steps: Mapping[str, Step], hidden: Collection[str]) -> tuple[Edge, ...]:
    """The dependencies of a step as people see them. `hidden`: parents that nobody is shown any more; an instance then
    depends on what its parent waited for."""
    found: dict[str, Edge] = {}
    for edge in step.edges:
        if edge.on not in hidden:
            found.setdefault(edge.on, edge)
        elif edge.on == step.parent:
            for before in visible_edges(steps[edge.on], steps, hidden):
                found.setdefault(before.on, before)
    return tuple(found.values())
