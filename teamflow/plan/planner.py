"""A loaded team becomes a plan: settings, instances, needs, cycles, selection, steps, one small transform each.

Decides the order of the transforms and stops after the first that has errors to report. Everything that the
command line adds is an argument; files, processes and earlier runs are out of its sight.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.capabilities import Capabilities
from teamflow.core.diagnostics import Diagnostics
from teamflow.core.plan import Json, Plan
from teamflow.plan.assemble import assemble
from teamflow.plan.bounds import check_bounds
from teamflow.plan.budgets import report_budgets
from teamflow.plan.checked import collector_at_rest, needs_of
from teamflow.plan.cycles import report_cycles
from teamflow.plan.digest import plan_digest
from teamflow.plan.instances import Complain, Instance, expand_all, step_id_of
from teamflow.plan.loops import report_loops
from teamflow.plan.mending import node_of, with_resolvers
from teamflow.plan.model_servers import report_base_urls
from teamflow.plan.models import report_models
from teamflow.plan.overrides import override
from teamflow.plan.permissions import NO_ENGINES, report_permissions
from teamflow.plan.placing import Agents, Chosen, critical_path, layout_of, make_steps, team_outputs
from teamflow.plan.resolvers import mended
from teamflow.plan.selection import Choices, Selection, select
from teamflow.plan.side_by_side import report_side_by_side
from teamflow.plan.variables import report_variables
from teamflow.plan.workspaces import report_no_repository, workspaces_of
from teamflow.plan.writers import report_overlaps
from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import ResolvedAgent

EVERYTHING = Selection()


def make_plan(
    loaded: LoadedTeam,
    *,
    inputs: Mapping[str, Json],
    git: bool,
    selection: Selection = EVERYTHING,
    overrides: Mapping[str, str] | None = None,
    engines: Mapping[str, Capabilities] = NO_ENGINES,
) -> tuple[Plan | None, Diagnostics]:
    """The plan and what there is to say about it; no plan when that holds an error.

    `inputs` are complete and checked. `git`: whether the project is in a git repository. `overrides` are those of
    `--set`, by path (`agents.build.model`). `engines`: what those that are built in can do, by name; of others nothing
    is known, and nothing said. The cyclic collector rests meanwhile.
    """
    found = Diagnostics()
    with collector_at_rest():
        plan = _make_plan(loaded, inputs, selection, overrides or {}, found, git=git, engines=engines)
    return None if found.has_errors else plan, found


def _make_plan(
    loaded: LoadedTeam,
    inputs: Mapping[str, Json],
    selection: Selection,
    overrides: Mapping[str, str],
    found: Diagnostics,
    *,
    git: bool,
    engines: Mapping[str, Capabilities],
) -> Plan | None:
    agents = _agents(loaded, inputs, overrides, found, engines=engines)
    graph = {name: tuple(wants) for name, wants in agents.needs.items()}
    report_cycles(agents.needs, loaded, found)
    report_loops(agents.needs, agents.settings, loaded, found)
    check_bounds(agents, loaded, found)
    if not git:
        report_no_repository(agents.settings, loaded, found)
    if found.has_errors:
        return None
    ids = {name: tuple(instances) for name, instances in agents.instances.items()}
    helpers = [name for name in loaded.resolved if name not in agents.settings]
    chosen, only = select(selection, Choices(ids, graph, helpers, agents.pairs), found)
    if found.has_errors:
        return None
    workspaces = workspaces_of(agents, git=git)
    if engines:
        settings = {**agents.settings, **agents.others}
        report_permissions(settings, engines, workspaces, loaded, found)
        report_models(settings, engines, loaded, found)
        report_base_urls(settings, engines, loaded, found)
        report_variables(settings, engines, loaded, found)
    resolvers = mended(agents, loaded, workspaces, found)
    graph = with_resolvers(graph, resolvers)
    ids |= {node_of(resolver.name, name): ids[name] for name, resolver in resolvers.items()}
    layout = layout_of(graph, ids, chosen)
    steps = make_steps(Chosen(loaded, agents, chosen, only, layout, workspaces, resolvers), inputs, found)
    if not found.has_errors:
        report_overlaps(steps, agents, loaded, found)
        report_side_by_side(steps, loaded, found, git=git, parallel=loaded.limits.max_parallel)
        report_budgets(agents.settings, engines, loaded, found)
    if found.has_errors:
        return None
    plan = assemble(loaded, inputs=inputs, steps=steps)._replace(
        selected=tuple(step.id for step in steps) if selection else None,
        critical_path=critical_path(layout, graph, steps),
        empty=tuple(name for name, instances in agents.instances.items() if not instances),
        outputs=team_outputs(loaded, agents, chosen),
    )
    return plan._replace(digest=plan_digest(plan))


# -- agents ------------------------------------------------------------------------------------------------------


def _agents(
    loaded: LoadedTeam,
    inputs: Mapping[str, Json],
    overrides: Mapping[str, str],
    found: Diagnostics,
    *,
    engines: Mapping[str, Capabilities],
) -> Agents:
    every = override(loaded.resolved, overrides, found, engines=engines, defined=loaded.engines)
    settings = {name: agent for name, agent in every.items() if agent.startable}
    wanted = needs_of(settings)
    others = {name: agent for name, agent in every.items() if not agent.startable}
    return Agents(settings, wanted, _instances(loaded, settings, inputs, found), others)


def _instances(
    loaded: LoadedTeam, settings: Mapping[str, ResolvedAgent], inputs: Mapping[str, Json], found: Diagnostics
) -> dict[str, dict[str, Instance]]:
    wrong: set[str] = set()

    def complain(agent: str) -> Complain:
        def say(code: str, message: str, hint: str | None) -> None:
            wrong.add(agent)
            found.error(code, message, loaded.value_span("agents", agent, "matrix"), hint=hint)

        return say

    every = expand_all({name: agent.matrix for name, agent in settings.items()}, inputs, complain)
    for name, instances in every.items():
        matrix = settings[name].matrix
        if not instances and name not in wrong and matrix is not None and matrix.pairs_with is None:
            span = loaded.value_span("agents", name, "matrix")
            found.warn("empty-matrix", f"the matrix of {name} is empty, so it has no steps", span)
    return {name: {step_id_of(name, one): one for one in instances} for name, instances in every.items()}
