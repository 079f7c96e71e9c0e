"""The MCP servers of a step, as Codex is told of them. Their tools need no approval: the team has given them.

The app server gets them with the thread, by stdin, for everybody on the machine can read arguments: an address may hold
a key. `codex exec` has no other place for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.plan import Json

_APPROVED: Final = {"default_tools_approval_mode": "approve"}


class Servers(NamedTuple):
    """`config`: for `thread/start` and `thread/resume`; `words`: the same for a command line; `env`: variables that
    both refer to."""

    config: Mapping[str, Json] = {}
    words: tuple[str, ...] = ()
    env: Mapping[str, str] = {}


def servers(given: Mapping[str, Json]) -> Servers | Failed:
    """Failed (start): they cannot be read."""
    if not given:
        return Servers()
    # Imported here: few steps have any.
    from teamflow.servers.canonical import BadServers
    from teamflow.servers.engines import for_codex, from_team

    try:
        made = for_codex(from_team(given).servers)
    except BadServers as problem:
        return Failed(FailureClass.START, f"mcp_servers: {problem}")
    approved = [word for name in made.entries for word in ("-c", f"mcp_servers.{name}.{_WORD}")]
    entries: dict[str, Json] = {name: {**entry, **_APPROVED} for name, entry in made.entries.items()}
    return Servers({"mcp_servers": entries}, (*made.words, *approved), made.env)


_WORD: Final = "".join(f'{key}="{value}"' for key, value in _APPROVED.items())
