"""The personas that an agent can name, as `list personas` shows them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json
from teamflow.views.sanitize import cell
from teamflow.views.width import fit, pad, width

_HEADS: Final = ("persona", "engine", "may", "from", "instructions")
_WIDEST: Final = (32, 28, 40, 44)
_LONGEST: Final = 80
"""Columns to which one is filled up where nothing is cut."""


class PersonaLine(NamedTuple):
    """One persona. `origin`: the file that it stands in, as seen from here. `engine`: `claude/opus`, with what may take
    over. `permissions`: in words. `trouble`: why its file cannot be used."""

    name: str
    origin: str
    engine: str
    permissions: str
    first_line: str
    description: str = ""
    trouble: str = ""


def personas_text(lines: Sequence[PersonaLine], *, columns: int | None) -> str:
    """A table that is at most `columns` wide (None: nothing is cut), with a last newline."""
    if not lines:
        return (
            "no personas: declare them under personas, or write personas/NAME.md beside the team file, "
            "or .claude/agents/NAME.md\n"
        )
    rows = [_HEADS, *(_cells(line) for line in lines)]
    widest = _WIDEST if columns is not None else (_LONGEST,) * len(_WIDEST)
    sizes = [min(max(width(row[index]) for row in rows), most) for index, most in enumerate(widest)]
    return "".join(fit(_row(row, sizes, cut=columns is not None), columns).rstrip() + "\n" for row in rows)


def _row(row: tuple[str, ...], sizes: Sequence[int], *, cut: bool) -> str:
    return "  ".join(
        [*(pad(fit(one, size) if cut else one, size) for one, size in zip(row, sizes, strict=False)), row[-1]]
    )


def _cells(line: PersonaLine) -> tuple[str, ...]:
    last = f"cannot be used: {line.trouble}" if line.trouble else line.first_line
    return tuple(map(cell, (line.name, line.engine, line.permissions, line.origin, last)))


def personas_object(lines: Sequence[PersonaLine]) -> dict[str, Json]:
    """The object of `list personas --json`."""
    return {
        "schema_version": 1,
        "personas": [
            {
                "name": line.name,
                "from": line.origin,
                "engine": line.engine,
                "permissions": line.permissions,
                "instructions": line.first_line,
                "description": line.description,
                "trouble": line.trouble or None,
            }
            for line in lines
        ],
    }
