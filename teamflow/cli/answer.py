"""`teamflow answer`: an answer to a question, from any terminal, whether or not a runner lives."""

from __future__ import annotations

import click

from teamflow.cli.answering import ABOUT_ID, give, note_option
from teamflow.cli.verb import VerbCommand, json_option, run_option


@click.command(
    cls=VerbCommand,
    help=f"""Answer a question with one of its options; exit 1 when that is refused.

    {ABOUT_ID}""",
    examples=(
        ("teamflow answer 12.2 staging", "question 2 of run 12"),
        ("teamflow answer where staging", "what the step where asks"),
        ("teamflow answer 2 staging -r 12", "by its number in run 12"),
    ),
)
@click.argument("name", metavar="ID")
@click.argument("text", metavar="ANSWER")
@note_option
@run_option
@json_option
def answer(name: str, text: str, note: str, number: int | None, as_json: bool) -> int:
    return give(name, "answer", run=number, text=text, note=note, as_json=as_json)
