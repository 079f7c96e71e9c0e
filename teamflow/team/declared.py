"""Small readings of what an agent declares, shared by the checks and by resolution. Pure and cheap to import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from teamflow.core.plan import Json

if TYPE_CHECKING:
    from teamflow.team.model import Agent, Team

KINDS = ("prompt", "command", "ask")

ITEM = "item"
"""The axis that a bare list or expression in `matrix` stands for."""


def json_schema(declared: str | Mapping[str, Json]) -> dict[str, Json]:
    """The JSON Schema of a declaration: a bare type is shorthand for `{type: …}`."""
    return {"type": declared} if isinstance(declared, str) else dict(declared)


def is_file_output(declared: object) -> bool:
    """`{file: path}` and nothing else is a file; no JSON Schema has a key `file`."""
    return isinstance(declared, dict) and set(declared) == {"file"} and isinstance(declared["file"], str)


def layers_of(team: Team, agent: Agent) -> tuple[Agent, ...]:
    """The layers that settle `agent`, strongest first; an unknown persona counts as none."""
    name = agent.persona or (team.defaults.persona if team.defaults else None)
    persona = (team.personas or {}).get(name) if name else None
    return tuple(layer for layer in (agent, persona, team.defaults) if layer is not None)
