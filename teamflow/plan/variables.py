"""Variables that MCP servers refer to: those that their step never has are an error, those that only this machine can
tell of are told to whoever knows it.

Decides by names: which variables a step has is in the team file, what they hold is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from teamflow.core.capabilities import Capabilities
from teamflow.core.diagnostics import Diagnostics, did_you_mean
from teamflow.core.plan import Json, Plan, Step
from teamflow.core.variables import BASIC, may_inherit
from teamflow.plan.chains import chain_of
from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import PromptWork, ResolvedAgent

OURS = "TEAMFLOW_"
"""What variables begin with that every step is given."""


def report_variables(
    settings: Mapping[str, ResolvedAgent],
    engines: Mapping[str, Capabilities],
    loaded: LoadedTeam,
    found: Diagnostics,
) -> None:
    """Says it of every agent with servers. `engines`: what those that are built in can do, by name."""
    for name, agent in settings.items():
        work = agent.work
        if not isinstance(work, PromptWork) or not work.mcp_servers:
            continue
        given = {*agent.env, *agent.secrets, *loaded.env_file_values}
        patterns = (*BASIC, *(loaded.team.inherit_env or ()), *_of_engines(agent, engines, loaded))
        for server, variable in referred(work.mcp_servers):
            if variable in given or variable.startswith(OURS) or may_inherit(variable, patterns):
                continue
            declared = variable in (loaded.team.secrets or {})
            remedy = f"Add secrets: [{variable}] to {name}" if declared else "Give it by env, secrets or inherit_env"
            meant = None if declared else did_you_mean(variable, given)
            found.error(
                "no-variable",
                f"the MCP server {server} of {name} refers to {variable}, which its steps never have",
                loaded.value_span("agents", name, "mcp_servers", server),
                hint=f"{f'{meant} ' if meant else ''}{remedy}, or write a default, ${{{variable}:-…}}.",
            )


def _of_engines(agent: ResolvedAgent, engines: Mapping[str, Capabilities], loaded: LoadedTeam) -> Iterator[str]:
    """What any engine of the chain has from this machine."""
    for link in chain_of(agent, loaded):
        can = link.can(engines)
        if link.custom is not None:
            yield from (*link.custom.inherit_env, *(link.custom.env if link.works_as is not None else ()))
        if can is not None:
            yield from can.settings if link.base_url else can.login
        elif link.works_as is not None:
            # Nothing is known of it, so nothing is certain.
            yield "*"


def referred(servers: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """(server, variable) for every reference without a default."""
    from teamflow.servers.canonical import BadServers
    from teamflow.servers.engines import from_team, with_values

    try:
        missing = with_values(from_team(servers).servers, {}).missing
    except BadServers:
        return  # it is told when the step starts
    yield from ((server, variable) for server, names in missing.items() for variable in names)


def unset(plan: Plan, environ: Mapping[str, str]) -> Iterator[tuple[Step, str, str]]:
    """(step, server, variable) of what steps would have from this machine, and it does not have; one for each agent.
    For plans without complaints. Variables of files are not known here."""
    said: set[str] = set()
    for step in plan.steps:
        if not step.means.servers or step.agent in said or step.skip is not None:
            continue
        said.add(step.agent)
        chain = (step.by(place or None) for place in range(len(step.engines)))
        given = {*step.secrets, *(name for each in chain for name, _ in each.env)}
        for server, variable in referred(step.means.servers):
            if variable not in given and variable not in environ and not variable.startswith(OURS):
                yield step, server, variable
