"""The live table as rows of data: which steps are worth a line on a screen of so many lines. Draws nothing.

Order: what runs, what failed, what waits for somebody, what comes next, what has ended (newest first); each in the
order of the plan. What does not fit is counted.
"""

from __future__ import annotations

from datetime import tzinfo
from typing import Final

from teamflow.core.events import Now
from teamflow.core.named import NamedTuple
from teamflow.core.state import RunState, StepState
from teamflow.core.status import Status
from teamflow.views.header import RunHeader
from teamflow.views.overlaps import overlap_lines
from teamflow.views.questions import open_lines
from teamflow.views.shown import shown_steps
from teamflow.views.text import LastLine, StepRow, counts_words, heading, no_last_line, step_row

_RANK: Final = {
    Status.RUNNING: 0,
    Status.FAILED: 1,
    Status.WAITING: 2,
    Status.QUEUED: 3,
    Status.CANCELLED: 4,
    Status.SUCCEEDED: 5,
    Status.PENDING: 6,
    Status.CACHED: 7,
    Status.SKIPPED: 8,
}


class LiveTable(NamedTuple):
    """`left_out`: steps that have no row because the screen is too small."""

    heading: str
    rows: tuple[StepRow, ...]
    left_out: int
    counts: str
    asked: tuple[str, ...] = ()
    """What people are asked, and where worktrees meet, below it all."""


def live_table(
    state: RunState,
    header: RunHeader,
    now: Now,
    *,
    lines: int,
    last_line: LastLine = no_last_line,
    zone: tzinfo | None = None,
) -> LiveTable:
    """At most `lines` rows; where all steps fit they stand in the order of the plan."""
    below = [*open_lines(state, header.number, now=now.wall, zone=zone), *overlap_lines(state)]
    asked = tuple(below)[: max(2, lines // 2)]
    chosen = _chosen(state, max(1, lines - len(asked)))
    rows = tuple(step_row(state, known, header, now, last_line=last_line, zone=zone) for known in chosen)
    left_out = len(shown_steps(state)) - len(rows)
    return LiveTable(heading(state, header, now), rows, left_out, counts_words(state), asked)


def _chosen(state: RunState, lines: int) -> list[StepState]:
    every = shown_steps(state)
    if len(every) <= lines:
        return every
    ranked = sorted(every, key=lambda known: (_RANK[known.status], -(known.ended_at or 0.0), _place(state, known)))
    kept = ranked[: max(1, lines)]
    return sorted(kept, key=lambda known: _place(state, known))


def _place(state: RunState, known: StepState) -> int:
    return state.order[known.step.id]
