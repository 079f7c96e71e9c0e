"""`teamflow reject`: an answer to an approval, from any terminal, whether or not a runner lives."""

from __future__ import annotations

import click

from teamflow.cli.answering import ABOUT_ID, give, note_option
from teamflow.cli.verb import VerbCommand, json_option, run_option


@click.command(
    cls=VerbCommand,
    help=f"""Reject what a step asks for: the step fails; exit 1 when that is refused.

    {ABOUT_ID}""",
    examples=(
        ('teamflow reject 12.1 --note "no tests"', "question 1 of run 12, and why"),
        ("teamflow reject ship", "what the step ship asks"),
        ("teamflow run", "then asks again"),
    ),
)
@click.argument("name", metavar="ID")
@note_option
@run_option
@json_option
def reject(name: str, note: str, number: int | None, as_json: bool) -> int:
    return give(name, "reject", run=number, note=note, as_json=as_json)
