"""Two live workspaces in which the same file was changed, as a value and as what is recorded of it. Decides nothing.

Not to be confused with the overlap that a plan shows: that is about what two steps declare, this about what they did.
"""

from __future__ import annotations

from typing import Final

from teamflow.core.named import NamedTuple

SOFT: Final = "soft"
"""Both have changed a file, and the changes go together."""
HARD: Final = "hard"
"""They conflict when merged."""


class Overlap(NamedTuple):
    """Between the workspaces of two steps, `first` < `second`. kind: SOFT | HARD. `more`: files beyond `paths`."""

    first: str
    second: str
    kind: str
    paths: tuple[str, ...]
    more: int = 0


class OverlapsSeen(NamedTuple):
    """Fact: these overlaps are there now, and no others; what was recorded before is over."""

    overlaps: tuple[Overlap, ...]
