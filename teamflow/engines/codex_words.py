"""What Codex does, in words for people: of the items of a turn, for the app server and `exec` alike."""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.invocation import Brief
from teamflow.core.plan import Json
from teamflow.engines.codex_asks import script_of
from teamflow.engines.codex_items import changed_paths, table_of, text_of
from teamflow.engines.doing import edited, looked_at, ran, searched, used


def words_of(item: Mapping[str, Json], brief: Brief) -> str:
    """Of an item that uses a tool; '' where it tells nothing of what it does."""
    name = text_of(item.get("tool"))
    match item.get("type"):
        case "commandExecution" | "command_execution":
            return ran(script_of(text_of(item.get("command"))))
        case "fileChange" | "file_change":
            return edited(changed_paths(item), brief)
        case "mcpToolCall" | "mcp_tool_call":
            return used(name, text_of(item.get("server")))
        case "webSearch" | "web_search":
            # What is looked for is often told only when it is found.
            asked = text_of(item.get("query")) or text_of(table_of(item.get("action")).get("query"))
            return searched(asked) or "search the web"
        case "imageView":
            return looked_at([text_of(item.get("path"))], brief)
        case "collabAgentToolCall" | "collab_tool_call":
            return " ".join(filter(None, (name or "use an agent", text_of(item.get("prompt")))))
        case "dynamicToolCall":
            return f"use {name}" if name else ""
        case "imageGeneration":
            return "make an image"
        case "sleep":
            return "wait"
        case _:
            return ""
