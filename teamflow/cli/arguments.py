"""Kinds of arguments that several verbs take: durations, and texts that may come from standard input."""

from __future__ import annotations

import sys
from typing import Final

import click

from teamflow.core.plan import NO_CAPS, Caps
from teamflow.store.text import storable

FROM_STDIN: Final = "-"
_MOST: Final = 1e12

LONGEST_STDIN: Final = 1 << 20
"""Bytes: whoever pipes more than this into a verb has not meant to."""


def duration(text: str) -> float:
    """Seconds, of `90s` or `1h30m` as in a team file. Raises BadParameter."""
    # Imported here: --help needs none of what it brings along.
    from teamflow.team.scalars import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def caps(words: tuple[str, ...]) -> Caps:
    """Of `usd=30`, `tokens=4M`, `usd=30,tokens=4M`. Raises BadParameter."""
    if not words:
        return NO_CAPS
    from teamflow.team.scalars import parse_count

    found: dict[str, float] = {}
    for pair in ",".join(words).split(","):
        name, _, value = pair.strip().partition("=")
        try:
            if name not in Caps._fields or name in found:
                raise ValueError("it is usd=30 or tokens=4M, each once")
            number = float(value) if name == "usd" else parse_count(int(value) if value.isdecimal() else value)
            if not 0 < number < _MOST:
                raise ValueError("it has to be more than 0")
        except ValueError as error:
            hint = "usd=N takes dollars, as in usd=30" if "could not convert" in str(error) else str(error)
            raise click.BadParameter(f"{pair!r}: {hint}") from error
        found[name] = number
    return Caps(**found)


def text_argument(text: str) -> str:
    """The text as the store can keep it; `-` stands for what standard input holds. Raises UsageError."""
    if text != FROM_STDIN:
        return storable(text)
    data = sys.stdin.buffer.read(LONGEST_STDIN + 1)
    if len(data) > LONGEST_STDIN:
        raise click.UsageError(
            f"standard input holds more than {LONGEST_STDIN >> 20} MiB: put it into a file, name that"
        )
    return storable(data.decode("utf-8", "surrogateescape"))
