"""VS Code: `servers` in `.vscode/mcp.json`, or `mcp.servers` in `settings.json`.

It has no times, switches or lists of tools. What it asks people for (`inputs`) becomes a variable.
"""

from __future__ import annotations

from typing import Final

from teamflow.servers.dialect import Dialect, reader, writer
from teamflow.servers.format import Format
from teamflow.servers.references import COLON

DIALECT: Final = Dialect("vscode", COLON, {"stdio": "stdio", "http": "http", "sse": "sse"})

FORMAT: Final = Format(
    "vscode",
    "VS Code",
    ".vscode/mcp.json",
    "json",
    (("servers",), ("mcp", "servers"), ("mcpServers",)),
    reader(DIALECT),
    writer(DIALECT),
)
SETTINGS: Final = ("mcp", "servers")
"""The section within `settings.json`."""
