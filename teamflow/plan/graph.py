"""The graph of a plan: order, levels, heights, closures, cycles.

Works on names and says nothing about steps or agents; the planner hands it agents, because all instances of an
agent have the same dependencies. networkx is asked only once there is a cycle to show: its import alone costs
more than planning thousands of agents does. No recursion, so depth is bounded by memory only.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, TypeAlias

from teamflow.core.named import NamedTuple

Dependencies: TypeAlias = Mapping[str, Sequence[str]]
"""Node → what it depends on, in the order of declaration. Names that are no node are ignored."""


class Layout(NamedTuple):
    """`order` is topological, ties as declared. `level` counts from 0; `height` is 1 for a sink."""

    order: tuple[str, ...]
    level: Mapping[str, int]
    height: Mapping[str, int]

    def critical_path(self, dependencies: Dependencies) -> tuple[str, ...]:
        """A longest chain of nodes; of several the one declared first."""
        follows = dependents(dependencies)
        path: list[str] = []
        choice = _highest(self.order, self.height)
        while choice is not None:
            path.append(choice)
            below = self.height[choice] - 1
            choice = next((node for node in follows[choice] if self.height[node] == below), None)
        return tuple(path)


def _highest(nodes: Iterable[str], height: Mapping[str, int]) -> str | None:
    best: str | None = None
    for node in nodes:
        if best is None or height[node] > height[best]:
            best = node
    return best


def dependents(dependencies: Dependencies) -> dict[str, list[str]]:
    """Node → what depends on it, in the order of declaration."""
    out: dict[str, list[str]] = {node: [] for node in dependencies}
    for node, needs in dependencies.items():
        for need in dict.fromkeys(needs):
            if need in out:
                out[need].append(node)
    return out


def arrange(dependencies: Dependencies) -> Layout | None:
    """Order, levels and heights; None when there is a cycle (`cycles` then shows it)."""
    follows = dependents(dependencies)
    number = {node: index for index, node in enumerate(dependencies)}
    names = list(dependencies)
    missing = dict.fromkeys(dependencies, 0)
    for after in follows.values():
        for node in after:
            missing[node] += 1
    level = dict.fromkeys(dependencies, 0)
    ready = [number[node] for node, count in missing.items() if count == 0]
    order: list[str] = []
    while ready:
        node = names[heapq.heappop(ready)]
        order.append(node)
        next_level = level[node] + 1
        for after_node in follows[node]:
            missing[after_node] -= 1
            if level[after_node] < next_level:
                level[after_node] = next_level
            if missing[after_node] == 0:
                heapq.heappush(ready, number[after_node])
    if len(order) < len(names):
        return None
    return Layout(tuple(order), level, _heights(order, follows))


def _heights(order: Sequence[str], follows: Mapping[str, Sequence[str]]) -> dict[str, int]:
    height = dict.fromkeys(order, 1)
    for node in reversed(order):
        for after in follows[node]:
            if height[node] <= height[after]:
                height[node] = height[after] + 1
    return height


def reachable(seeds: Iterable[str], neighbours: Mapping[str, Sequence[str]]) -> set[str]:
    """`seeds` and everything that `neighbours` leads to from them."""
    found = {seed for seed in seeds if seed in neighbours}
    todo = list(found)
    while todo:
        for near in neighbours[todo.pop()]:
            if near in neighbours and near not in found:
                found.add(near)
                todo.append(near)
    return found


def cycles(dependencies: Dependencies) -> Iterator[tuple[str, ...]]:
    """For each knot of nodes that need each other, one shortest cycle: `a, b, a` when a needs b and b needs a.

    Each starts at the node of its knot that is declared first.
    """
    import networkx as nx  # costs 100 ms, and nearly every team has no cycle

    edges = [(node, need) for node, needs in dependencies.items() for need in needs if need in dependencies]
    loops = {node for node, need in edges if node == need}
    number = {node: index for index, node in enumerate(dependencies)}
    knots: list[set[str]] = list(nx.strongly_connected_components(nx.DiGraph(edges)))
    found = [(min(knot, key=number.__getitem__), knot) for knot in knots if len(knot) > 1 or not loops.isdisjoint(knot)]
    for start, knot in sorted(found, key=lambda entry: number[entry[0]]):
        yield _shortest(start, dependencies, knot)


def _shortest(start: str, dependencies: Dependencies, knot: set[str]) -> tuple[str, ...]:
    """The shortest way from `start` back to itself within its knot, breadth first."""
    came_from = {start: start}
    queue = [start]
    for node in queue:
        for need in dependencies[node]:
            if need == start:
                way = [start, node]
                while node != start:
                    node = came_from[node]
                    way.append(node)
                return tuple(reversed(way))
            if need in knot and need not in came_from:
                came_from[need] = node
                queue.append(need)
    raise AssertionError(f"{start} lies on no cycle")


def connected(needs: Sequence[AbstractSet[int]], pairs: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of `pairs` in which the second node needs the first, maybe by others between them.

    Nodes are numbers in topological order; `needs` says what each depends on. Nodes with the same needs should have
    the same set object: they are then worked out once.
    """
    wanted = set(pairs)
    found = {(first, second) for first, second in wanted if first in needs[second]}
    wanted -= found
    sources = sorted({first for first, _ in wanted})
    for start in range(0, len(sources), _AT_ONCE):
        bits = {source: 1 << number for number, source in enumerate(sources[start : start + _AT_ONCE])}
        reach = _reach(needs, bits)
        found |= {(first, second) for first, second in wanted if first in bits and reach[second] & bits[first]}
    return found


_AT_ONCE: Final = 1024
"""So many nodes are followed at once, as bits of one number, which bounds the memory for plans of any size."""


def _reach(needs: Sequence[AbstractSet[int]], bits: Mapping[int, int]) -> list[int]:
    """Per node the bits of the nodes that it needs."""
    reach: list[int] = []
    known: dict[int, int] = {}
    for wanted in needs:
        mask = known.get(id(wanted))
        if mask is None:
            mask = 0
            for node in wanted:
                mask |= reach[node] | bits.get(node, 0)
            known[id(wanted)] = mask
        reach.append(mask)
    return reach
