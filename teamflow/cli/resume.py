"""`teamflow resume`: lets what was paused go on."""

from __future__ import annotations

import click

from teamflow.cli.acting import control
from teamflow.cli.verb import VerbCommand, json_option, run_option


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow resume build/api", "it goes on with its session"),
        ("teamflow resume", "the newest run, and every step of it that is paused"),
        ("teamflow resume --all -r 12", "the same of run 12"),
    ),
)
@click.argument("steps", nargs=-1, metavar="[STEP]...")
@click.option("--all", "every", is_flag=True, help="The whole run; that is also what is meant without a STEP.")
@run_option
@json_option
def resume(steps: tuple[str, ...], every: bool, number: int | None, as_json: bool) -> int:
    """Let paused steps, or a paused run, go on; exit 1 when that is refused."""
    if every and steps:
        raise click.UsageError("steps or --all, not both")
    return control("resume", steps or None, run=number, as_json=as_json)
