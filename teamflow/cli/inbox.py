"""`teamflow inbox`: what people are asked, in all runs of this project."""

from __future__ import annotations

import os
import time

import click

from teamflow.app.inbox import open_items
from teamflow.app.inspect import NoRun, open_project
from teamflow.app.project import project_around
from teamflow.cli.output import out, say
from teamflow.cli.verb import VerbCommand, json_option
from teamflow.views.json import json_text
from teamflow.views.questions import Item, inbox_object, inbox_text


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow inbox", "every open question of this project's runs, oldest first"),
        ("teamflow inbox --json", "the same for a script"),
        ("teamflow approve 12.1", "what to type for one of them"),
    ),
)
@json_option
def inbox(as_json: bool) -> None:
    """List the open questions of this project's runs, each with what to type to answer it."""
    items = _items()
    if as_json:
        out(json_text(inbox_object(items), indent=2) + "\n")
    elif items:
        out(inbox_text(items, now=time.time()))
    else:
        say("nothing is asked")


def _items() -> list[Item]:
    try:
        with open_project(project_around(os.getcwd()), os.environ) as database:
            return open_items(database)
    except NoRun:
        return []
