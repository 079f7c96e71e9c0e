"""`teamflow path`: the directory that a step works in, for a shell to go to."""

from __future__ import annotations

import os
import sys

import click

from teamflow.app.where import where
from teamflow.cli.opened import opened
from teamflow.cli.output import out, out_bytes, say
from teamflow.cli.verb import VerbCommand, check_step, json_option, run_option
from teamflow.views.json import SCHEMA_VERSION, json_text


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow path build/api", 'where it works, or has worked: cd "$(teamflow path build/api)"'),
        ("teamflow path lint -r 3", "in run 3"),
        ("teamflow path build/api --json", "for a script"),
    ),
)
@click.argument("step")
@run_option
@json_option
def path(step: str, number: int | None, as_json: bool) -> int:
    """Print the directory that a step works in, or worked in last; exit 1 when it is gone, or not made yet."""
    with opened(number) as inspected:
        check_step(step, inspected)
        found = where(inspected, inspected.state.steps[step])
        if as_json:
            row = {"run": inspected.row.number, "step": step, "path": found.path, "there": not found.problem}
            out(json_text({"schema_version": SCHEMA_VERSION, **row}) + "\n")
        elif found.path is not None and not found.problem:
            out_bytes(os.fsencode(found.path) + b"\n")
            sys.stdout.flush()
        if found.problem:
            say(f"teamflow: {found.problem}")
        return 1 if found.problem else 0
