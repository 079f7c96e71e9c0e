"""Agents whose instances only a run can name: what is known of them when planning.

Decides what the run has to find out (`core/plan.Expansion`), and how many instances there can be at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.ids import UNDECIDED
from teamflow.core.plan import Expansion, Json
from teamflow.plan.instances import MAX_INSTANCES, is_known_now
from teamflow.plan.uses import Need, references_of_expression
from teamflow.team.resolved import Matrix, ResolvedAgent, SchemaOutput
from teamflow.team.template import TemplateError, evaluate

_OF_AN_INSTANCE: Final = frozenset({"matrix", "step"})
"""Names that differ from instance to instance."""


def expansion_of(
    agent: ResolvedAgent,
    agents: Mapping[str, ResolvedAgent],
    needs: Mapping[str, Need],
    steps: Mapping[str, tuple[str, ...]],
    *,
    inputs: Mapping[str, Json],
    only: tuple[str, ...] | None,
) -> Expansion:
    """What a run has to find out about `agent`. `steps`: agent → ids of its steps; `only`: the selected instances."""
    matrix = agent.matrix
    assert matrix is not None, "only a matrix is undecided"
    most = _most(matrix, agents, inputs)
    if only is not None:
        most = len(only) if most is None else min(most, len(only))
    if matrix.pairs_with is not None:
        partner = f"{matrix.pairs_with}/{UNDECIDED}"
        return Expansion(pairs_with=partner, whole=needs[matrix.pairs_with].whole, most=most, only=only)
    axes = tuple((name, axis if isinstance(axis, str) else list(axis)) for name, axis in matrix.axes.items())
    for_matrix = sorted(step_id for other, need in needs.items() if need.only_matrix for step_id in steps[other])
    return Expansion(axes, for_matrix=tuple(for_matrix), condition=_condition(agent), most=most, only=only)


def _condition(agent: ResolvedAgent) -> str | None:
    """Its `if`, where it is the same for all instances."""
    if agent.condition is None:
        return None
    names = references_of_expression(agent.condition)
    return None if any(name.path[0] in _OF_AN_INSTANCE for name in names) else agent.condition


def _most(matrix: Matrix, agents: Mapping[str, ResolvedAgent], inputs: Mapping[str, Json]) -> int | None:
    """How many instances a matrix can have; None where nothing tells."""
    seen: set[str] = set()
    while matrix.pairs_with is not None:
        partner = agents.get(matrix.pairs_with)
        if partner is None or partner.matrix is None or matrix.pairs_with in seen:
            return None
        seen.add(matrix.pairs_with)
        matrix = partner.matrix
    most = 1
    for axis in matrix.axes.values():
        count = len(axis) if not isinstance(axis, str) else _most_values(axis, agents, inputs)
        if count is None:
            return None
        most *= count
    return min(most, MAX_INSTANCES)


def _most_values(source: str, agents: Mapping[str, ResolvedAgent], inputs: Mapping[str, Json]) -> int | None:
    """How many values an expression can give: one over inputs gives what it gives, an output says it by `maxItems`."""
    if is_known_now(source):
        try:
            value = evaluate(source, {"inputs": inputs})
        except TemplateError:
            return None
        return len(value) if isinstance(value, (list, tuple)) else None
    names = references_of_expression(source)
    if len(names) != 1 or ".".join(names[0].path) != source.strip():
        return None
    schema = schema_of(names[0].path, agents)
    most = schema.get("maxItems") if schema is not None else None
    return most if isinstance(most, int) and not isinstance(most, bool) and most >= 0 else None


def schema_of(path: tuple[str, ...], agents: Mapping[str, ResolvedAgent]) -> Mapping[str, Json] | None:
    """The JSON Schema of `agents.NAME.outputs.OUTPUT.…`, as far as the file says it."""
    if len(path) < 4 or path[0] != "agents" or path[2] != "outputs" or path[1] not in agents:
        return None
    output = agents[path[1]].outputs.get(path[3])
    schema: Json = output.schema if isinstance(output, SchemaOutput) else None
    for part in path[4:]:
        properties = schema.get("properties") if isinstance(schema, Mapping) else None
        schema = properties.get(part) if isinstance(properties, Mapping) else None
    return schema if isinstance(schema, Mapping) else None
