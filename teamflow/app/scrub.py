"""What a fixture must not hold: secrets by value, and words that name this machine, its user and where things lie.

Names become stable ones of the same meaning, so two recordings of the same thing are the same. Ids of sessions stay:
they are no secrets, and streams name them in many places.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from teamflow.core.redact import Redactor
from teamflow.core.takes import Told

HOME: Final = "/home/user"
PROJECT: Final = "/home/user/project"
USER: Final = "user"
HOST: Final = "host"

_COMMON: Final = frozenset(
    {"root", "user", "admin", "host", "localhost", "test", "agent", "build", "node", "ubuntu", "vm"}
)
"""Names that say nothing of anybody, and are words of many texts."""
_SHORTEST: Final = 3


class Scrub:
    """`words`: further texts that become others."""

    def __init__(
        self, redactor: Redactor, *, project: str, home: str, user: str, host: str, words: Mapping[str, str] = {}
    ) -> None:
        self._redactor = redactor
        pairs: dict[str, str] = dict(words)
        for path, stable in ((project, PROJECT), (home, HOME)):
            if len(path) > 1:
                pairs |= {spelled(path): spelled(stable) for spelled in _SPELLINGS}
        names = {name: stable for name, stable in ((user, USER), (host, HOST)) if tells(name)}
        self._pairs = {old.encode("utf-8", "surrogateescape"): new.encode() for old, new in (pairs | names).items()}
        longest = sorted(pairs, key=len, reverse=True)
        parts = [re.escape(word.encode("utf-8", "surrogateescape")) for word in longest]
        parts += [rb"(?<![A-Za-z0-9_])" + re.escape(name.encode()) + rb"(?![A-Za-z0-9_])" for name in names]
        self._found = re.compile(b"|".join(parts)) if parts else None

    def raw(self, data: bytes) -> bytes:
        clean = self._redactor.bytes(data)
        return self._found.sub(lambda found: self._pairs[found.group()], clean) if self._found is not None else clean

    def text(self, text: str) -> str:
        return self.raw(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def json(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return {self.text(str(key)): self.json(item) for key, item in value.items()}
            case list() | tuple():
                return [self.json(item) for item in value]
            case _:
                return value

    def stream(self, data: bytes, told: Sequence[Told]) -> tuple[bytes, tuple[Told, ...]]:
        """A stream and what was told in it, each at the end of the line in which it was told."""
        clean = self.raw(data)
        moved = (
            each._replace(offset=self._moved(data, clean, each.offset), data=self.text(each.data)) for each in told
        )
        return clean, tuple(moved)

    def _moved(self, data: bytes, clean: bytes, offset: int) -> int:
        """Where a place of `data` is in `clean`; never before what was printed by then."""
        if offset <= 0:
            return 0
        line = data.find(b"\n", offset - 1)
        if line < 0:
            return len(clean)
        place = min(len(self.raw(data[: line + 1])), len(clean))
        if clean == data or (place and clean[place - 1 : place] == b"\n"):
            return place
        end = clean.find(b"\n", place)
        return len(clean) if end < 0 else end + 1


def tells(name: str) -> bool:
    """Whether a name says something of somebody, and is no word of many texts."""
    return len(name) >= _SHORTEST and name.lower() not in _COMMON


def _escaped(path: str) -> str:
    return path.replace("/", "\\/")


def _dashed(path: str) -> str:
    """As some CLIs name directories after projects."""
    return re.sub("[^A-Za-z0-9]", "-", path)


def _quoted(path: str) -> str:
    return quote(path, safe="")


_SPELLINGS: Final = (str, _escaped, _dashed, _quoted)
