"""Gemini CLI: `mcpServers` in `settings.json`.

An http server has `httpUrl`, which all its versions know; a plain `url` was of sse once, and is tried as both now.
"""

from __future__ import annotations

from typing import Final

from teamflow.servers.dialect import Dialect, reader, writer
from teamflow.servers.format import Format
from teamflow.servers.references import SHELL

DIALECT: Final = Dialect(
    "gemini",
    SHELL,
    {"stdio": "", "http": "", "sse": "sse"},
    per_second=1000,
    tools="includeTools",
    url="httpUrl",
)

FORMAT: Final = Format(
    "gemini", "Gemini CLI", ".gemini/settings.json", "json", (("mcpServers",),), reader(DIALECT), writer(DIALECT)
)
