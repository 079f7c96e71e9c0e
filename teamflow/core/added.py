"""The plan with the steps that a run has added to it: a pure function of the plan and of what was added.

A step with an `expansion` stays in the plan as the parent of its instances, which come right after it. What depended
on it depends on all of them, and on the parent, so that it also waits when the instances are to be found anew.
Refuses to know how instances are found; that is `policy/expand.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence

from teamflow.core.events import StepsAdded
from teamflow.core.plan import Edge, Plan, Step


def effective(plan: Plan, added: Mapping[str, StepsAdded]) -> Plan:
    """`plan` with the added steps. `added`: by parent; parents that the plan does not have are passed over."""
    parents = {step.id: added[step.id] for step in plan.steps if step.expansion is not None and step.id in added}
    if not parents:
        return plan
    steps = [each for step in plan.steps for each in _with_instances(step, parents)]
    return plan._replace(steps=tuple(steps))


def _with_instances(step: Step, parents: Mapping[str, StepsAdded]) -> Iterator[Step]:
    mine = parents.get(step.id)
    linked = _linked(step, parents, name=None)
    yield linked
    if mine is None:
        return
    extra: dict[str, list[Edge]] = {}
    for name, on, why in mine.edges:
        extra.setdefault(name, []).append(Edge(on, "finished", why))
    for step_id, values in mine.instances.items():
        own = _linked(step, parents, name=step_id.partition("/")[2])
        edges = (Edge(step.id, "finished", "matrix"), *own.edges, *extra.get(step_id, ()))
        key = hashlib.sha256(f"{step.key}\0{step_id}\0{json.dumps(values, sort_keys=True)}".encode()).hexdigest()
        yield own._replace(id=step_id, matrix=values, edges=edges, expansion=None, parent=step.id, key=key)


def _linked(step: Step, parents: Mapping[str, StepsAdded], *, name: str | None) -> Step:
    """The step with instances in the place of parents. `name`: of the instance that it is about to become."""
    if not any(edge.on in parents for edge in step.edges) and not any(one in parents for one in step.refers):
        return step
    edges = tuple(each for edge in step.edges for each in _edges(step, edge, parents, name))
    refers = _instead(step, step.refers, parents, name)
    needs_text = _instead(step, step.needs_text, parents, name)
    return step._replace(edges=edges, refers=refers, needs_text=needs_text)


def _edges(step: Step, edge: Edge, parents: Mapping[str, StepsAdded], name: str | None) -> Iterator[Edge]:
    instances = _instances(step, edge.on, parents, name)
    if not instances:
        yield edge
        return
    yield Edge(edge.on, "finished", edge.why)
    for step_id in instances:
        yield Edge(step_id, edge.when, edge.why)


def _instead(step: Step, ids: Sequence[str], parents: Mapping[str, StepsAdded], name: str | None) -> tuple[str, ...]:
    return tuple(each for one in ids for each in (one, *_instances(step, one, parents, name)))


def _instances(step: Step, on: str, parents: Mapping[str, StepsAdded], name: str | None) -> tuple[str, ...]:
    """The instances that stand for `on`: of the one that a step is paired with, only its own."""
    added = parents.get(on)
    if added is None:
        return ()
    ids = tuple(added.instances)
    if name is None or step.expansion is None or step.expansion.pairs_with != on:
        return ids
    return tuple(step_id for step_id in ids if step_id.partition("/")[2] == name)
