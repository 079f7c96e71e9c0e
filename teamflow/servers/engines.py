"""Servers in the words that the agents' programs take when a step starts.

Decides nothing about permissions, and which variables there are: callers put values in with `with_values` first, for
not all of these programs expand references. Servers that are switched off are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.servers import claude, codex
from teamflow.servers.canonical import BadServers, Json, Read, Server, Table
from teamflow.servers.references import expanded

VARIABLE: Final = "TEAMFLOW_MCP_TOKEN_"
"""What variables with the values of headers and environments begin with. By the word in it, Codex and others keep them
from the commands that an agent runs, where they are so configured."""


def from_team(servers: Mapping[str, object]) -> Read:
    """`mcp_servers` of a team file. BadServers."""
    return claude.FORMAT.read(servers, "mcp_servers")


class Valued(NamedTuple):
    """`missing`: variables by server that have neither value nor default; their references stay in the texts."""

    servers: tuple[Server, ...]
    missing: dict[str, tuple[str, ...]]


def with_values(servers: Sequence[Server], environ: Mapping[str, str]) -> Valued:
    """Values in the place of all references."""
    missing: dict[str, list[str]] = {}

    def one(name: str, text: str) -> str:
        done = expanded(text, environ)
        if done.missing:
            missing.setdefault(name, []).extend(done.missing)
        return done.text

    found = tuple(
        server._replace(
            command=one(server.name, server.command),
            args=tuple(one(server.name, word) for word in server.args),
            env={key: one(server.name, value) for key, value in server.env.items()},
            cwd=one(server.name, server.cwd),
            url=one(server.name, server.url),
            headers={key: one(server.name, value) for key, value in server.headers.items()},
        )
        for server in servers
    )
    return Valued(found, {name: tuple(dict.fromkeys(names)) for name, names in missing.items()})


def _on(servers: Sequence[Server]) -> list[Server]:
    return [server for server in servers if server.enabled]


def for_claude(servers: Sequence[Server]) -> Table:
    """What `--mcp-config` takes as JSON. `tools` is nothing that it knows: allow `mcp__NAME__TOOL` instead."""
    return {"mcpServers": claude.FORMAT.write(_on(servers)).entries}


class ForCodex(NamedTuple):
    """`entries`: of its configuration, by name. `words`: the same as `-c`, `mcp_servers.NAME={…}` and so on. `env`:
    what Codex itself has to have in its environment."""

    entries: dict[str, Table]
    words: list[str]
    env: dict[str, str]


def for_codex(servers: Sequence[Server]) -> ForCodex:
    """No value of a header or of an environment stands in a word, for everybody on the machine can read those.

    A value of a server's environment goes there by a variable of another name, lest it change what Codex does; a
    shell gives it its own name again. Raises BadServers: no shell can export that name.
    """
    env: dict[str, str] = {}
    hidden = [_hidden(server, env) for server in _on(servers)]
    entries = codex.FORMAT.write(hidden).entries
    words = [word for name, entry in entries.items() for word in ("-c", f"mcp_servers.{name}={_inline(entry)}")]
    return ForCodex(entries, words, env)


def _hidden(server: Server, env: dict[str, str]) -> Server:
    """The server with references to variables where it had values, which are added to `env`."""

    def variable(value: str) -> str:
        name = f"{VARIABLE}{len(env) + 1}"
        env[name] = value
        return name

    if server.kind != "stdio":
        headers = {
            key: value if codex.headers_of({key: value}).literal == {} else f"${{{variable(value)}}}"
            for key, value in server.headers.items()
        }
        return server._replace(headers=headers)
    own = {key: value for key, value in server.env.items() if codex.whole_reference(value) == key}
    named = {key: variable(value) for key, value in server.env.items() if key not in own}
    if not named:
        return server._replace(env=own)
    for key in named:
        if not _exportable(key):
            raise BadServers(f"{server.name}.env.{key}: Codex can be told no variable that a shell cannot export")
    exports = " ".join(f'{key}="${name}"' for key, name in named.items())
    script = f'export {exports}; unset {" ".join(named.values())}; exec "$@"'
    return server._replace(
        command="/bin/sh",
        args=("-c", script, "sh", server.command, *server.args),
        env={**own, **{name: f"${{{name}}}" for name in named.values()}},
    )


def _exportable(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None


def _inline(value: Json) -> str:
    """A value as TOML in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_quoted(key)} = {_inline(of)}" for key, of in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_inline(one) for one in value) + "]"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    # What JSON escapes, TOML understands, and wants one character more. A library would be imported at every start.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
