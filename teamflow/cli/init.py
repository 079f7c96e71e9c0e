"""`teamflow init`: a commented team file that runs as it is."""

from __future__ import annotations

import os

import click

from teamflow.cli.output import out, say
from teamflow.cli.verb import VerbCommand, json_option
from teamflow.views.json import json_text


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow init", "team.yaml here"),
        ("teamflow init --template review demo", "another template, in the directory demo"),
        ("teamflow list templates", "what there is"),
    ),
)
@click.option(
    "--template", "name", default="default", show_default=True, metavar="NAME", help="Which team to start from."
)
@click.argument("directory", default=".", metavar="[DIR]")
@json_option
def init(name: str, directory: str, as_json: bool) -> int:
    """Write a commented team file that runs as it is, without an account or a network."""
    from teamflow.app.templates import InitError, write_template

    try:
        written = write_template(name, directory)
    except InitError as error:
        say(f"teamflow: {error}")
        return 2
    if as_json:
        told = {"schema_version": 1, "files": written.files, "gitignore": written.gitignore}
        out(json_text(told, indent=2) + "\n")
        return 0
    for path in written.files:
        out(f"{os.path.relpath(path)}\n")
    if written.gitignore is not None:
        say(f"added .teamflow/ to {os.path.relpath(written.gitignore)}")
    here = os.path.realpath(".") == written.directory
    say(
        "next: "
        + ("" if here else f"cd {os.path.relpath(written.directory)}, then ")
        + "teamflow plan and teamflow run"
    )
    return 0
