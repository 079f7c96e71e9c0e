"""Agents whose model is asked at a server that the team file names (`base_url`): whether each engine of their list can
be told so, and which model it is to ask for. Decides by what each engine tells of itself, and knows none by name.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.capabilities import Capabilities
from teamflow.core.diagnostics import Diagnostics
from teamflow.plan.chains import Link, chain_of
from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import ResolvedAgent


def report_base_urls(
    settings: Mapping[str, ResolvedAgent],
    engines: Mapping[str, Capabilities],
    loaded: LoadedTeam,
    found: Diagnostics,
) -> None:
    """Says it of every agent and every engine in its list. `engines`: what those that are built in can do, by name."""
    able = [name for name, can in engines.items() if can.base_url and can.program]
    for name, agent in settings.items():
        for link in {each[:2]: each for each in chain_of(agent, loaded)}.values():
            if link.base_url:
                _report(link, name, loaded, found, able=able, can=link.can(engines) or Capabilities())


def _report(
    link: Link, name: str, loaded: LoadedTeam, found: Diagnostics, *, able: list[str], can: Capabilities
) -> None:
    own = link.custom is not None and link.custom.base_url != ""
    if not can.base_url:
        span = loaded.value_span(*(("engines", link.name) if own else ("agents", name)), "base_url")
        message = f"{name}: {link.works_as or link.name} cannot be told which server answers as its model"
        hint = f"use {' or '.join(able)}, or leave out base_url." if able else "leave out base_url."
        found.error("not-enforced", message, span, hint=hint)
    elif link.model is None and can.program:
        span = loaded.value_span("agents", name, "engine")
        message = f"{name}: which model {link.name} is to ask for at its base_url is not said"
        hint = f"Write engine: {link.name}/NAME, or model: NAME; `ollama list`, or GET /v1/models, tells the names."
        found.error("no-model", message, span, hint=hint)
