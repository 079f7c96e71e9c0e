"""`teamflow retry`: a new attempt of what failed."""

from __future__ import annotations

import click

from teamflow.cli.acting import control
from teamflow.cli.verb import VerbCommand, json_option, run_option


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow retry build/api", "a new attempt, told why the last one failed"),
        ("teamflow retry --failed", "all that failed or was cancelled, with what was skipped because of it"),
        ("teamflow retry build --with-downstream", "and all that depends on it, whatever came of that"),
    ),
)
@click.argument("steps", nargs=-1, metavar="[STEP]...")
@click.option("--failed", is_flag=True, help="All steps that failed or were cancelled.")
@click.option("--with-downstream", "downstream", is_flag=True, help="Also do again what depends on them.")
@run_option
@json_option
def retry(steps: tuple[str, ...], failed: bool, downstream: bool, number: int | None, as_json: bool) -> int:
    """Try failed or cancelled steps again, or at once what waits to be tried again; exit 1 when that is refused.

    What was skipped because of them comes along. An agent stands for all its steps.
    """
    if failed == bool(steps):
        raise click.UsageError("name the steps to retry, or --failed")
    return control("retry", None if failed else steps, run=number, as_json=as_json, downstream=downstream)
