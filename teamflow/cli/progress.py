"""`teamflow progress`: how far a step is, by its own word. Called inside a step."""

from __future__ import annotations

import os
import re

import click

from teamflow.app.act import ask
from teamflow.cli.acting import report
from teamflow.cli.opened import opened
from teamflow.cli.verb import VerbCommand, json_option
from teamflow.policy.control import progress_args
from teamflow.store.text import storable

_NEEDED = ("TEAMFLOW_PROJECT", "TEAMFLOW_RUN", "TEAMFLOW_STEP", "TEAMFLOW_ATTEMPT")
_PERCENT = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]*)?%?\Z")


@click.command(
    cls=VerbCommand,
    context_settings={"help_option_names": ["-h", "--help"], "ignore_unknown_options": True},
    examples=(
        ("teamflow progress 40 'third file of seven'", "in a step: 40 %, and what it does"),
        ("teamflow progress 100%", "the text that was there is taken away"),
        ("teamflow status", "where it is shown"),
    ),
)
@click.argument("percent", metavar="PCT")
@click.argument("text", default="", metavar="[TEXT]")
@json_option
def progress(percent: str, text: str, as_json: bool) -> int:
    """Report how far this step is, from 0 to 100; exit 1 when its attempt is over.

    The step is the one that calls it, by its TEAMFLOW_* variables.
    """
    if not _PERCENT.match(percent):
        raise click.UsageError(f"PCT is a number from 0 to 100, not {percent!r}")
    values = {name: os.environ.get(name, "") for name in _NEEDED}
    missing = [name for name, value in values.items() if not value]
    if missing or not values["TEAMFLOW_RUN"].isdigit() or not values["TEAMFLOW_ATTEMPT"].isdigit():
        raise click.UsageError(
            f"this is no step of a run: {', '.join(missing) or 'TEAMFLOW_RUN'} is not set\n"
            "  `progress` is for the commands and agents that teamflow starts"
        )
    share = float(percent.rstrip("%"))
    args = progress_args(values["TEAMFLOW_STEP"], int(values["TEAMFLOW_ATTEMPT"]), share, storable(text))
    with opened(int(values["TEAMFLOW_RUN"]), root=values["TEAMFLOW_PROJECT"]) as inspected:
        done, message = ask(
            inspected, "progress", inspected.redactor.text(args), by=values["TEAMFLOW_STEP"], environ=os.environ
        )
        if done and not as_json:
            # What a step prints may be its result.
            return 0
        return report(inspected.row.number, done=done, message=message.partition("\n")[0], as_json=as_json)
