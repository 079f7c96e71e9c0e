"""The steps of the chosen instances, each at its place in the graph.

Decides edges between steps, levels and heights, and which results are used; one step itself is made in
`plan/steps.py`. All of it is worked out per agent, because instances share their dependencies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

from teamflow.core.diagnostics import Diagnostics
from teamflow.core.ids import UNDECIDED
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Edge, Json, Step
from teamflow.core.work import WORKTREE
from teamflow.plan.assemble import team_env
from teamflow.plan.graph import Dependencies, Layout, arrange
from teamflow.plan.instances import SINGLE, Instance, step_id_of
from teamflow.plan.late import expansion_of
from teamflow.plan.loops import reworked
from teamflow.plan.mending import agent_node, mending, node_of, resolver_id
from teamflow.plan.steps import Place, Ties, common, make_step
from teamflow.plan.texts import Complain, Texts, static_env
from teamflow.plan.uses import Need, named_results, references_of_expression
from teamflow.team.areas import agent_waits
from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import ResolvedAgent
from teamflow.team.template import Reference


class Agents(NamedTuple):
    """The agents that have steps: their settings, what they need of each other, their instances by step id."""

    settings: Mapping[str, ResolvedAgent]
    needs: Mapping[str, Mapping[str, Need]]
    instances: Mapping[str, Mapping[str, Instance]]
    others: Mapping[str, ResolvedAgent] = {}
    """The settings of those that have none of their own (`start: never`)."""

    @property
    def pairs(self) -> dict[str, str]:
        """Agent → the one with whose instances it is paired, each of its own with the one of the same name."""
        found: dict[str, str] = {}
        for name, agent in self.settings.items():
            partner = agent.matrix.pairs_with if agent.matrix is not None else None
            if partner is not None and partner in self.settings and not self.needs[name][partner].whole:
                found[name] = partner
        return found


class Chosen(NamedTuple):
    """What is to become steps. `ids`: the chosen ones; `only`: agent → names of chosen instances that only a run will
    know. `workspaces`: where the steps of each agent work."""

    loaded: LoadedTeam
    agents: Agents
    ids: frozenset[str]
    only: Mapping[str, tuple[str, ...]]
    layout: Layout
    workspaces: Mapping[str, str]
    resolvers: Mapping[str, ResolvedAgent] = {}
    """Agent → the one whose steps mend what its own would start from."""


def layout_of(graph: Dependencies, ids: Mapping[str, Sequence[str]], chosen: frozenset[str]) -> Layout:
    """The layout of the agents that have a chosen step: edges through an agent without steps lead nowhere."""
    present = [name for name, steps in ids.items() if not chosen.isdisjoint(steps)]
    layout = arrange({name: graph[name] for name in present})
    if layout is None:
        raise AssertionError("a part of a graph without cycles has a cycle")
    return layout


def make_steps(chosen: Chosen, inputs: Mapping[str, Json], found: Diagnostics) -> tuple[Step, ...]:
    """The steps in topological order, instances in the order of their matrix."""
    loaded, agents = chosen.loaded, chosen.agents
    used = _used_results(loaded, agents)
    again = reworked(agents.needs, agents.settings)
    texts = Texts(inputs, static_env(team_env(loaded), inputs))
    pairs = agents.pairs
    steps: list[Step] = []
    for name in chosen.layout.order:
        if name not in agents.settings:
            continue
        mends = _Mending(name, chosen, texts, found, reworked=not again.isdisjoint(agents.needs[name]))
        shared = common(agents.settings[name], loaded, workspace=chosen.workspaces[name])
        place = _place(name, chosen, inputs, text_used=name in used, reworked=name in again)
        by_other = _ties(name, chosen)
        ties = _tied(by_other.values())
        complain = _Complaints(loaded, name, found)
        for step_id, instance in agents.instances[name].items():
            if step_id in chosen.ids:
                if name in pairs:
                    by_other[pairs[name]] = _paired(name, pairs[name], instance, chosen)
                    ties = _tied(by_other.values())
                renderer = texts.step(name, instance, step_id, complain.of(step_id))
                steps += mends.before(make_step(shared, instance, step_id, place, ties, renderer))
    return tuple(steps)


class _Mending:
    """Puts a step that mends before each step of an agent with a resolver."""

    def __init__(self, name: str, chosen: Chosen, texts: Texts, found: Diagnostics, *, reworked: bool) -> None:
        self._agent = agent = chosen.resolvers.get(name)
        if agent is None:
            return
        self._texts = texts
        self._complain = _Complaints(chosen.loaded, agent.name, found)
        self._shared = common(agent, chosen.loaded, workspace=WORKTREE)
        node = node_of(agent.name, name)
        self._place = Place(
            text_used=False,
            reworked=reworked,
            level=chosen.layout.level[node],
            height=chosen.layout.height[node],
            waits=agent_waits(chosen.loaded, agent),
            expansion=None,
        )

    def before(self, step: Step) -> tuple[Step, ...]:
        if self._agent is None:
            return (step,)
        name, own = self._agent.name, SINGLE[0]
        step_id = resolver_id(step.id, name)
        renderer = self._texts.step(name, own, step_id, self._complain.of(step_id))
        ties = Ties(step.edges, (), (), step.taken)
        return mending(make_step(self._shared, own, step_id, self._place, ties, renderer), step)


def _place(name: str, chosen: Chosen, inputs: Mapping[str, Json], *, text_used: bool, reworked: bool) -> Place:
    agents = chosen.agents
    late = any(instance.name == UNDECIDED for instance in agents.instances[name].values())
    steps = {other: tuple(agents.instances[other]) for other in agents.needs[name] if late}
    return Place(
        text_used=text_used,
        reworked=reworked,
        level=chosen.layout.level[name],
        height=chosen.layout.height[name],
        waits=agent_waits(chosen.loaded, agents.settings[name]),
        expansion=expansion_of(
            agents.settings[name],
            agents.settings,
            agents.needs[name],
            steps,
            inputs=inputs,
            only=chosen.only.get(name),
        )
        if late
        else None,
    )


def _ties(name: str, chosen: Chosen) -> dict[str, Ties]:
    """What all steps of an agent have to do with the steps of each other one."""
    agents = chosen.agents
    return {other: _ties_to(agents.instances[other], need, chosen) for other, need in agents.needs[name].items()}


def _paired(name: str, partner: str, instance: Instance, chosen: Chosen) -> Ties:
    own = step_id_of(partner, instance)
    return _ties_to((own,), chosen.agents.needs[name][partner], chosen)


def _ties_to(ids: Iterable[str], need: Need, chosen: Chosen) -> Ties:
    ids = tuple(ids)
    return Ties(
        edges=tuple(Edge(step_id, need.when, need.why) for step_id in ids if step_id in chosen.ids),
        refers=ids if need.refers else (),
        needs_text=ids if need.text else (),
        taken=tuple(step_id for step_id in ids if step_id not in chosen.ids),
    )


def _tied(ties: Collection[Ties]) -> Ties:
    if len(ties) == 1:
        return next(iter(ties))
    return Ties(*(tuple(chain.from_iterable(parts)) for parts in zip(*ties, strict=True))) if ties else _NO_TIES


_NO_TIES: Final = Ties((), (), (), ())


def _used_results(loaded: LoadedTeam, agents: Agents) -> set[str]:
    """Agents whose text or schema outputs some other agent or the team's outputs name, or that have a loop: there the
    text is what the next round is told."""
    used = {other for wants in agents.needs.values() for other, need in wants.items() if need.handed}
    used |= {name for name, agent in agents.settings.items() if agent.loop is not None}
    for source in (loaded.team.outputs or {}).values():
        for reference in _of_agents(source, agents):
            if any(named_results(reference, agents.settings[reference.path[1]])):
                used.add(reference.path[1])
    return used


def _of_agents(expression: str, agents: Agents) -> list[Reference]:
    """The references to agents that have steps."""
    found = references_of_expression(expression)
    return [one for one in found if one.path[0] == "agents" and one.path[1:2] and one.path[1] in agents.settings]


def team_outputs(loaded: LoadedTeam, agents: Agents, chosen: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """(name, expression) of the team's outputs, without those of agents that a selection leaves out."""
    return tuple(
        (name, source)
        for name, source in (loaded.team.outputs or {}).items()
        if all(chosen.issuperset(agents.instances[one.path[1]]) for one in _of_agents(source, agents))
    )


def critical_path(layout: Layout, graph: Dependencies, steps: Sequence[Step]) -> tuple[str, ...]:
    """A longest chain of steps: of each agent on the way, the first instance."""
    first: dict[str, str] = {}
    for step in steps:
        first.setdefault(agent_node(step), step.id)
    agents = layout.critical_path({name: graph[name] for name in layout.order})
    return tuple(first[name] for name in agents)


class _Complaints:
    """Turns what a text could not be rendered for into diagnostics, once per key of an agent."""

    def __init__(self, loaded: LoadedTeam, agent: str, found: Diagnostics) -> None:
        self._loaded = loaded
        self._agent = agent
        self._found = found
        self._said: set[str] = set()

    def of(self, step_id: str) -> Complain:
        def complain(key: str, message: str, *, code: str = "template-failed") -> None:
            if key not in self._said:
                self._said.add(key)
                span = self._loaded.value_span("agents", self._agent, key)
                self._found.error(code, f"{key} of {step_id}: {message}", span)

        return complain
