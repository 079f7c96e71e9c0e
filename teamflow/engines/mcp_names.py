"""Whose tool `mcp__SERVER__TOOL` is. Decides by whole names of servers: a name that could be of two is of neither."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

MARK: Final = "mcp__"
_ENDS: Final = re.compile("(?<=.)(?=__.)")
_ODD: Final = re.compile(r"[^A-Za-z0-9_-]")


def written(server: str) -> str:
    """A server's name as it stands in names of tools."""
    return _ODD.sub("_", server)


def is_given(name: str, servers: Iterable[str], *, alone: bool) -> bool:
    """Whether a tool is one of these servers'. `alone`: the agent has no others.

    `mcp__a__b__t` may be `b__t` of the server `a`, or `t` of a server `a__b`.
    """
    bare = name.removeprefix(MARK)
    if bare == name:
        return False
    known = {written(server) for server in servers}
    possible = {bare[: end.start()] for end in _ENDS.finditer(bare)}
    return bool(possible & known) and (alone or possible <= known)
