"""What Codex tells of its work, as values: items of a turn, errors, tokens. For the app server and `exec` alike.

What is missing or of another kind than expected is passed over, never an exception.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from teamflow.core.outcome import Usage
from teamflow.core.plan import Json
from teamflow.engines.provider import Trouble

_TOOLS: Final[Mapping[str, tuple[str, ...]]] = {
    "commandExecution": ("command", "cwd"),
    "fileChange": ("changes",),
    "mcpToolCall": ("server", "tool", "arguments"),
    "dynamicToolCall": ("namespace", "tool", "arguments"),
    "collabAgentToolCall": ("tool", "prompt", "receiverThreadIds"),
    "webSearch": ("query", "action"),
    "imageView": ("path",),
    "imageGeneration": ("revisedPrompt",),
    "sleep": ("durationMs",),
    "command_execution": ("command",),
    "file_change": ("changes",),
    "mcp_tool_call": ("server", "tool", "arguments"),
    "collab_tool_call": ("tool", "prompt"),
    "web_search": ("query",),
}
"""Items that are uses of tools, and what in them tells one call from another. First the app server's names, then
those of `exec`."""


def text_of(value: Json) -> str:
    return value if isinstance(value, str) else ""


def table_of(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def list_of(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else ()


def tool(item: Mapping[str, Json]) -> str | None:
    """Which call this is, the same for the same one; None: no use of a tool."""
    kind = text_of(item.get("type"))
    if kind not in _TOOLS:
        return None
    return json.dumps({"type": kind} | {key: item.get(key) for key in _TOOLS[kind]}, sort_keys=True)


def changed_paths(item: Mapping[str, Json]) -> Iterator[str]:
    """The files of a `fileChange`, those included that it moves them to."""
    for change in map(table_of, list_of(item.get("changes"))):
        for path in (change.get("path"), table_of(change.get("kind")).get("move_path")):
            if text_of(path):
                yield text_of(path)


def trouble(error: Mapping[str, Json]) -> Trouble:
    """Of a `TurnError`. Its word is a name, or a name over {"httpStatusCode": …}."""
    info = error.get("codexErrorInfo")
    kind, status = text_of(info), None
    for name, about in table_of(info).items():
        kind, status = name, table_of(about).get("httpStatusCode")
    texts = [text_of(error.get(key)).strip() for key in ("message", "additionalDetails")]
    return Trouble(
        kind="" if kind == "other" else kind,
        status=status if isinstance(status, int) and not isinstance(status, bool) else None,
        text=": ".join(dict.fromkeys(filter(None, texts))),
    )


def tokens(value: Json, *, incoming: str, outgoing: str) -> tuple[int, int] | None:
    """Input and output of a table of counts; None: there are none."""
    counts = [table_of(value).get(name) for name in (incoming, outgoing)]
    found = [count for count in counts if isinstance(count, int) and not isinstance(count, bool) and count >= 0]
    return (found[0], found[1]) if len(found) == len(counts) else None


class Meter:
    """Usage of this attempt, from counts of all that its session ever used."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._before: tuple[int, int] | None = None

    def was(self, total: tuple[int, int]) -> None:
        """What had been used before the attempt began."""
        self._before = total

    def reads(self, total: tuple[int, int], *, last: tuple[int, int] | None = None) -> Usage:
        """`last`: of the last call of the model, the first of this attempt where nothing was told before."""
        if self._before is None:
            known = last or total
            self._before = (max(0, total[0] - known[0]), max(0, total[1] - known[1]))
        before = self._before
        self.usage = Usage(max(0, total[0] - before[0]), max(0, total[1] - before[1]), None)
        return self.usage
