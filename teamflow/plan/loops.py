"""Loops of a team, agent by agent: which agents their rounds may open again, and loops that can rework nothing.

Knows no steps; which instances a round opens is decided when it begins (`policy/rework.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from teamflow.core.diagnostics import Diagnostics
from teamflow.plan.uses import Need
from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import ResolvedAgent

Needs: TypeAlias = Mapping[str, Mapping[str, Need]]


def report_loops(needs: Needs, settings: Mapping[str, ResolvedAgent], loaded: LoadedTeam, found: Diagnostics) -> None:
    """Complains about loops whose `rework` does not come before them. Names that do not exist are complained about
    elsewhere."""
    for name, agent in settings.items():
        if agent.loop is None or agent.loop.rework not in settings or agent.loop.rework in _before(name, needs):
            continue
        rework = agent.loop.rework
        span = loaded.value_span("agents", name, "loop", "rework")
        if rework == name:
            found.error("rework-not-before", f"{name} cannot rework itself", span, hint="name an agent before it")
            continue
        message = f"{name} does not depend on {rework}, so its loop cannot rework it"
        found.error("rework-not-before", message, span, hint=f"add {rework} to depends_on, or name what it hands on")


def reworked(needs: Needs, settings: Mapping[str, ResolvedAgent]) -> frozenset[str]:
    """The agents that the loop of another may open again: from what it reworks up to its own."""
    found: set[str] = set()
    for name, agent in settings.items():
        if agent.loop is not None:
            rework = agent.loop.rework
            found |= {other for other in _before(name, needs) if other == rework or rework in _before(other, needs)}
    return frozenset(found)


def _before(name: str, needs: Needs) -> set[str]:
    """All that an agent needs, and what that needs."""
    seen: set[str] = set()
    pending = [name]
    while pending:
        for other in needs.get(pending.pop(), ()):
            if other not in seen:
                seen.add(other)
                pending.append(other)
    return seen
