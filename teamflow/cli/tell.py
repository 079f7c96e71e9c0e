"""`teamflow tell`: a message to agents, whether they are at work or not."""

from __future__ import annotations

import os

import click

from teamflow.cli.acting import control
from teamflow.cli.arguments import text_argument
from teamflow.cli.verb import VerbCommand, json_option, run_option
from teamflow.policy.control import steps_args


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow tell build/api 'leave the database alone'", "at once where it takes that, else at its next turn"),
        ("teamflow tell --all 'the API is down until noon'", "every agent that is at work or will be"),
        ("teamflow tell build - < notes.md", "all steps of an agent, from standard input"),
    ),
)
@click.argument("words", nargs=-1, required=True, metavar="STEP TEXT")
@click.option("--all", "every", is_flag=True, help="Every agent that is at work or will be; then there is no STEP.")
@run_option
@json_option
def tell(words: tuple[str, ...], every: bool, number: int | None, as_json: bool) -> int:
    """Tell agents something; exit 1 when they cannot hear it.

    An engine that takes messages while it works gets it at once. Else the step hears it when its next attempt begins;
    if it would succeed without that, its session goes on with the message first. TEXT - is standard input.
    """
    steps = None if every else words[:1]
    rest = words if every else words[1:]
    if len(rest) != 1:
        raise click.UsageError("TEXT is missing" if not rest else f"TEXT is one argument: quote it{_or_step(every)}")
    text = text_argument(rest[0])
    return control(
        "tell", steps, run=number, as_json=as_json, args=steps_args(steps, text=text, sender=_sender(number))
    )


def _sender(number: int | None) -> str:
    """The step that this is called from, where it belongs to the run that is told; empty: a person tells."""
    inside = os.environ.get("TEAMFLOW_RUN", "")
    return os.environ.get("TEAMFLOW_STEP", "") if inside and (number is None or str(number) == inside) else ""


def _or_step(every: bool) -> str:
    return "; with --all there is no STEP" if every else ""
