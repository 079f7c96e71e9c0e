"""`teamflow events`: the records of a run as JSON lines."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from teamflow.cli.opened import opened
from teamflow.cli.output import out
from teamflow.cli.status import follow
from teamflow.cli.verb import VerbCommand, run_option
from teamflow.core.events import Record
from teamflow.views.json import json_text, record_object


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow events", "every record of the newest run, one JSON object per line"),
        ("teamflow events -f", "and those that come, until the run ends"),
        ("teamflow events -r 3 | grep StepEnded", "how the steps of run 3 ended"),
    ),
)
@click.option("-f", "--follow", "following", is_flag=True, help="Go on with new records until the run ends.")
@run_option
@click.option("--json", "as_json", is_flag=True, hidden=True)
def events(following: bool, number: int | None, as_json: bool) -> None:
    """Print a run's records as JSON lines: seq, at, kind, and the record's own fields."""
    with opened(number) as inspected:
        seen = 0
        while True:
            _print(inspected.records[seen:])
            seen = len(inspected.records)
            if not following or not follow(inspected):
                return


def _print(records: Sequence[Record]) -> None:
    out("".join(json_text(record_object(record)) + "\n" for record in records))
    sys.stdout.flush()
