"""The table of a run: rows as data, and as text of a given width. Statuses are words, never colours alone.

Rows come in the order of the plan. Refuses to know terminals: the width is an argument, colours are the front end's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import Final

from teamflow.core.events import Now
from teamflow.core.named import NamedTuple
from teamflow.core.state import RunState, StepState
from teamflow.core.status import Status
from teamflow.views import words
from teamflow.views.figures import counts, run_cost_words, run_seconds, step_cost, step_seconds
from teamflow.views.header import RunHeader
from teamflow.views.overlaps import overlap_lines
from teamflow.views.questions import open_lines
from teamflow.views.sanitize import cell
from teamflow.views.shown import shown_steps
from teamflow.views.why import short_reason
from teamflow.views.width import fit, pad, width

HEADINGS: Final = ("STEP", "STATUS", "ENGINE", "TARGET", "TIME", "COST", "LAST LINE OR REASON")
_RIGHT: Final = (False, False, False, False, True, True, False)
_HERE: Final = "local"
_LONGEST_ID: Final = 40
_GAP: Final = "  "

LastLine = Callable[[str, int], str]
"""(step, attempt) → the last line of its output, redacted; empty: none."""


class StepRow(NamedTuple):
    """One line of the table; every text is clean for a terminal."""

    id: str
    status: Status
    engine: str
    target: str
    time: str
    cost: str
    last: str


def no_last_line(step_id: str, attempt: int) -> str:
    return ""


def step_row(
    state: RunState,
    known: StepState,
    header: RunHeader,
    now: Now,
    *,
    last_line: LastLine = no_last_line,
    zone: tzinfo | None = None,
) -> StepRow:
    step, lost = known.step, header.lost
    told = short_reason(state, known, now, run=header.number, gone=header.gone, lost=lost, zone=zone)
    seconds = step_seconds(state, known, now)
    by = step.by(known.attempts[-1].fallback) if known.attempts else step
    model = f"{by.engine}/{by.model}" if by.model else by.engine
    return StepRow(
        cell(step.id),
        known.status,
        cell(model),
        cell(step.target),
        "-" if seconds is None else words.duration(seconds),
        _cost(known),
        cell(_last(known, told, no_last_line if lost else last_line)),
    )


def _cost(known: StepState) -> str:
    """`-`: nothing was spent that teamflow could know of; `unknown`: the engine did not tell."""
    cost = step_cost(known)
    if cost.usage.usd is None:
        return "unknown" if cost.partial else "-"
    return f"{words.usd(cost.usage.usd)}{'+' if cost.partial else ''}"


def _last(known: StepState, told: str, last_line: LastLine) -> str:
    live = known.live
    if live is None or live.stopping is not None or known.status is not Status.RUNNING:
        return told
    line = last_line(known.step.id, live.number)
    if known.progress is not None and known.progress[1] and line.endswith(known.progress[1]):
        return told
    return f"{told}: {line}" if told and line else told or line


def headings(rows: Sequence[StepRow]) -> tuple[str, ...]:
    """The columns that say something: where everything is done on this machine, none says so."""
    here = all(row.target == _HERE for row in rows)
    return tuple(name for name in HEADINGS if not (here and name == "TARGET"))


def table(rows: Sequence[StepRow], *, columns: int | None) -> list[str]:
    """Lines of at most `columns` columns (None: as wide as they are), the headings first."""
    shown = [HEADINGS.index(name) for name in headings(rows)]
    whole = [HEADINGS, *((row.id, row.status.value, *row[2:]) for row in rows)]
    cells = [tuple(line[at] for at in shown) for line in whole]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    right = [_RIGHT[at] for at in shown]
    if columns is not None:
        widths[0] = min(widths[0], max(_LONGEST_ID, columns // 3))
    return [_line(line, widths, right, columns=columns) for line in cells]


def _line(texts: Sequence[str], widths: Sequence[int], right: Sequence[bool], *, columns: int | None) -> str:
    parts = [
        pad(fit(text, columns_of), columns_of, right=to_the_right)
        for text, columns_of, to_the_right in zip(texts[:-1], widths[:-1], right[:-1], strict=True)
    ]
    line = _GAP.join((*parts, texts[-1])).rstrip()
    return line if columns is None else fit(line, columns)


def run_status(state: RunState, header: RunHeader) -> str:
    """The run's status in words. The log of a run whose runner died still says `running`."""
    paused = f"paused by {state.paused}: nothing new starts" if state.paused else ""
    if state.ended is not None:
        # One that is watched stays when it has ended, and may be paused.
        return f"{state.ended.status}, {paused}" if paused and state.ended.status != "paused" else state.ended.status
    if not header.gone:
        return "stopping" if state.stop is not None else paused or "running"
    if paused:
        return f"{paused} (no runner works on it)"
    return "not started" if state.started is None else "interrupted (its runner is gone)"


def counts_words(state: RunState) -> str:
    """`6 steps: 1 running, 2 pending, 3 succeeded`."""
    told = ", ".join(f"{number} {status.value}" for status, number in counts(state).items())
    return f"{words.plural(len(shown_steps(state)), 'step')}{': ' + told if told else ''}"


def heading(state: RunState, header: RunHeader, now: Now) -> str:
    """The line above a table: which run, how it stands, how long, what it cost so far."""
    played = f", a replay of {cell(header.replay)}" if header.replay else ""
    parts = [f"run {header.number} of {cell(header.team)}{played}: {run_status(state, header)}"]
    seconds = run_seconds(state, now, gone=header.gone)
    if seconds is not None:
        parts.append(words.duration(seconds))
    told = run_cost_words(state)
    if told:
        parts.append(told)
    return ", ".join(parts)


def status_text(
    state: RunState,
    header: RunHeader,
    now: Now,
    *,
    columns: int | None = None,
    last_line: LastLine = no_last_line,
    zone: tzinfo | None = None,
) -> str:
    """What `status` prints: heading, table, counts; ends with a newline."""
    rows = [step_row(state, known, header, now, last_line=last_line, zone=zone) for known in shown_steps(state)]
    asked = open_lines(state, header.number, now=now.wall, zone=zone)
    lines = [heading(state, header, now), "", *table(rows, columns=columns), "", counts_words(state)]
    found = overlap_lines(state)
    lines += ["", *found] if found else []
    lines += ["", *asked] if asked else []
    if state.ended is not None and state.ended.reason:
        lines[1:1] = [f"  {cell(state.ended.reason)}"]
    return "".join(f"{line}\n" for line in lines)
