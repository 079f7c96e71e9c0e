"""JSON lines out of an agent's output, which may be anything: cut anywhere, endless, not JSON, not even text.

Knows no protocol. The same bytes in any chunks give the same objects; what is held is bounded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Final, NoReturn

from teamflow.core.plan import Json

LONGEST: Final = 16 << 20
"""Bytes of the longest line that is read; a longer one is passed over."""


def _not_json(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large")
    return value


_decoder: Final = json.JSONDecoder(parse_constant=_not_json, parse_float=_finite)


def parse_json(text: str) -> Json:
    """Strict JSON: no NaN or infinity, nothing too deep to be followed. Raises ValueError.

    Halves of surrogate pairs, which are no text and cannot be stored, become question marks.
    """
    try:
        value: Json = _decoder.decode(text)
        return value if "\\u" not in text else _storable(value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def raw_json(text: str, at: int) -> tuple[Json, int]:
    """The value that begins at `at`, and where it ends. Raises ValueError; JSONDecodeError where the place is known."""
    try:
        value, end = _decoder.raw_decode(text, at)
        return _storable(value), end
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


class JsonLines:
    """`rubbish` counts the lines that were not one JSON object."""

    def __init__(self) -> None:
        self.rubbish = 0
        self._parts: list[bytes] = []
        self._held = 0

    def feed(self, data: bytes) -> Iterator[Mapping[str, Json]]:
        """The objects whose lines end in `data`. To be run through to its end."""
        *ended, rest = data.split(b"\n")
        for line in ended:
            self._hold(line)
            yield from self._take()
        self._hold(rest)

    def finish(self) -> Iterator[Mapping[str, Json]]:
        """What a last line without an end holds, if it is whole."""
        if self._held:
            yield from self._take()

    def _hold(self, part: bytes) -> None:
        self._held += len(part)
        if self._held > LONGEST:
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def _take(self) -> Iterator[Mapping[str, Json]]:
        held, line = self._held, b"".join(self._parts)
        self._parts.clear()
        self._held = 0
        if held > LONGEST:
            self.rubbish += 1
            return
        if not line.strip():
            return
        try:
            value = parse_json(line.decode("utf-8"))
        except ValueError:
            self.rubbish += 1
            return
        if isinstance(value, Mapping):
            yield value
        else:
            self.rubbish += 1


def _storable(value: Json) -> Json:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode("utf-8")
        case Mapping():
            return {str(_storable(key)): _storable(item) for key, item in value.items()}
        case list():
            return [_storable(item) for item in value]
        case _:
            return value
