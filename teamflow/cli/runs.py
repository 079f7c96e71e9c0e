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
from teamflow.views.sanitize import cell


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow runs", "every run of this project, newest first"),
        ("teamflow runs -a", "of every project on this machine"),
        ("teamflow runs --json", "the same for a script"),
    ),
)
@click.option("-a", "--all", "everywhere", is_flag=True, help="The runs of all projects on this machine.")
@json_option
def runs(everywhere: bool, as_json: bool) -> None:
    """List the runs of this project, newest first."""
    if everywhere:
        _everywhere(as_json=as_json)
        return
    lines = _lines()
    if as_json:
        out(json_text(runs_object(run_line_object(line) for line in lines), indent=2) + "\n")
    elif lines:
        out(runs_text(lines, now=time.time(), columns=columns()))
    else:
        say("no run yet: start one with `teamflow run`")


def _everywhere(*, as_json: bool) -> None:
    from teamflow.app.everywhere import runs_everywhere

    found = runs_everywhere(os.environ, warn=lambda message: say(f"teamflow: {message}"))
    if as_json:
        rows = [{**run_line_object(line), "project": one.root} for one in found for line in one.runs]
        out(json_text(runs_object(rows), indent=2) + "\n")
    elif not found:
        say("no project of this machine has a run yet")
    for one in found if not as_json else ():
        out(f"{cell(one.root)}\n{runs_text(one.runs, now=time.time(), columns=columns())}")


def _lines() -> list[RunLine]:
    try:
        with open_project(project_around(os.getcwd()), os.environ) as database:
            return list_runs(database)
    except NoRun:
        return []
