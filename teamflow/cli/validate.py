"""`teamflow validate`: every problem of team files at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import click

from teamflow.cli.output import out, say, use_color
from teamflow.cli.verb import VerbCommand
from teamflow.core.diagnostics import Diagnostics

_FROM_TOP = ("github", "sarif")
"""Forms that are shown beside the files of a repository."""


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow validate", "the team file of this directory"),
        ("teamflow validate teams/*.yaml", "several"),
        ("teamflow validate --format github", "annotations in a GitHub workflow; sarif for code scanning"),
    ),
)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "github", "sarif"]), default="text", show_default=True
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def validate(files: tuple[str, ...], form: str, as_json: bool) -> int:
    """Report the problems of team files, as many as can be seen at once; exit 2 when there is an error.

    What depends on inputs (matrices, overlapping `writes`) is for `teamflow plan` to find.
    """
    from teamflow.app.validate import validate_file

    if as_json and form in _FROM_TOP:
        raise click.UsageError(f"--json and --format {form} are two forms of one answer: take one")
    if as_json:
        form = "json"
    found = Diagnostics()
    sources: dict[str, str] = {}
    names: list[str] = []
    for word in files or (None,):
        checked = validate_file(word, os.getcwd(), from_top=form in _FROM_TOP)
        found.extend(checked.diagnostics)
        sources.update(checked.sources)
        names.append(checked.name)
    out(_shown(found, sources, form))
    if not found.has_errors and form in ("text", "github"):
        sys.stdout.flush()
        say(f"{', '.join(names)}: {'no errors' if len(found) else 'valid'}")
    return 2 if found.has_errors else 0


def _shown(found: Diagnostics, sources: Mapping[str, str], form: str) -> str:
    if form == "text":
        from teamflow.views.diagnostics import to_text

        return to_text(found, sources, color=use_color())
    if form == "github":
        from teamflow.views.github import to_github

        return to_github(found)
    from teamflow.views.json import json_text

    if form == "sarif":
        from teamflow import __version__
        from teamflow.views.sarif import to_sarif

        return json_text(to_sarif(found, version=__version__), indent=2) + "\n"
    from teamflow.views.diagnostics import to_json

    return json_text(to_json(found), indent=2) + "\n"
