"""Warnings about budgets that an engine cannot keep to, because it does not tell what it spends."""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.capabilities import Capabilities
from teamflow.core.diagnostics import Diagnostics
from teamflow.core.model_server import priced
from teamflow.core.plan import Caps, EngineDefinition
from teamflow.plan.chains import Link, chain_of
from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import ResolvedAgent

_TOKENS = "Give it tokens as well: budget: {usd: 3, tokens: 500k}."
_ALL = (True, True)
_NOTHING = "Say under usage where its JSON tells what was used, or bound it by timeout."


def report_budgets(
    settings: Mapping[str, ResolvedAgent], engines: Mapping[str, Capabilities], loaded: LoadedTeam, found: Diagnostics
) -> None:
    """A budget in dollars holds nothing back on an engine that tells no money, nor any on one that tells nothing.
    `engines`: what those can do that are built in, as far as it is known."""
    limits = loaded.limits
    for name, agent in settings.items():
        for link in chain_of(agent, loaded):
            told = _tells(link, engines)
            told = told if priced(link.base_url, link.model) else (False, told[1])
            own = _untold(told, agent.budget)
            untold = own or _untold(told, limits.budget) or _untold(told, limits.day)
            if not untold:
                continue
            message = f"{link.name} does not tell what {name} spends in {untold}, so that budget does not hold it back"
            span = loaded.key_span("agents", name, "budget") if own else loaded.key_span("limits", "budget")
            hint = _TOKENS if untold == "dollars" and told[1] else _NOTHING
            found.warn("untold-cost", message, span, hint=hint)


def _tells(link: Link, engines: Mapping[str, Capabilities]) -> tuple[bool, bool]:
    """Whether it tells money, and tokens."""
    if link.works_as is None and link.custom is not None:
        return _defined(link.custom)
    can = link.can(engines)
    return _ALL if can is None else (can.cost, True)


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
    return "usd" in usage, "input_tokens" in usage or "output_tokens" in usage
