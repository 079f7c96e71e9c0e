"""Kinds of arguments that several verbs take: durations, and texts that may come from standard input."""

from __future__ import annotations

import sys
from typing import Final

import click

from teamflow.store.text import storable

FROM_STDIN: Final = "-"
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
