"""`teamflow list`: what a team file, or `init`, can name."""

from __future__ import annotations

import click

from teamflow.app.templates import templates
from teamflow.cli.output import out
from teamflow.cli.verb import VerbCommand, json_option
from teamflow.views.json import json_text


@click.command(
    name="list",
    cls=VerbCommand,
    examples=(
        ("teamflow list templates", "what `teamflow init --template NAME` can write"),
        ("teamflow list templates --json", "for a script"),
        ("teamflow init --template review", "one of them"),
    ),
)
@click.argument("what", type=click.Choice(["templates"]))
@json_option
def listing(what: str, as_json: bool) -> None:
    """List templates."""
    found = templates()
    if as_json:
        out(json_text({"schema_version": 1, what: [entry._asdict() for entry in found]}, indent=2) + "\n")
        return
    size = max(len(entry.name) for entry in found)
    out("".join(f"{entry.name:<{size}}  {entry.about}\n" for entry in found))
