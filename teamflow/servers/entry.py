"""One server's map out of settings, taken key by key.

Decides what is tolerated (numbers and booleans where texts are due, null for absent) and what is an error with a
place. What nobody has taken is left over, and thereby known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from teamflow.servers.canonical import BadServers


def place(path: str, key: object) -> str:
    """`path` with a key: `mcpServers.docs`, `args[1]`; keys that are no words are quoted."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    text = str(key)
    if text.replace("-", "_").isidentifier():
        return f"{path}.{text}" if path else text
    return f"{path}[{ascii(text) if len(text) < 80 else ascii(text[:80]) + '…'}]"


class Entry:
    """`path`: where it stands, for messages. All methods raise BadServers for what has the wrong type."""

    def __init__(self, value: object, *, path: str) -> None:
        self.path = path
        self._left = {key: value for key, value in table(value, path).items() if value is not None}

    def left(self) -> list[str]:
        """The keys that nobody has taken, in order."""
        return list(self._left)

    def take(self, *keys: str) -> tuple[str, object]:
        """The first of `keys` that is there, with its value; ("", None) for none."""
        for key in keys:
            if key in self._left:
                return key, self._left.pop(key)
        return "", None

    def has(self, *keys: str) -> bool:
        return any(key in self._left for key in keys)

    def seen(self, *keys: str) -> object:
        """The value of the first of `keys` that is there, left where it is."""
        return next((self._left[key] for key in keys if key in self._left), None)

    def text(self, *keys: str) -> str | None:
        key, value = self.take(*keys)
        return text(value, place(self.path, key)) if key else None

    def texts(self, *keys: str) -> tuple[str, ...] | None:
        key, value = self.take(*keys)
        return texts(value, place(self.path, key)) if key else None

    def table(self, *keys: str) -> dict[str, str]:
        """Texts by name; empty when it is not there. Values that are null are not there."""
        key, value = self.take(*keys)
        if not key:
            return {}
        path = place(self.path, key)
        found = table(value, path)
        return {name: text(of, place(path, name)) for name, of in found.items() if of is not None}

    def flag(self, *keys: str) -> bool | None:
        key, value = self.take(*keys)
        if key and not isinstance(value, bool):
            raise BadServers(f"{place(self.path, key)} is to be true or false, and is {_kind(value)}")
        return value if isinstance(value, bool) else None

    def seconds(self, *keys: str, per_second: float) -> float | None:
        """A time that is given with `per_second` units to a second."""
        key, value = self.take(*keys)
        if not key:
            return None
        path = place(self.path, key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadServers(f"{path} is to be a number, and is {_kind(value)}")
        if not 0 < value < 1e15:
            raise BadServers(f"{path} is to be a time above 0")
        return value / per_second


def table(value: object, path: str) -> dict[str, object]:
    """A map with the keys checked."""
    if not isinstance(value, Mapping):
        raise BadServers(f"{path or 'the file'} is to be a map, and is {_kind(value)}")
    return {text(key, f"a key of {path or 'the file'}"): of for key, of in value.items()}


def texts(value: object, path: str) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise BadServers(f"{path} is to be a list of texts, and is {_kind(value)}")
    return tuple(text(one, place(path, number)) for number, one in enumerate(value))


def text(value: object, path: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and (isinstance(value, int) or math.isfinite(value)):
        # Python refuses to write out very long integers, and nobody means one.
        if abs(value) < 1e18:
            return str(int(value)) if value == int(value) else repr(value)
        raise BadServers(f"{path} is to be a text, and is a very large number")
    if not isinstance(value, str):
        raise BadServers(f"{path} is to be a text, and is {_kind(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadServers(f"{path} has half of a surrogate pair in it, which is no character") from None
    return value


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, Mapping):
        return "a map"
    return "a list" if isinstance(value, Sequence) else f"a {type(value).__name__}"
