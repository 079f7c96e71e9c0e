"""The step that mends a merge for another: how it stands in the graph, and what it has from that one.

Decides its id, its edges and when it is skipped. Which steps get one is `plan/resolvers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.ids import slug
from teamflow.core.plan import Edge, Step
from teamflow.plan.graph import Dependencies
from teamflow.plan.key import definition_key
from teamflow.team.resolved import ResolvedAgent

WHY: Final = "on_conflict"


def node_of(resolver: str, name: str) -> str:
    """What stands in the graph of agents for the steps that mend for those of one; no agent is called so."""
    return f"{resolver}/{name}"


def with_resolvers(graph: Dependencies, resolvers: Mapping[str, ResolvedAgent]) -> dict[str, tuple[str, ...]]:
    """The graph of agents, with those that mend between an agent and what that depends on."""
    found = {name: tuple(wants) for name, wants in graph.items()}
    for name, resolver in resolvers.items():
        node = node_of(resolver.name, name)
        found[node] = found[name]
        found[name] = (*found[name], node)
    return found


def resolver_id(step_id: str, resolver: str) -> str:
    return f"{resolver}/{slug(step_id)}"


def mending(resolver: Step, step: Step) -> tuple[Step, Step]:
    """Both with what ties them together: what is skipped by an `if` has its resolver skipped by the same."""
    if step.condition is not None or step.skip is not None:
        resolver = resolver._replace(condition=step.condition, skip=step.skip, matrix=step.matrix, refers=step.refers)
    resolver = resolver._replace(resolves=step.id)
    when = "passed" if resolver.condition is not None or resolver.skip is not None else "succeeded"
    before = Edge(resolver.id, when, WHY)
    return resolver._replace(key=definition_key(resolver)), step._replace(edges=(*step.edges, before))


def agent_node(step: Step) -> str:
    """The node of a step in the graph of agents."""
    return node_of(step.agent, step.resolves.partition("/")[0]) if step.resolves else step.agent
