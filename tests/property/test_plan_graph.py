"""Random teams: what is planned agrees with the slow and obvious way to work it out."""

from __future__ import annotations

import itertools
import json
import marshal
from dataclasses import dataclass
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from teamflow.core.plan import Plan
from teamflow.plan.graph import arrange, cycles
from teamflow.plan.selection import Selection
from teamflow.plan.stored import plan_from_json, plan_from_plain, plan_to_json, plan_to_plain
from tests.fakes.teams import plan_of

CONDITIONS = ("succeeded", "failed", "finished", "passed")


@dataclass(frozen=True)
class Agent:
    name: str
    instances: int | None
    needs: tuple[tuple[str, str], ...]
    refers: tuple[str, ...]

    def text(self, sizes: dict[str, int | None]) -> str:
        words = ["echo", *(f"{{{{ agents.{self._result(name, sizes)} }}}}" for name in self.refers)]
        keys: dict[str, object] = {"command": words, "depends_on": dict(self.needs)}
        if self.instances is not None:
            keys["matrix"] = [f"i{number}" for number in range(self.instances)]
        return f"  {self.name}: {json.dumps(keys)}\n"

    @staticmethod
    def _result(name: str, sizes: dict[str, int | None]) -> str:
        return f"{name}.text" if sizes[name] is None else f"{name}.instances"

    def ids(self) -> list[str]:
        if self.instances is None:
            return [self.name]
        return [f"{self.name}/i{number}" for number in range(self.instances)]


@st.composite
def teams(draw: st.DrawFn) -> tuple[Agent, ...]:
    """Agents in an order in which each needs only earlier ones."""
    names = [f"a{number}" for number in range(draw(st.integers(1, 7)))]
    found = []
    for index, name in enumerate(names):
        before = st.lists(st.sampled_from(names[:index]), unique=True, max_size=3) if index else st.just([])
        needs = tuple((other, draw(st.sampled_from(CONDITIONS))) for other in draw(before))
        found.append(Agent(name, draw(st.none() | st.integers(0, 3)), needs, tuple(draw(before))))
    return tuple(found)


def written(agents: tuple[Agent, ...]) -> str:
    sizes = {agent.name: agent.instances for agent in agents}
    return "agents:\n" + "".join(agent.text(sizes) for agent in agents)


def slow_edges(agents: tuple[Agent, ...]) -> dict[str, set[str]]:
    """Step id → the steps that it needs, worked out step by step."""
    ids = {agent.name: agent.ids() for agent in agents}
    wants = {agent.name: {name for name, _ in agent.needs} | set(agent.refers) for agent in agents}
    return {
        step_id: {other for name in wants[agent.name] for other in ids[name]}
        for agent in agents
        for step_id in agent.ids()
    }


@given(teams(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_order_levels_and_heights(agents: tuple[Agent, ...], random: object) -> None:
    shuffled = list(agents)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    plan = plan_of(written(tuple(shuffled)))
    edges = slow_edges(agents)

    @cache
    def level(step_id: str) -> int:
        return 1 + max((level(other) for other in edges[step_id]), default=-1)

    @cache
    def height(step_id: str) -> int:
        return 1 + max((height(other) for other, needs in edges.items() if step_id in needs), default=0)

    assert {step.id: set(step.dependencies) for step in plan.steps} == edges
    assert {step.id: (step.level, step.height) for step in plan.steps} == {id: (level(id), height(id)) for id in edges}
    seen: set[str] = set()
    for step in plan.steps:
        assert seen.issuperset(step.dependencies)
        assert len(set(step.dependencies)) == len(step.edges)
        seen.add(step.id)
    path = plan.critical_path
    assert len(path) == max(map(height, edges), default=0)
    assert all(before in edges[after] for before, after in itertools.pairwise(path))
    # The order of the file means nothing to the digest, and everything comes back as it was stored.
    assert plan.digest == plan_of(written(agents)).digest
    assert plan_from_plain(marshal.loads(marshal.dumps(plan_to_plain(plan)))) == plan
    assert plan_from_json(plan_to_json(plan)) == plan


def _closure(seeds: set[str], near: dict[str, set[str]]) -> set[str]:
    found = set(seeds)
    while True:
        more = {other for step_id in found for other in near[step_id]} - found
        if not more:
            return found
        found |= more


@given(teams(), st.data())
@settings(max_examples=150, deadline=None)
def test_selections_are_closures(agents: tuple[Agent, ...], data: st.DataObject) -> None:
    edges = slow_edges(agents)
    back = {step_id: {other for other, needs in edges.items() if step_id in needs} for step_id in edges}
    # Through an agent without instances leads an edge of agents, but none of steps.
    whole = all(agent.instances != 0 for agent in agents)
    if not edges or not whole:
        return
    named = st.lists(st.sampled_from(sorted(edges)), max_size=2, unique=True).map(tuple)
    selection = Selection(data.draw(named), data.draw(named), data.draw(named))
    expected = set(edges)
    for words, near in ((selection.steps, edges), (selection.until, edges), (selection.since, back)):
        if words:
            expected &= _closure(set(words), near)
    if not expected:
        return
    plan = plan_of(written(agents), selection=selection)
    assert {step.id for step in plan.steps} == expected
    for step in plan.steps:
        assert set(step.dependencies) == edges[step.id] & expected
        assert set(step.taken) == edges[step.id] - expected


@given(teams(), st.data())
@settings(max_examples=40, deadline=None)
def test_a_change_of_one_agent_changes_the_digest(agents: tuple[Agent, ...], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(agents) - 1))
    agent = agents[index]
    sizes = {agent.name: agent.instances for agent in agents}
    before, text = plan_of(written(agents)), agent.text(sizes)
    changed = text.replace('"echo"', '"print"')
    after = plan_of(written(agents).replace(text, changed))
    assert (after.digest != before.digest) == (agent.instances != 0)
    assert _redefined(before, after) == set(agent.ids())


def _redefined(before: Plan, after: Plan) -> set[str]:
    keys = {step.id: step.key for step in before.steps}
    return {step.id for step in after.steps if step.key != keys[step.id]}


GRAPHS = st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefgh"), max_size=4), max_size=8)


@given(GRAPHS)
@settings(max_examples=300, deadline=None)
def test_either_a_layout_or_cycles_that_are_there(graph: dict[str, list[str]]) -> None:
    found = list(cycles(graph))
    assert (arrange(graph) is None) == bool(found)
    for path in found:
        assert path[0] == path[-1]
        assert len(set(path)) == len(path) - 1
        assert all(need in graph[node] for node, need in itertools.pairwise(path))
