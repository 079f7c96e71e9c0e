"""What a watched run says besides its records: what a save does, and that it waits for the next one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from teamflow.core.events import RunEnded
from teamflow.views.plan import AGAIN, SYMBOLS
from teamflow.views.sanitize import cell
from teamflow.views.width import pad, width
from teamflow.views.words import plural

_MOST: Final = 20
_SYMBOLS: Final = {"added": SYMBOLS["run"], "removed": SYMBOLS["skip"], "again": AGAIN, "changed": AGAIN}
_WIDEST: Final = 40


class Changed(Protocol):
    @property
    def step(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def reason(self) -> str: ...


def changed_lines(steps: Sequence[Changed], message: str) -> list[str]:
    """One line for each step that a save touches, as `plan` has them, under a heading."""
    shown = steps[:_MOST]
    column = min(max((width(cell(each.step)) for each in shown), default=0), _WIDEST)
    lines = [f"{_SYMBOLS[each.kind]} {pad(cell(each.step), column)}  {cell(each.reason)}" for each in shown]
    if len(steps) > _MOST:
        lines.append(f"… and {len(steps) - _MOST} more")
    if message:
        lines.insert(0, cell(message) + (":" if steps else ""))
    return lines


def rest_line(ended: RunEnded, *, files: int) -> str:
    return f"{_word(ended)}; watching {plural(files, 'defining file')} and what steps read: Ctrl-C ends"


def _word(ended: RunEnded) -> str:
    return f"{ended.status} ({cell(ended.reason)})" if ended.reason else ended.status


VALID_AGAIN: Final = "the team file is valid again"
