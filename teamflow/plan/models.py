"""Models that look like a slip of the pen. Lists of models age, so what is not in them is let through; only a name that
is nearly one of them is said, as a warning. Refuses to ask anybody which models there are.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.capabilities import Capabilities
from teamflow.core.diagnostics import Diagnostics, did_you_mean
from teamflow.plan.chains import chain_of
from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import ResolvedAgent


def report_models(
    settings: Mapping[str, ResolvedAgent],
    engines: Mapping[str, Capabilities],
    loaded: LoadedTeam,
    found: Diagnostics,
) -> None:
    """Says it of every agent and every engine in its list. `engines`: what those that are built in can do, by name."""
    for name, agent in settings.items():
        for link in chain_of(agent, loaded):
            can = link.can(engines)
            # Another server has other models.
            if link.model is None or can is None or link.base_url:
                continue
            known = can.models
            meant = did_you_mean(link.model, known) if link.model not in known else None
            if meant is not None:
                span = loaded.value_span("agents", name, "engine")
                message = f'{name}: {link.name} is not known to have a model "{link.model}"'
                found.warn("unknown-model", message, span, hint=f"{meant} Others that it knows: {', '.join(known)}.")
