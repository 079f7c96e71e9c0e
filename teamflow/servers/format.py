"""What a format is: where in which files its servers stand, and the functions that read and write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from teamflow.core.named import NamedTuple
from teamflow.servers.canonical import Read, Server, Written

Section: TypeAlias = tuple[str, ...]


class Format(NamedTuple):
    """`sections`: the keys that lead to the map of servers, the likeliest first; the first is written.

    `read`: of that map, with its place for messages; raises BadServers. `file`: what it is usually called.
    """

    name: str
    about: str
    file: str
    syntax: Literal["json", "toml"]
    sections: tuple[Section, ...]
    read: Callable[[object, str], Read]
    write: Callable[[Sequence[Server]], Written]
