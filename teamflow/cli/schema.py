"""`teamflow schema`: the JSON Schema of the team file."""

from __future__ import annotations

import click

from teamflow.cli.output import out
from teamflow.cli.verb import VerbCommand


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow schema", "on stdout"),
        ("teamflow schema > team.schema.json", "for an editor: `# yaml-language-server: $schema=team.schema.json`"),
        ("teamflow schema | python3 -m json.tool", "checked and indented"),
    ),
)
@click.option("--json", "as_json", is_flag=True, hidden=True)
def schema(as_json: bool) -> None:
    """Print the JSON Schema of the team file."""
    from teamflow.team.schema import schema_text

    out(schema_text().rstrip("\n") + "\n")
