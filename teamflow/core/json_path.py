"""Paths into JSON, as `engines` of a team file has them: `result.text`, `messages[-1].content`, `[role=user].text`.

A path leads to one value or to nothing; null counts as nothing. Refuses to know what the value is for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json


class Key(NamedTuple):
    """`.name`, or `["any name"]`: the value of an object's key."""

    name: str


class Index(NamedTuple):
    """`[0]`, `[-1]`: an item of a list, from its end if negative."""

    number: int


class Match(NamedTuple):
    """`[role=assistant]`: the last item of a list of which this holds; of an object: itself, if it holds."""

    keys: tuple[Key, ...]
    value: str


Part: TypeAlias = Key | Index | Match
JsonPath: TypeAlias = tuple[Part, ...]

_NAME: Final = r"[^\s.\[\]\"=]+"
_PART: Final = re.compile(
    rf"""(?P<dot>\.)?(?P<key>{_NAME})
    | \[(?P<index>-?\d{{1,9}})\]
    | \["(?P<quoted>[^"]+)"\]
    | \[(?P<where>{_NAME}(?:\.{_NAME})*)=(?P<value>[^\[\]]+)\]""",
    re.VERBOSE,
)


def parse_path(text: str) -> JsonPath:
    """The parts of a path. Raises ValueError that says from where on it cannot be read."""
    parts: list[Part] = []
    at = 0
    while at < len(text):
        found = _PART.match(text, at)
        # A dot stands between keys, and only there.
        if found is None or (found["key"] is not None and (found["dot"] is None) != (at == 0)):
            raise ValueError(f'it cannot be read from "{text[at : at + 20]}" on')
        parts.append(_part(found))
        at = found.end()
    if not parts:
        raise ValueError("it is empty")
    return tuple(parts)


def find(path: JsonPath, value: Json) -> Json:
    """The value at the end of the path, None where there is none."""
    for part in path:
        match part, value:
            case Key(name), Mapping():
                value = value.get(name)
            case Index(number), list() if -len(value) <= number < len(value):
                value = value[number]
            case Match(), Mapping() if _holds(part, value):
                pass
            case Match(), list():
                value = next((item for item in reversed(value) if _holds(part, item)), None)
            case _:
                return None
    return value


def _part(found: re.Match[str]) -> Part:
    if found["index"] is not None:
        return Index(int(found["index"]))
    if found["where"] is not None:
        return Match(tuple(Key(name) for name in found["where"].split(".")), found["value"])
    return Key(found["quoted"] if found["key"] is None else found["key"])


def _holds(part: Match, item: Json) -> bool:
    match find(part.keys, item):
        case str(text):
            return text == part.value
        case bool() | int() | float() as scalar:
            return json.dumps(scalar) == part.value
        case _:
            return False
