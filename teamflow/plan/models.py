"""Models that look like a slip of the pen. Lists of models age, so what is not in them is let through; only a name that
is nearly one of them is said, as a warning. Refuses to ask anybody which models there are.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.capabilities import Capabilities
from teamflow.core.diagnostics import Diagnostics, did_you_mean
from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import PromptWork, ResolvedAgent


def report_models(
    settings: Mapping[str, ResolvedAgent],
    engines: Mapping[str, Capabilities],
    loaded: LoadedTeam,
    found: Diagnostics,
) -> None:
    """Says it of every agent and every engine in its list. `engines`: what those that are built in can do, by name."""
    own = loaded.team.engines or {}
    for name, agent in settings.items():
        # Another server has other models.
        asks = isinstance(agent.work, PromptWork) and not agent.work.base_url
        for choice in agent.work.engines if isinstance(agent.work, PromptWork) and asks else ():
            if choice.model is None or choice.name in own or choice.name not in engines:
                continue
            known = engines[choice.name].models
            meant = did_you_mean(choice.model, known) if choice.model not in known else None
            if meant is not None:
                span = loaded.value_span("agents", name, "engine")
                message = f'{name}: {choice.name} is not known to have a model "{choice.model}"'
                found.warn("unknown-model", message, span, hint=f"{meant} Others that it knows: {', '.join(known)}.")
