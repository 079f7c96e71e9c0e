"""The chain of engines of an agent, each with what the team file defines of it: a variant becomes here the built-in
engine that does the work, the model that it is asked for, and the server where.

Decides what goes before what: a model that is named, then the variant's; the variant's server, then the agent's.
Refuses to know what engines can do.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.capabilities import Capabilities
from teamflow.core.chain import works_as
from teamflow.core.named import NamedTuple
from teamflow.core.plan import EngineDefinition
from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import PromptWork, ResolvedAgent


class Link(NamedTuple):
    """One engine of a chain. `works_as`: the built-in one, None for a program of the team's own. `base_url`: empty for
    the engine's own server. `custom`: as in `Step`."""

    name: str
    model: str | None
    works_as: str | None
    base_url: str
    custom: EngineDefinition | None

    def can(self, engines: Mapping[str, Capabilities]) -> Capabilities | None:
        """What it can do, by what those can that are built in; None: nothing is known of it."""
        return None if self.works_as is None else engines.get(self.works_as)


def chain_of(agent: ResolvedAgent, loaded: LoadedTeam) -> tuple[Link, ...]:
    """Its own engine first; none of commands and questions."""
    work = agent.work
    if not isinstance(work, PromptWork):
        return ()
    return tuple(_link(choice.name, choice.model, work.base_url, loaded) for choice in work.engines)


def _link(name: str, model: str | None, base_url: str, loaded: LoadedTeam) -> Link:
    custom = loaded.engines.get(name) if loaded.team.engines else None
    if custom is not None:
        model, base_url = model or custom.asks_for, custom.base_url or base_url
    return Link(name, model, works_as(name, custom), base_url, custom)
