"""Warnings about budgets that an engine cannot keep to, because it does not tell what it spends."""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.capabilities import Capabilities
from teamflow.core.diagnostics import Diagnostics
from teamflow.core.model_server import priced
from teamflow.core.plan import Caps
from teamflow.team.loaded import LoadedTeam
from teamflow.team.model import EngineDefinition
from teamflow.team.resolved import EngineChoice, PromptWork, ResolvedAgent

_TOKENS = "Give it tokens as well: budget: {usd: 3, tokens: 500k}."
_ALL = (True, True)
_NOTHING = "Say under usage where its JSON tells what was used, or bound it by timeout."


def report_budgets(
    settings: Mapping[str, ResolvedAgent], engines: Mapping[str, Capabilities], loaded: LoadedTeam, found: Diagnostics
) -> None:
    """A budget in dollars holds nothing back on an engine that tells no money, nor any on one that tells nothing.
    `engines`: what those can do that are built in, as far as it is known."""
    limits = loaded.limits
    used = {choice.name for agent in settings.values() for choice in _chain(agent)}
    tells = {name: (engines[name].cost, True) for name in used if name in engines}
    tells |= {name: _defined(definition) for name, definition in (loaded.team.engines or {}).items()}
    for name, agent in settings.items():
        for choice in _chain(agent):
            told = tells.get(choice.name, _ALL)
            told = told if priced(_server(agent), choice.model) else (False, told[1])
            own = _untold(told, agent.budget)
            untold = own or _untold(told, limits.budget) or _untold(told, limits.day)
            if not untold:
                continue
            message = (
                f"{choice.name} does not tell what {name} spends in {untold}, so that budget does not hold it back"
            )
            span = loaded.key_span("agents", name, "budget") if own else loaded.key_span("limits", "budget")
            hint = _TOKENS if untold == "dollars" and told[1] else _NOTHING
            found.warn("untold-cost", message, span, hint=hint)


def _server(agent: ResolvedAgent) -> str:
    return agent.work.base_url if isinstance(agent.work, PromptWork) else ""


def _chain(agent: ResolvedAgent) -> tuple[EngineChoice, ...]:
    return agent.work.engines if isinstance(agent.work, PromptWork) else ()


def _untold(tells: tuple[bool, bool], caps: Caps) -> str:
    """Which part of a budget an engine does not tell of; empty where what it tells holds it back."""
    usd, tokens = tells
    if (caps.usd is not None and usd) or (caps.tokens is not None and tokens):
        return ""
    if caps.usd is not None:
        return "dollars"
    return "tokens" if caps.tokens is not None else ""


def _defined(definition: EngineDefinition) -> tuple[bool, bool]:
    """Whether an engine of the team's own tells money, and tokens."""
    if definition.output == "acp":
        return False, True
    usage = definition.usage
    if usage is None:
        return False, False
    return usage.usd is not None, usage.input_tokens is not None or usage.output_tokens is not None
