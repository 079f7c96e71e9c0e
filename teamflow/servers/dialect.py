"""Reading and writing the formats that differ in words only: a `Dialect` says which.

Decides what kind of server a map describes, and what of a server a dialect cannot say. The words of each dialect are
in its own module.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.servers.canonical import BadServers, Kind, Loss, Read, Server, Table, Written
from teamflow.servers.entry import Entry, place, table
from teamflow.servers.references import CANONICAL, COLON, LENIENT, Spelling, inputs, translated, variable_of

KINDS: Final[Mapping[str, Kind]] = {
    "stdio": "stdio",
    "local": "stdio",
    "http": "http",
    "streamable-http": "http",
    "streamable_http": "http",
    "streamablehttp": "http",
    "remote": "http",
    "sse": "sse",
}
"""What stands under `type` or `transport`, in small letters."""
_URLS: Final = ("httpUrl", "serverUrl", "url")


class Dialect(NamedTuple):
    """`types`: what it writes under `type`, by kind; kinds that it cannot reach are not in it, "" is not written.

    `per_second`: of the unit of `timeout`; 0: it has none. `tools`, `enabled`: its keys, "" for none.
    `url`: its key for an http server. `partial`: entries that only change one of another origin are no mistakes.
    """

    name: str
    spelling: Spelling
    types: Mapping[Kind, str]
    cwd: bool = True
    per_second: float = 0
    tools: str = ""
    enabled: str = ""
    url: str = "url"
    partial: bool = False


class _Missing(Exception):
    """A server that is left out; the arguments are those of the loss."""


def read_all(servers: object, path: str, one: Callable[[str, Entry], tuple[Server | None, list[Loss]]]) -> Read:
    """All servers of a section by the function that reads one."""
    found: list[Server] = []
    losses: list[Loss] = []
    for name, value in table(servers, path).items():
        server, lost = one(name, Entry(value, path=place(path, name)))
        losses += lost
        if server is not None:
            found.append(server)
    return Read(tuple(found), tuple(losses))


def reader(dialect: Dialect) -> Callable[[object, str], Read]:
    return lambda servers, path: read_all(servers, path, lambda name, entry: read_one(name, entry, dialect))


def read_one(name: str, entry: Entry, dialect: Dialect) -> tuple[Server | None, list[Loss]]:
    """None: left out, as the loss says. BadServers."""
    try:
        kind = _kind(entry, dialect)
    except _Missing as error:
        return None, [Loss(name, str(error.args[0]), str(error.args[1]))]
    timeout = entry.seconds("timeout", per_second=dialect.per_second or 1000)
    server = Server(name, kind, enabled=switched_on(entry), timeout=timeout, tools=_tools(entry, dialect))
    if kind == "stdio":
        server = server._replace(
            command=entry.text("command") or "",
            args=entry.texts("args") or (),
            env=entry.table("env"),
            cwd=entry.text("cwd") or "",
        )
    else:
        server = server._replace(url=entry.text(*_URLS) or "", headers=entry.table("headers"))
    server, losses = spelled(server, before=dialect.spelling, after=CANONICAL)
    return server, [*losses, *left_over(name, entry)]


def left_over(name: str, entry: Entry) -> list[Loss]:
    return [Loss(name, key, "there is no place for it outside the format that it is in") for key in entry.left()]


def switched_on(entry: Entry) -> bool:
    enabled, disabled = entry.flag("enabled"), entry.flag("disabled")
    if enabled is not None and enabled is disabled:
        raise BadServers(f"{entry.path} is enabled and disabled at once")
    return not disabled if enabled is None else enabled


def _kind(entry: Entry, dialect: Dialect) -> Kind:
    stated = entry.text("type", "transport")
    kind = None if stated is None else KINDS.get(stated.lower())
    if stated is not None and kind is None:
        raise _Missing("type", f'"{stated[:40]}" is no kind of server that can be translated: it is left out')
    local, remote = entry.has("command"), entry.has(*_URLS)
    if kind is None and local and remote:
        raise BadServers(f"{entry.path} has both a command and a url: it needs one of them, or a type")
    if not (local if kind == "stdio" else remote if kind else local or remote):
        if dialect.partial:
            raise _Missing("command", "it only changes a server that is defined elsewhere: it is left out")
        needed = "a command" if kind == "stdio" else "a url" if kind else "a command or a url"
        raise BadServers(f"{entry.path} needs {needed}")
    if kind is None:
        kind = "stdio" if local else _of_url(entry)
    return kind


def _of_url(entry: Entry) -> Kind:
    # Whoever names no type is read by clients that try http first; an address of the old transport tells itself.
    if entry.has("httpUrl"):
        return "http"

    return "sse" if str(entry.seen(*_URLS)).split("?")[0].rstrip("/").endswith("/sse") else "http"


def _tools(entry: Entry, dialect: Dialect) -> tuple[str, ...] | None:
    if not dialect.tools:
        return None
    there = entry.seen(dialect.tools)
    if there == "*":
        entry.take(dialect.tools)
        return None
    if isinstance(there, list) and any(isinstance(one, Mapping) for one in there):
        return None  # rules of another kind: left over, and told
    tools = entry.texts(dialect.tools)
    return None if tools is not None and "*" in tools else tools


def spelled(server: Server, *, before: Spelling, after: Spelling) -> tuple[Server, list[Loss]]:
    """All texts of a server in another spelling."""
    losses: list[Loss] = []

    def one(field: str, text: str) -> str:
        for asked in inputs(text) if before in (COLON, LENIENT) else ():
            losses.append(
                Loss(
                    server.name, field, f"${{input:{asked}}} is asked for by VS Code: set {variable_of(asked)} instead"
                )
            )
        done = translated(text, before, after)
        own = re.search(r"\$\{(?:workspaceFolder|userHome)\b[^}]{0,200}\}", text) if before is COLON else None
        if own:
            losses.append(Loss(server.name, field, f"only VS Code knows {own[0]}: write a path instead"))
        elif done.why:
            losses.append(Loss(server.name, field, done.why))
        return done.text

    return server._replace(
        command=one("command", server.command),
        args=tuple(one("args", word) for word in server.args),
        env={name: one(f"env.{name}", value) for name, value in server.env.items()},
        cwd=one("cwd", server.cwd),
        url=one("url", server.url),
        headers={name: one(f"headers.{name}", value) for name, value in server.headers.items()},
    ), losses


def writer(dialect: Dialect) -> Callable[[Sequence[Server]], Written]:
    return lambda servers: write_all(servers, lambda server: write_one(server, dialect))


def write_all(servers: Sequence[Server], one: Callable[[Server], tuple[Table | None, list[Loss]]]) -> Written:
    entries: dict[str, Table] = {}
    losses: list[Loss] = []
    for server in servers:
        entry, lost = one(server)
        losses += lost
        if entry is not None:
            entries[server.name] = entry
    return Written(entries, tuple(losses))


def write_one(server: Server, dialect: Dialect) -> tuple[Table | None, list[Loss]]:
    """None: left out, as the loss says."""
    kind = dialect.types.get(server.kind)
    if kind is None:
        return None, [Loss(server.name, "type", f"{dialect.name} speaks no {server.kind}: it is left out")]
    if not server.enabled and not dialect.enabled:
        return None, [Loss(server.name, "enabled", f"{dialect.name} has no switch for it here: it is left out")]
    server, losses = spelled(server, before=CANONICAL, after=dialect.spelling)
    entry: Table = {"type": kind} if kind else {}
    if server.kind == "stdio":
        entry |= {"command": server.command, "args": list(server.args)}
        entry |= {"env": dict(server.env)} if server.env else {}
        if server.cwd and dialect.cwd:
            entry["cwd"] = server.cwd
        elif server.cwd:
            losses.append(Loss(server.name, "cwd", f"{dialect.name} starts it in the directory of the project"))
    else:
        if server.kind == "sse" and not kind:
            losses.append(Loss(server.name, "type", f"{dialect.name} does not tell sse from http"))
        entry[dialect.url if server.kind == "http" else "url"] = server.url
        entry |= {"headers": dict(server.headers)} if server.headers else {}
    losses += limits(server, entry, dialect)
    if not server.enabled:
        entry[dialect.enabled] = dialect.enabled == "disabled"
    return entry, losses


def limits(server: Server, entry: Table, dialect: Dialect) -> list[Loss]:
    """Writes time and tools into `entry`; what cannot be said."""
    losses: list[Loss] = []
    if server.timeout is not None and dialect.per_second:
        units = max(1, math.ceil(round(server.timeout * dialect.per_second, 6)))
        entry["timeout"] = units
        if units / dialect.per_second != server.timeout:
            losses.append(Loss(server.name, "timeout", f"{dialect.name} counts whole units: it is rounded up"))
    elif server.timeout is not None:
        losses.append(Loss(server.name, "timeout", f"{dialect.name} has none per server"))
    if server.tools is not None and dialect.tools:
        entry[dialect.tools] = list(server.tools)
    elif server.tools is not None:
        losses.append(Loss(server.name, "tools", f"{dialect.name} has no list of tools per server: all are offered"))
    return losses
