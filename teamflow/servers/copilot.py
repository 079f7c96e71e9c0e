"""Copilot CLI: `mcpServers` in `mcp-config.json`, and `--additional-mcp-config`.

`tools` has to be there: `["*"]` for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from teamflow.servers.canonical import Server, Written
from teamflow.servers.dialect import Dialect, reader, write_all, write_one
from teamflow.servers.format import Format
from teamflow.servers.references import SHELL

DIALECT: Final = Dialect(
    "copilot", SHELL, {"stdio": "local", "http": "http", "sse": "sse"}, per_second=1000, tools="tools"
)


def write(servers: Sequence[Server]) -> Written:
    done = write_all(servers, lambda server: write_one(server, DIALECT))
    return done._replace(entries={name: {"tools": ["*"], **entry} for name, entry in done.entries.items()})


FORMAT: Final = Format(
    "copilot", "Copilot CLI", "~/.copilot/mcp-config.json", "json", (("mcpServers",),), reader(DIALECT), write
)
