"""`teamflow approve`: an answer to an approval, from any terminal, whether or not a runner lives."""

from __future__ import annotations

import click

from teamflow.cli.answering import ABOUT_ID, give, note_option
from teamflow.cli.verb import VerbCommand, json_option, run_option


@click.command(
    cls=VerbCommand,
    help=f"""Approve what a step asks for; exit 1 when that is refused.

    {ABOUT_ID}""",
    examples=(
        ("teamflow approve 12.1", "question 1 of run 12"),
        ("teamflow approve ship", "what the step ship asks"),
        ('teamflow approve 12.1 --note "after lunch"', "with a word for those who come after"),
    ),
)
@click.argument("name", metavar="ID")
@note_option
@run_option
@json_option
def approve(name: str, note: str, number: int | None, as_json: bool) -> int:
    return give(name, "approve", run=number, note=note, as_json=as_json)
