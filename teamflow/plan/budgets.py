"""Warnings about budgets that an engine cannot keep to, because it does not tell what it spends."""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.diagnostics import Diagnostics
from teamflow.core.plan import Caps
from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import PromptWork, ResolvedAgent

_TOKENS = "Give it tokens as well: budget: {usd: 3, tokens: 500k}."
_NOTHING = "Say under usage where its JSON tells what was used, or bound it by timeout."


def report_budgets(settings: Mapping[str, ResolvedAgent], loaded: LoadedTeam, found: Diagnostics) -> None:
    """A budget in dollars holds nothing back on an engine that tells no money, nor any on one that tells nothing."""
    limits = loaded.limits
    for name, agent in settings.items():
        for choice in agent.work.engines if isinstance(agent.work, PromptWork) else ():
            own = _untold(loaded, choice.name, agent.budget)
            untold = own or _untold(loaded, choice.name, limits.budget) or _untold(loaded, choice.name, limits.day)
            if not untold:
                continue
            message = (
                f"{choice.name} does not tell what {name} spends in {untold}, so that budget does not hold it back"
            )
            span = loaded.key_span("agents", name, "budget") if own else loaded.key_span("limits", "budget")
            hint = _TOKENS if untold == "dollars" and _tells(loaded, choice.name)[1] else _NOTHING
            found.warn("untold-cost", message, span, hint=hint)


def _untold(loaded: LoadedTeam, engine: str, caps: Caps) -> str:
    """Which part of a budget an engine does not tell of; empty where what it tells holds it back."""
    usd, tokens = _tells(loaded, engine)
    if (caps.usd is not None and usd) or (caps.tokens is not None and tokens):
        return ""
    if caps.usd is not None:
        return "dollars"
    return "tokens" if caps.tokens is not None else ""


def _tells(loaded: LoadedTeam, engine: str) -> tuple[bool, bool]:
    """Whether an engine tells money, and tokens. Of those that are built in it is known when their steps can run."""
    definition = (loaded.team.engines or {}).get(engine)
    if definition is None:
        return True, True
    usage = definition.usage
    if usage is None:
        return False, False
    return usage.usd is not None, usage.input_tokens is not None or usage.output_tokens is not None
