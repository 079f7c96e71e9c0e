"""`teamflow why`: one line about one step."""

from __future__ import annotations

import click

from teamflow.app.inspect import now, succeeded_before
from teamflow.cli.opened import opened
from teamflow.cli.output import out
from teamflow.cli.verb import VerbCommand, check_step, json_option, run_option
from teamflow.views.json import json_text, wait_object, why_object
from teamflow.views.why import why as why_line


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow why build/api", "why it waits, ran, was skipped, cached, retried, failed"),
        ("teamflow why lint -r 3", "in run 3"),
        ("teamflow why lint --json", "for a script"),
    ),
)
@click.argument("step")
@run_option
@json_option
def why(step: str, number: int | None, as_json: bool) -> None:
    """Say in one line why a step waits, ran, was skipped, cached, retried, failed."""
    with opened(number) as inspected:
        state = inspected.state
        check_step(step, inspected)
        at = inspected.header
        before = succeeded_before(inspected, step)
        line = why_line(state, step, inspected.records, now(), run=at.number, gone=at.gone, lost=at.lost, before=before)
        if as_json:
            wait = wait_object(state, state.steps[step], inspected.header, now())
            told = why_object(step, state.steps[step].status, line.removeprefix(f"{step}: "), wait)
            out(json_text(told) + "\n")
        else:
            out(f"{line}\n")
