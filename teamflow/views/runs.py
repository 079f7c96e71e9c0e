"""The list of a project's runs, newest first: as a table and as data for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json
from teamflow.views import words
from teamflow.views.sanitize import cell
from teamflow.views.width import fit, pad, width

_HEADINGS = ("RUN", "STATUS", "TEAM", "FILE", "STARTED", "LAST RECORD")


class RunLine(NamedTuple):
    """One run as the list shows it. `status` is that of the log; `runner`: whether a process works on it now.

    `created` and `updated` are Unix times.
    """

    number: int
    id: str
    team: str
    file: str
    status: str
    exit_reason: str
    created: float
    updated: float
    runner: bool


def status_words(line: RunLine) -> str:
    if line.status not in ("running", "created"):
        return line.status
    if line.runner:
        return "running"
    return "not started" if line.status == "created" else "interrupted (its runner is gone)"


def run_line_object(line: RunLine) -> dict[str, Json]:
    return {
        "run": line.number,
        "id": line.id,
        "team": line.team,
        "file": line.file,
        "status": "running" if line.status == "created" else line.status,
        "exit_reason": line.exit_reason or None,
        "runner": line.runner,
        "created": words.iso(line.created),
        "updated": words.iso(line.updated),
    }


def runs_text(lines: Sequence[RunLine], *, now: float, columns: int | None = None, zone: tzinfo | None = None) -> str:
    """The table; ends with a newline."""
    rows = [_HEADINGS, *(_row(line, now=now, zone=zone) for line in lines)]
    widths = [max(width(row[at]) for row in rows) for at in range(len(_HEADINGS))]
    told = ["  ".join(pad(text, size) for text, size in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "".join(f"{line if columns is None else fit(line, columns)}\n" for line in told)


def _row(line: RunLine, *, now: float, zone: tzinfo | None) -> tuple[str, ...]:
    return (
        str(line.number),
        status_words(line),
        cell(line.team),
        cell(line.file),
        words.moment(line.created, now=now, zone=zone),
        words.moment(line.updated, now=now, zone=zone),
    )
