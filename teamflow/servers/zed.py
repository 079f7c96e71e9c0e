"""Zed: `context_servers` in `settings.json`.

Nothing is expanded in its texts, times are seconds, and a server without a command or url is one of an extension.
Its older versions kept command, args and env of a server in a map of their own.
"""

from __future__ import annotations

from typing import Final

from teamflow.servers.canonical import Loss, Read, Server
from teamflow.servers.dialect import Dialect, read_all, read_one, writer
from teamflow.servers.entry import Entry, place, table
from teamflow.servers.format import Format
from teamflow.servers.references import PLAIN

DIALECT: Final = Dialect(
    "zed",
    PLAIN,
    {"stdio": "", "http": "", "sse": ""},
    cwd=False,
    per_second=1,
    enabled="enabled",
    partial=True,
)


def read(servers: object, path: str) -> Read:
    return read_all(servers, path, _read_one)


def _read_one(name: str, entry: Entry) -> tuple[Server | None, list[Loss]]:
    entry.take("source")
    if isinstance(entry.seen("command"), dict):
        inner = table(entry.take("command")[1], place(entry.path, "command"))
        lifted = {("command" if key == "path" else key): value for key, value in inner.items()}
        entry = Entry({**{key: entry.seen(key) for key in entry.left()}, **lifted}, path=entry.path)
    return read_one(name, entry, DIALECT)


FORMAT: Final = Format("zed", "Zed", ".zed/settings.json", "json", (("context_servers",),), read, writer(DIALECT))
