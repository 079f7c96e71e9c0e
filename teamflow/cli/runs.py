"""`teamflow runs`: the runs of this project."""

from __future__ import annotations

import os
import time

import click

from teamflow.app.inspect import NoRun, list_runs, open_project
from teamflow.app.project import project_around
from teamflow.cli.output import columns, out, say
from teamflow.cli.verb import VerbCommand, json_option
from teamflow.views.json import json_text, runs_object
from teamflow.views.runs import RunLine, run_line_object, runs_text


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow runs", "every run of this project, newest first"),
        ("teamflow runs --json", "the same for a script"),
        ("teamflow status -r 3", "one of them"),
    ),
)
@json_option
def runs(as_json: bool) -> None:
    """List the runs of this project, newest first."""
    lines = _lines()
    if as_json:
        out(json_text(runs_object(run_line_object(line) for line in lines), indent=2) + "\n")
    elif lines:
        out(runs_text(lines, now=time.time(), columns=columns()))
    else:
        say("no run yet: start one with `teamflow run`")


def _lines() -> list[RunLine]:
    try:
        with open_project(project_around(os.getcwd()), os.environ) as database:
            return list_runs(database)
    except NoRun:
        return []
