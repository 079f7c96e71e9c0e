"""`teamflow rm`: forgets runs of this project."""

from __future__ import annotations

import os

import click

from teamflow.app.failpoints import boundaries
from teamflow.app.forget import forget
from teamflow.app.inspect import NoRun, open_project
from teamflow.app.project import project_around
from teamflow.cli.output import out, say
from teamflow.cli.verb import RUN_NUMBER, VerbCommand, json_option
from teamflow.views.json import json_text


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow rm 3", "forgets run 3; its logs stay"),
        ("teamflow rm 3 4 5 --purge", "these with their logs, as often as you like"),
        ("teamflow runs", "which there are"),
    ),
)
@click.argument("numbers", nargs=-1, required=True, type=RUN_NUMBER, metavar="N...")
@click.option("--purge", is_flag=True, help="Remove files and workspaces, too; a run that is gone already is fine.")
@json_option
def rm(numbers: tuple[int, ...], purge: bool, as_json: bool) -> int:
    """Forget runs: they are listed no more, and nothing goes on with them. One that lives is left alone (exit 1).

    With --purge their logs, worktrees and refs go, too, but no work that is nowhere else: what stays is told.
    """
    told: list[tuple[int, bool, str]] = []
    try:
        with open_project(project_around(os.getcwd()), os.environ) as database:
            for number in dict.fromkeys(numbers):
                told.append(
                    (number, *forget(database, number, purge=purge, environ=os.environ, between=boundaries(os.environ)))
                )
    except NoRun:
        told = [(number, purge, f"run {number}: there is no such run") for number in dict.fromkeys(numbers)]
    if as_json:
        rows = [{"run": number, "ok": done, "message": message} for number, done, message in told]
        out(json_text({"schema_version": 1, "runs": rows}) + "\n")
    for _, done, message in told if not as_json else ():
        out(f"{message}\n") if done else say(f"teamflow: {message}")
    return 0 if all(done for _, done, _ in told) else 1
