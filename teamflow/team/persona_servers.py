"""The MCP servers of a persona in a file of their own: `NAME.mcp.json` beside `NAME.md`, in the shape of `.mcp.json`.

Decides what is taken over and where a complaint points to; what a server is, is decided in `servers`. What the team
file has no key for is named in a warning.
"""

from __future__ import annotations

import json
import re

from teamflow.core.diagnostics import Diagnostics, Span
from teamflow.team.source import Value

_PLACE = re.compile(r"line (\d+), column (\d+): (.*)", re.S)
_KEYS = ("type", "command", "args", "env", "url", "headers")
_HINT = 'The shape is {"mcpServers": {"docs": {"command": "docs-mcp", "args": []}}}.'


def servers_file(persona_file: str) -> str | None:
    """Where the servers of the persona in a file would lie; None for one that is no Markdown."""
    return f"{persona_file.removesuffix('.md')}.mcp.json" if persona_file.endswith(".md") else None


def parse_servers(data: bytes, *, file: str, found: Diagnostics) -> dict[str, Value]:
    """Entries of `mcp_servers` by name; none after a complaint."""
    # Imported here: few personas have servers.
    from teamflow.servers import claude
    from teamflow.servers.canonical import BadServers
    from teamflow.servers.formats import read
    from teamflow.servers.text import parse

    try:
        servers, losses = read(parse(data, "json").value, claude.FORMAT)
    except BadServers as error:
        said = _PLACE.match(str(error))
        line, column = (int(said[1]), int(said[2])) if said else (1, 1)
        span = Span(file, line, column, line, column + 1)
        found.error("bad-mcp-file", said[3] if said else str(error), span, hint=_HINT)
        return {}
    written, more = claude.FORMAT.write(servers)
    text = data.decode("utf-8-sig", "replace")
    for loss in dict.fromkeys((*losses, *more)):
        found.warn("foreign-key", f"{loss.server}: {loss.field}: {loss.why}", _span(text, loss.server, file))
    for name, entry in written.items():
        for key in entry:
            if key not in _KEYS:
                found.warn("foreign-key", f"{name}: {key} has no counterpart here", _span(text, name, file))
    return {name: {key: _value(entry[key]) for key in _KEYS if key in entry} for name, entry in written.items()}


def _value(value: object) -> Value:
    """As a YAML file would give it."""
    plain: Value = json.loads(json.dumps(value))
    return plain


def _span(text: str, server: str, file: str) -> Span:
    """Where a server is named; the beginning where that cannot be told."""
    at = max(text.find(json.dumps(server, ensure_ascii=False)), 0)
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return Span(file, line, column, line, column + 1)
