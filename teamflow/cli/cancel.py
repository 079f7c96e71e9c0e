"""`teamflow cancel`: steps or a whole run, from any terminal, whether or not a runner lives."""

from __future__ import annotations

import click

from teamflow.cli.acting import control
from teamflow.cli.verb import VerbCommand, json_option, run_option


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow cancel build/api", "one step of the newest run"),
        ("teamflow cancel --all", "the whole run"),
        ("teamflow cancel --all -r 12", "run 12"),
    ),
)
@click.argument("steps", nargs=-1, metavar="[STEP]...")
@click.option("--all", "every", is_flag=True, help="The whole run.")
@run_option
@json_option
def cancel(steps: tuple[str, ...], every: bool, number: int | None, as_json: bool) -> int:
    """Cancel steps, or a whole run; exit 1 when that is refused. An agent stands for all its steps."""
    if every == bool(steps):
        raise click.UsageError("name the steps to cancel, or --all")
    return control("cancel", None if every else steps, run=number, as_json=as_json)
