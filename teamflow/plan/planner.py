"""A loaded team becomes a plan: settings, instances, needs, cycles, selection, steps, one small transform each.

Decides the order of the transforms and stops after the first that has errors to report. Everything that the
command line adds is an argument; files, processes and earlier runs are out of its sight.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from teamflow.core.diagnostics import Diagnostics
from teamflow.core.plan import Edge, Json, Plan, Step
from teamflow.plan.assemble import assemble, team_env
from teamflow.plan.cycles import need_span, report_cycles
from teamflow.plan.digest import plan_digest
from teamflow.plan.graph import Layout, arrange
from teamflow.plan.instances import Instance, expand, is_undecided
from teamflow.plan.overrides import override
from teamflow.plan.selection import Choices, Selection, select
from teamflow.plan.steps import Place, common, make_step
from teamflow.plan.texts import Complain, Texts, static_env
from teamflow.plan.uses import Need, named_results, needs, references
from teamflow.plan.uses import Place as Text
from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import ResolvedAgent

EVERYTHING = Selection()
RUN_TIME_MATRIX = ("matrix", "run-time matrix")
"""(key, area) of a matrix whose instances only a run can tell."""


class Agents(NamedTuple):
    """The agents that have steps: their settings, what they need of each other, their instances by step id."""

    settings: Mapping[str, ResolvedAgent]
    needs: Mapping[str, Mapping[str, Need]]
    instances: Mapping[str, Mapping[str, Instance]]


def make_plan(
    loaded: LoadedTeam,
    *,
    inputs: Mapping[str, Json],
    selection: Selection = EVERYTHING,
    overrides: Mapping[str, str] | None = None,
) -> tuple[Plan | None, Diagnostics]:
    """The plan and what there is to say about it; no plan when that holds an error.

    `inputs` are complete and checked. `overrides` are those of `--set`, by path (`agents.build.model`).
    """
    found = Diagnostics()
    agents = _agents(loaded, inputs, overrides or {}, found)
    if found.has_errors:
        return None, found
    graph = {name: tuple(wants) for name, wants in agents.needs.items()}
    report_cycles(agents.needs, loaded, found)
    if found.has_errors:
        return None, found
    ids = {name: tuple(instances) for name, instances in agents.instances.items()}
    helpers = [name for name in loaded.resolved if name not in agents.settings]
    chosen = select(selection, Choices(ids, graph, helpers), found)
    if found.has_errors:
        return None, found
    layout = _layout(graph, ids, chosen)
    steps = _steps(loaded, agents, inputs, chosen, layout, found)
    if found.has_errors:
        return None, found
    plan = assemble(loaded, inputs=inputs, steps=steps)._replace(
        selected=tuple(step.id for step in steps) if selection else None,
        critical_path=_critical_path(layout, graph, steps),
        empty=tuple(name for name, instances in agents.instances.items() if not instances),
    )
    return plan._replace(digest=plan_digest(plan)), found


def check_graph(loaded: LoadedTeam) -> Diagnostics:
    """What is wrong with the graph whatever the inputs: cycles, and steps that wait for what never starts."""
    found = Diagnostics()
    wanted = _needs(loaded, loaded.resolved, found)
    report_cycles(wanted, loaded, found)
    return found


# -- agents ------------------------------------------------------------------------------------------------------


def _agents(loaded: LoadedTeam, inputs: Mapping[str, Json], overrides: Mapping[str, str], found: Diagnostics) -> Agents:
    every = override(loaded.resolved, overrides, found)
    settings = {name: agent for name, agent in every.items() if agent.startable}
    wanted = _needs(loaded, every, found)
    instances = {name: _instances(loaded, agent, inputs, found) for name, agent in settings.items()}
    return Agents(settings, wanted, instances)


def _needs(loaded: LoadedTeam, every: Mapping[str, ResolvedAgent], found: Diagnostics) -> dict[str, Mapping[str, Need]]:
    wanted: dict[str, Mapping[str, Need]] = {
        name: needs(agent, every) for name, agent in every.items() if agent.startable
    }
    for name, wants in wanted.items():
        for other, need in wants.items():
            if other in every and not every[other].startable:
                span = need_span(name, other, need, loaded)
                message = f"{name} depends on {other}, which never starts as a step (start: never)"
                found.error("depends-on-subagent", message, span, hint=f"remove start: never from {other}")
    return wanted


def _instances(
    loaded: LoadedTeam, agent: ResolvedAgent, inputs: Mapping[str, Json], found: Diagnostics
) -> dict[str, Instance]:
    def complain(code: str, message: str, hint: str | None) -> None:
        found.error(code, message, loaded.value_span("agents", agent.name, "matrix"), hint=hint)

    before = len(found)
    expanded = expand(agent.matrix, inputs, complain)
    if not expanded and len(found) == before:
        span = loaded.value_span("agents", agent.name, "matrix")
        found.warn("empty-matrix", f"the matrix of {agent.name} is empty, so it has no steps", span)
    return {agent.name if instance.name is None else f"{agent.name}/{instance.name}": instance for instance in expanded}


# -- steps -------------------------------------------------------------------------------------------------------


def _layout(graph: Mapping[str, tuple[str, ...]], ids: Mapping[str, tuple[str, ...]], chosen: frozenset[str]) -> Layout:
    """The layout of the agents that have a chosen step: edges through an agent without steps lead nowhere."""
    present = [name for name, steps in ids.items() if not chosen.isdisjoint(steps)]
    layout = arrange({name: graph[name] for name in present})
    if layout is None:
        raise AssertionError("a part of a graph without cycles has a cycle")
    return layout


def _steps(
    loaded: LoadedTeam,
    agents: Agents,
    inputs: Mapping[str, Json],
    chosen: frozenset[str],
    layout: Layout,
    found: Diagnostics,
) -> tuple[Step, ...]:
    used = _used_results(loaded, agents)
    texts = Texts(inputs, static_env(team_env(loaded), inputs))
    steps: list[Step] = []
    for name in layout.order:
        agent = agents.settings[name]
        shared = common(agent)
        place = _place(name, agents, chosen, layout, text_used=name in used)
        complain = _Complaints(loaded, name, found)
        for step_id, instance in agents.instances[name].items():
            if step_id in chosen:
                renderer = texts.step(name, instance, step_id, complain.of(step_id))
                steps.append(make_step(shared, instance, step_id, place, renderer))
    return tuple(steps)


def _place(name: str, agents: Agents, chosen: frozenset[str], layout: Layout, *, text_used: bool) -> Place:
    edges: list[Edge] = []
    refers: list[str] = []
    texts: list[str] = []
    taken: list[str] = []
    for other, need in agents.needs[name].items():
        ids = agents.instances.get(other, ())
        edges += [Edge(step_id, need.when, need.why) for step_id in ids if step_id in chosen]
        taken += [step_id for step_id in ids if step_id not in chosen]
        refers += ids if need.refers else ()
        texts += ids if need.text else ()
    return Place(
        edges=tuple(edges),
        refers=tuple(refers),
        needs_text=tuple(texts),
        taken=tuple(taken),
        text_used=text_used,
        level=layout.level[name],
        height=layout.height[name],
        waits=_waits(agents.instances[name]),
    )


def _waits(instances: Mapping[str, Instance]) -> tuple[tuple[str, str], ...]:
    return (RUN_TIME_MATRIX,) if any(map(is_undecided, instances)) else ()


def _used_results(loaded: LoadedTeam, agents: Agents) -> set[str]:
    """Agents whose text or schema outputs some other agent or the team's outputs name."""
    used = {other for wants in agents.needs.values() for other, need in wants.items() if need.handed}
    for source in (loaded.team.outputs or {}).values():
        for reference in references(Text("outputs", source, expression=True)):
            path = reference.path
            if path[0] == "agents" and len(path) > 1 and path[1] in agents.settings:
                used.update((path[1],) if any(named_results(reference, agents.settings[path[1]])) else ())
    return used


class _Complaints:
    """Turns what a text could not be rendered for into diagnostics, once per key of an agent."""

    def __init__(self, loaded: LoadedTeam, agent: str, found: Diagnostics) -> None:
        self._loaded = loaded
        self._agent = agent
        self._found = found
        self._said: set[str] = set()

    def of(self, step_id: str) -> Complain:
        def complain(key: str, message: str) -> None:
            if key not in self._said:
                self._said.add(key)
                span = self._loaded.value_span("agents", self._agent, key)
                self._found.error("template-failed", f"{key} of {step_id}: {message}", span)

        return complain


def _critical_path(layout: Layout, graph: Mapping[str, tuple[str, ...]], steps: tuple[Step, ...]) -> tuple[str, ...]:
    first: dict[str, str] = {}
    for step in steps:
        first.setdefault(step.agent, step.id)
    agents = layout.critical_path({name: graph[name] for name in layout.order})
    return tuple(first[name] for name in agents)
