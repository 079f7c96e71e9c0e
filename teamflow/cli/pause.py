"""`teamflow pause`: holds back steps or a whole run, from any terminal, whether or not a runner lives."""

from __future__ import annotations

import click

from teamflow.cli.acting import control
from teamflow.cli.verb import VerbCommand, json_option, run_option


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow pause build/api", "ends its process, keeps session and workspace, until `resume`"),
        ("teamflow pause --freeze build", "halts all steps of an agent where they are"),
        ("teamflow pause --all -r 12", "run 12: nothing new starts, and what runs is ended"),
    ),
)
@click.argument("steps", nargs=-1, metavar="[STEP]...")
@click.option("--all", "every", is_flag=True, help="The whole run; that is also what is meant without a STEP.")
@click.option("--freeze", is_flag=True, help="Halt what runs where it is; its deadlines stand still.")
@run_option
@json_option
def pause(steps: tuple[str, ...], every: bool, freeze: bool, number: int | None, as_json: bool) -> int:
    """Hold back steps, or a whole run, until `resume`; exit 1 when that is refused.

    An agent stands for all its steps. What is paused stays so when the run goes on with another runner.
    """
    if every and steps:
        raise click.UsageError("steps or --all, not both")
    return control("pause", steps or None, run=number, as_json=as_json, freeze=freeze)
