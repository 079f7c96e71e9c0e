"""Cycles as complaints: the path, and the place of every edge on it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Final

from teamflow.core.diagnostics import Diagnostics, Span
from teamflow.plan.graph import arrange, cycles
from teamflow.plan.uses import Need
from teamflow.team.loaded import LoadedTeam

_SHOWN: Final = 12
"""Names of a cycle that the message lists; every edge's place is given as a related one, up to `_PLACES`."""

_PLACES: Final = 50


def report_cycles(needs: Mapping[str, Mapping[str, Need]], loaded: LoadedTeam, found: Diagnostics) -> None:
    """One complaint for each knot of agents that wait for each other."""
    graph = {name: tuple(wants) for name, wants in needs.items()}
    if arrange(graph) is not None:
        return
    for path in cycles(graph):
        edges = list(itertools.pairwise(path))
        related = tuple(_edge(name, other, needs[name][other], loaded) for name, other in edges[:_PLACES])
        message = (
            f"{path[0]} depends on itself" if len(edges) == 1 else f"these agents wait for each other: {_arrows(path)}"
        )
        found.error(
            "cycle", message, related[0][1], hint="remove one of these dependencies, or split an agent", related=related
        )


def _edge(name: str, other: str, need: Need, loaded: LoadedTeam) -> tuple[str, Span]:
    return (f"{name} needs {other} ({need.why})", _need_span(name, other, need, loaded))


def _need_span(name: str, other: str, need: Need, loaded: LoadedTeam) -> Span:
    """Where `name` says that it needs `other`: the entry of `depends_on`, else the key that refers to it."""
    if need.key != "depends_on":
        return loaded.value_span("agents", name, need.key)
    path = ("agents", name, "depends_on")
    index = list(loaded.resolved[name].depends_on).index(other)
    entry = loaded.value_span(*path, index)
    # A path that leads nowhere gives the place of the last part that is there.
    return entry if entry != loaded.key_span(*path) else loaded.key_span(*path, other)


def _arrows(path: Sequence[str]) -> str:
    if len(path) <= _SHOWN:
        return " → ".join(path)
    half = _SHOWN // 2
    return " → ".join([*path[:half], f"… {len(path) - 2 * half} more …", *path[-half:]])
