"""What an ACP agent does with a tool, in words for people. By the kinds of the protocol, and by its own title else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.invocation import Brief
from teamflow.core.plan import Json
from teamflow.engines.acp_calls import Call
from teamflow.engines.acp_wishes import wish_of
from teamflow.engines.doing import edited, fetched, looked_at, ran, searched, within

_HOUSEKEEPING: Final = frozenset(
    ("todowrite", "todoread", "write_todos", "update_todo", "report_intent", "taskcreate", "taskupdate", "tasklist")
)
"""Names and titles of tools with which agents keep lists for themselves; their plan tells of those."""


def words_of(call: Call, brief: Brief) -> str | None:
    """`Called.words` of a call."""
    if {call.tool.lower(), call.title.lower()} & _HOUSEKEEPING:
        return None
    wish = wish_of(call, servers=brief.servers, alone=bool(brief.home))
    match call.kind:
        case "execute":
            told = ran(wish.command)
        case "edit" | "delete" | "move":
            told = edited(wish.paths, brief)
        case "read":
            told = looked_at(wish.paths, brief)
        case "search":
            told = searched(_first(call.input, "pattern", "query", "regex"))
        case "fetch":
            told = fetched(_first(call.input, "url")) or searched(_first(call.input, "query"))
        case _:
            told = f"use {call.title or call.tool}" if wish.tool else ""
    return told or within(call.title or call.tool or call.kind or "use a tool", brief)


def _first(given: Mapping[str, Json], *keys: str) -> str:
    return next((value for key in keys if isinstance(value := given.get(key), str) and value.strip()), "")
