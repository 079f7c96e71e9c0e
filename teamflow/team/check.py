"""Every rule of the team file that reaches over one key: the order of the checks.

Decides which checks run on what; each lives in a module of its own. Cycles are found by `plan/`, secrets that are not
set by `check_secrets` when a run is wanted.
"""

from __future__ import annotations

from teamflow.core.diagnostics import Diagnostics
from teamflow.team import check_agent, check_team
from teamflow.team.loaded import LoadedTeam
from teamflow.team.model import Agent
from teamflow.team.scope import NO_OTHERS, Others, Scope
from teamflow.team.source import Path


def check(
    loaded: LoadedTeam,
    found: Diagnostics,
    *,
    damaged: frozenset[Path] = frozenset(),
    others: Others = NO_OTHERS,
) -> None:
    """Adds everything that is wrong with the team to `found`; nothing is concluded from `damaged` parts."""
    scope = Scope(loaded, found, damaged=damaged, others=others)
    team = loaded.team
    check_team.check(scope)
    if team.engines:
        # Imported here: most teams define none.
        from teamflow.team.check_engines import check_engines

        check_engines(scope)
    if team.defaults is not None and not scope.is_damaged("defaults"):
        _check_layer(scope, team.defaults, ("defaults",))
    for name, persona in (team.personas or {}).items():
        if ("personas", name) not in damaged:
            _check_layer(scope, persona, ("personas", name))
    for name, agent in team.agents.items():
        check_agent.check_agent(scope, name, agent, damaged=("agents", name) in damaged)


def _check_layer(scope: Scope, layer: Agent, path: Path) -> None:
    check_agent.check_keys(scope, layer, path, owner=None)
