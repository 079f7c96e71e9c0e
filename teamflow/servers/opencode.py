"""opencode: `mcp` in `opencode.json`; in its second version `mcp.servers`, which is read as well.

A command is one list with its arguments; http and sse are both `remote`, and tried in this order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from teamflow.servers.canonical import BadServers, Loss, Read, Server, Table, Written
from teamflow.servers.dialect import Dialect, read_all, read_one, write_all, write_one
from teamflow.servers.entry import Entry
from teamflow.servers.format import Format
from teamflow.servers.references import BRACE

DIALECT: Final = Dialect(
    "opencode",
    BRACE,
    {"stdio": "local", "http": "remote", "sse": "remote"},
    per_second=1000,
    enabled="enabled",
    partial=True,
)


def read(servers: object, path: str) -> Read:
    return read_all(servers, path, _read_one)


def _read_one(name: str, entry: Entry) -> tuple[Server | None, list[Loss]]:
    as_others: dict[str, object] = {key: entry.seen(key) for key in entry.left()}
    words = entry.texts("command")
    if words is not None:
        if not words:
            raise BadServers(f"{entry.path}.command is to have at least the name of a program")
        as_others |= {"command": words[0], "args": list(words[1:])}
    if "environment" in as_others:
        as_others["env"] = entry.table("environment", "env")
        del as_others["environment"]
    return read_one(name, Entry(as_others, path=entry.path), DIALECT)


def write(servers: Sequence[Server]) -> Written:
    return write_all(servers, _write_one)


def _write_one(server: Server) -> tuple[Table | None, list[Loss]]:
    entry, losses = write_one(server, DIALECT)
    if entry is None:
        return None, losses
    if server.kind == "sse":
        losses.append(Loss(server.name, "type", "opencode does not tell sse from http"))
    as_others = dict(entry)
    if server.kind == "stdio":
        arguments = as_others.pop("args")
        assert isinstance(arguments, list)
        as_others["command"] = [as_others["command"], *arguments]
    return {("environment" if key == "env" else key): value for key, value in as_others.items()}, losses


FORMAT: Final = Format("opencode", "opencode", "opencode.json", "json", (("mcp",), ("mcp", "servers")), read, write)
