"""Claude Code: `.mcp.json`, `~/.claude.json`, `--mcp-config`; also what most other programs call `mcpServers`.

It looks at no switch, has no directory for a server and no list of tools; its times are milliseconds.
"""

from __future__ import annotations

from typing import Final

from teamflow.servers.dialect import Dialect, reader, writer
from teamflow.servers.format import Format
from teamflow.servers.references import LENIENT

DIALECT: Final = Dialect(
    "claude", LENIENT, {"stdio": "stdio", "http": "http", "sse": "sse"}, cwd=False, per_second=1000
)
_TOLERANT: Final = DIALECT._replace(tools="tools", enabled="disabled")

FORMAT: Final = Format(
    "claude",
    "Claude Code, and most others that read mcpServers",
    ".mcp.json",
    "json",
    (("mcpServers",), ()),
    reader(_TOLERANT),
    writer(DIALECT),
)
