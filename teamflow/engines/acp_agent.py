"""What is particular about an ACP agent, as data: all that the one translator needs to know of it.

An agent that a team file names has the defaults, which assume nothing: it is told nothing while it works, and what it
says of tokens is not believed to be the attempt's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from teamflow.core.capabilities import Capabilities
from teamflow.core.invocation import Brief, Obstacle
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.plan import Json
from teamflow.engines.acp_said import UNTOLD


def nothing(brief: Brief) -> Mapping[str, Json]:
    return {}


def as_named(brief: Brief) -> str | None:
    return brief.model


def holds_nothing(brief: Brief) -> tuple[tuple[str, str], ...]:
    return ()


class Agent(NamedTuple):
    name: str
    capabilities: Capabilities
    login: str = ""
    """How one logs in, in words."""
    methods: tuple[str, ...] = ()
    """Ids of ways to authenticate that ask nobody: tried once where the agent wants it."""
    usage: str = UNTOLD
    """prompt | session | empty, as in `acp_said`."""
    cached_apart: bool = False
    """What came from a cache is not in its figure for what was read."""
    prices_process: bool = False
    """Its price begins with each process; otherwise with the session."""
    holds: tuple[tuple[str, str], ...] = ()
    """(option or "mode", value) that its sessions are to have, or it would not ask for leave. Not where the step may do
    all."""
    holds_for: Callable[[Brief], tuple[tuple[str, str], ...]] = holds_nothing
    """More of them, which differ from run to run behind a dash."""
    appends: bool = False
    """It takes instructions besides its own, in `meta`."""
    meta: Callable[[Brief], Mapping[str, Json]] = nothing
    """`_meta` of what opens a session."""
    model: Callable[[Brief], str | None] = as_named
    """What it calls the model that it is to have; None: whichever it has."""
    replays_late: bool = False
    """It plays an older session back behind the answer that this is done."""
    started_with_model: bool = False
    """Its command line or environment has named the model: a session that does not offer it has it all the same."""
    tells_writes: bool = False
    """It has this side write each file that it had leave to change, though told that nobody does, and writes it itself
    whatever comes of that; an error it prints with a page of its own program. So it is told that this is well."""
    asides: tuple[str, ...] = ()
    """How pieces of messages begin that its model has not said. With "Error: " last, its turn was no success."""
    failures: tuple[tuple[str, str], ...] = ()
    """As in `EngineDefinition`."""


class Start(NamedTuple):
    """How its process is started. `env`, `final`: as in `Invocation`."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = {}
    files: tuple[tuple[str, str], ...] = ()
    final: Mapping[str, str] = {}
    obstacles: tuple[Obstacle, ...] = ()


KINDS: Final = ("stdio", "http", "sse")
EVERY_SERVER: Final = frozenset(KINDS)


def server_list(brief: Brief) -> list[Json] | Failed:
    """The MCP servers of a brief as `session/new` wants them."""
    found: list[Json] = []
    for name, given in brief.servers.items():
        server = _server(name, given) if isinstance(given, Mapping) else None
        if server is None:
            reason = f"the MCP server {name} has neither a command nor a URL in the shape of .mcp.json"
            return Failed(FailureClass.START, reason)
        found.append(server)
    return found


def kind_of(server: Json) -> str:
    """stdio | http | sse of an item of `server_list`."""
    kind = server.get("type") if isinstance(server, Mapping) else None
    return kind if isinstance(kind, str) else "stdio"


def _server(name: str, given: Mapping[str, Json]) -> Json:
    command, url, kind = given.get("command"), given.get("url"), given.get("type")
    if isinstance(command, str) and command:
        args = given.get("args")
        words: list[Json] = [str(word) for word in args] if isinstance(args, list) else []
        return {"name": name, "command": command, "args": words, "env": _pairs(given.get("env"))}
    if isinstance(url, str) and url:
        return {
            "type": "sse" if kind == "sse" else "http",
            "name": name,
            "url": url,
            "headers": _pairs(given.get("headers")),
        }
    return None


def _pairs(given: Json) -> list[Json]:
    pairs = given.items() if isinstance(given, Mapping) else ()
    return [{"name": name, "value": str(value)} for name, value in pairs if value is not None]
