"""`teamflow schema`: the JSON Schemas of team files and of test files."""

from __future__ import annotations

import click

from teamflow.cli.output import out
from teamflow.cli.verb import VerbCommand


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow schema", "on stdout"),
        ("teamflow schema > team.schema.json", "for an editor: `# yaml-language-server: $schema=team.schema.json`"),
        ("teamflow schema --test > test.schema.json", "that of team.test.yaml"),
    ),
)
@click.option("--test", "of_tests", is_flag=True, help="That of test files (team.test.yaml).")
@click.option("--json", "as_json", is_flag=True, hidden=True)
def schema(of_tests: bool, as_json: bool) -> None:
    """Print the JSON Schema of the team file, or of test files."""
    if of_tests:
        from teamflow.team.testfile_schema import text_for_tests as schema_text
    else:
        from teamflow.team.schema import schema_text

    out(schema_text().rstrip("\n") + "\n")
