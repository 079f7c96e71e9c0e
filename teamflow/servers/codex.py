"""Codex: `[mcp_servers.NAME]` in `config.toml`, and what stands after its `-c`.

It expands nothing, but takes whole values out of its own environment: variables of a server by their own names, and
headers by any name. Names of servers are words of letters, digits, `_` and `-`. There is no sse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.servers.canonical import BadServers, Loss, Read, Server, Table, Written
from teamflow.servers.dialect import left_over, read_all, spelled, switched_on, write_all
from teamflow.servers.entry import Entry, place, table, text
from teamflow.servers.format import Format
from teamflow.servers.references import CANONICAL, PLAIN, Reference, parts

_BEARER: Final = "Bearer "


def read(servers: object, path: str) -> Read:
    return read_all(servers, path, _read_one)


def _read_one(name: str, entry: Entry) -> tuple[Server | None, list[Loss]]:
    local, remote = entry.has("command"), entry.has("url")
    if local == remote:
        raise BadServers(f"{entry.path} needs {'one of command and url, not both' if local else 'a command or a url'}")
    kept = Server(
        name,
        "stdio" if local else "http",
        enabled=switched_on(entry),
        timeout=entry.seconds("tool_timeout_sec", per_second=1),
        tools=entry.texts("enabled_tools"),
    )
    if local:
        forwarded = {variable: f"${{{variable}}}" for variable in _forwarded(entry)}
        kept = kept._replace(
            command=entry.text("command") or "",
            args=entry.texts("args") or (),
            env=entry.table("env"),
            cwd=entry.text("cwd") or "",
        )
        kept, losses = spelled(kept, before=PLAIN, after=CANONICAL)
        kept = kept._replace(env={**forwarded, **kept.env})
    else:
        kept = kept._replace(url=entry.text("url") or "", headers=entry.table("http_headers"))
        kept, losses = spelled(kept, before=PLAIN, after=CANONICAL)
        named = {header: f"${{{variable}}}" for header, variable in entry.table("env_http_headers").items()}
        bearer = entry.text("bearer_token_env_var")
        if bearer is not None:
            named["Authorization"] = f"{_BEARER}${{{bearer}}}"
        kept = kept._replace(headers={**kept.headers, **named})
        losses += _unreferable(name, named)
    return kept, [*losses, *left_over(name, entry)]


def _forwarded(entry: Entry) -> list[str]:
    """The names of `env_vars`, whose items are texts, or maps with a name."""
    key, value = entry.take("env_vars")
    path = place(entry.path, key)
    if not key:
        return []
    if not isinstance(value, list):
        raise BadServers(f"{path} is to be a list of names")
    names = []
    for number, one in enumerate(value):
        where = place(path, number)
        named = table(one, where).get("name") if isinstance(one, Mapping) else one
        names.append(text(named, where))
    return names


def _unreferable(name: str, headers: Mapping[str, str]) -> list[Loss]:
    return [
        Loss(name, f"headers.{header}", f"the variable of {value} has a name that cannot be referred to")
        for header, value in headers.items()
        if not any(isinstance(part, Reference) for part in parts(value, CANONICAL))
    ]


def write(servers: Sequence[Server]) -> Written:
    names, losses = renamed(servers)
    done = write_all([server._replace(name=names[server.name]) for server in servers], _write_one)
    return Written(done.entries, (*losses, *done.losses))


def renamed(servers: Sequence[Server]) -> tuple[dict[str, str], list[Loss]]:
    """Names as Codex takes them, all different, by the names of the servers."""
    names = {server.name: server.name for server in servers if re.fullmatch(r"[A-Za-z0-9_-]+", server.name)}
    taken = set(names)
    numbers: dict[str, int] = {}
    losses = []
    for server in servers:
        if server.name in names:
            continue
        wanted = new = re.sub(r"[^A-Za-z0-9_-]", "_", server.name) or "_"
        while new in taken:
            number = numbers[wanted] = numbers.get(wanted, 1) + 1
            new = f"{wanted}_{number}"
        taken.add(new)
        names[server.name] = new
        losses.append(Loss(server.name, "name", f"codex takes no such name: it is {new} there"))
    return names, losses


class Headers(NamedTuple):
    """Headers as Codex has them: `literal` values; variables by header; the variable of a bearer token, or ""."""

    literal: dict[str, str]
    variables: dict[str, str]
    bearer: str


def headers_of(headers: Mapping[str, str]) -> Headers:
    literal: dict[str, str] = {}
    variables: dict[str, str] = {}
    bearer = ""
    for header, value in headers.items():
        whole = whole_reference(value)
        token = whole_reference(value.removeprefix(_BEARER)) if value.startswith(_BEARER) else None
        if whole is not None:
            variables[header] = whole
        elif token is not None and header.lower() == "authorization" and not bearer:
            bearer = token
        else:
            literal[header] = value
    return Headers(literal, variables, bearer)


def whole_reference(value: str) -> str | None:
    """The variable that a text is a reference to and nothing else."""
    match parts(value, CANONICAL):
        case (Reference(name=name, default=None),):
            return name
    return None


def _write_one(server: Server) -> tuple[Table | None, list[Loss]]:
    if server.kind == "sse":
        return None, [Loss(server.name, "type", "codex speaks no sse: it is left out")]
    entry: Table
    if server.kind == "stdio":
        forwarded = [name for name, value in server.env.items() if whole_reference(value) == name]
        literal = {name: value for name, value in server.env.items() if name not in forwarded}
        _, losses = spelled(server._replace(env=literal), before=CANONICAL, after=PLAIN)
        entry = {"command": server.command, "args": list(server.args)}
        entry |= {"env": literal} if literal else {}
        entry |= {"env_vars": forwarded} if forwarded else {}
        entry |= {"cwd": server.cwd} if server.cwd else {}
    else:
        headers = headers_of(server.headers)
        _, losses = spelled(server._replace(headers=headers.literal), before=CANONICAL, after=PLAIN)
        entry = {"url": server.url}
        entry |= {"bearer_token_env_var": headers.bearer} if headers.bearer else {}
        entry |= {"http_headers": headers.literal} if headers.literal else {}
        entry |= {"env_http_headers": headers.variables} if headers.variables else {}
    return entry | _limits(server), losses


def _limits(server: Server) -> Table:
    found: Table = {}
    if server.timeout is not None:
        found["tool_timeout_sec"] = float(server.timeout)
    if server.tools is not None:
        found["enabled_tools"] = list(server.tools)
    if not server.enabled:
        found["enabled"] = False
    return found


FORMAT: Final = Format("codex", "Codex", "~/.codex/config.toml", "toml", (("mcp_servers",),), read, write)
