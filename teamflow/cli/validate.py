"""`teamflow validate`: every problem of team files at once."""

from __future__ import annotations

import os
import sys

import click

from teamflow.cli.output import out, say, use_color
from teamflow.cli.verb import VerbCommand
from teamflow.core.diagnostics import Diagnostics


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow validate", "the team file of this directory"),
        ("teamflow validate teams/*.yaml", "several"),
        ("teamflow validate --format json", "for an editor or CI"),
    ),
)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def validate(files: tuple[str, ...], form: str, as_json: bool) -> int:
    """Report every problem of team files at once; exit 2 when there is an error."""
    from teamflow.app.validate import validate_file
    from teamflow.views.diagnostics import to_json, to_text

    found = Diagnostics()
    sources: dict[str, str] = {}
    names: list[str] = []
    for word in files or (None,):
        checked = validate_file(word, os.getcwd())
        found.extend(checked.diagnostics)
        sources.update(checked.sources)
        names.append(checked.name)
    if as_json or form == "json":
        from teamflow.views.json import json_text

        out(json_text(to_json(found), indent=2) + "\n")
    elif len(found):
        out(to_text(found, sources, color=use_color()))
    if not found.has_errors and not (as_json or form == "json"):
        sys.stdout.flush()
        say(f"{', '.join(names)}: {'no errors' if len(found) else 'valid'}")
    return 2 if found.has_errors else 0
