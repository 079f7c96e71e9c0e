"""What an agent does with a tool, in words for people: the same for all engines, and the same as where leave is asked.

Knows no tool's name; which tool is what kind of doing is its engine's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from teamflow.core.invocation import Brief
from teamflow.core.permissions import EDIT, NET, READ, RUN, Wish, wished

_LONGEST: Final = 1 << 16
"""Characters of what is told: enough for a line, whatever of it is secret."""


def ran(command: str) -> str:
    """The text of a command; '' where there is none, as with all of these."""
    return _words(RUN, command)


def edited(paths: Iterable[str], brief: Brief) -> str:
    return _words(EDIT, ", ".join(within(path, brief) for path in paths))


def looked_at(paths: Iterable[str], brief: Brief) -> str:
    return _words(READ, ", ".join(within(path, brief) for path in paths))


def fetched(url: str) -> str:
    return _words(NET, url)


def searched(what: str) -> str:
    return f"search {what[:_LONGEST].strip()}" if what.strip() else ""


def used(tool: str, server: str) -> str:
    """A tool of an MCP server."""
    return f"use {tool} of the MCP server {server}"[:_LONGEST] if tool and server else ""


def within(path: str, brief: Brief) -> str:
    """A path as it is called in the agent's workspace, where it lies in it."""
    for root in (*brief.roots, brief.cwd):
        if root and path.startswith(f"{root.rstrip('/')}/"):
            return path[len(root.rstrip("/")) + 1 :] or path
    return path


def named(wish: Wish, brief: Brief) -> Wish:
    """A wish to edit, with its files called as in the agent's workspace: who is asked sees what `edited` shows."""
    text = wish.text
    for path in sorted(wish.paths, key=len, reverse=True) if wish.kind == EDIT else ():
        text = text.replace(path, within(path, brief))
    return wish._replace(text=text)


def _words(kind: str, what: str) -> str:
    what = what.strip()[:_LONGEST]
    return wished(kind, what) if what else ""
