"""`teamflow gc`: removes what nothing needs any more."""

from __future__ import annotations

import os

import click

from teamflow.app.forget import CACHE_LIMIT, collect
from teamflow.app.inspect import NoRun, open_project
from teamflow.app.project import project_around
from teamflow.cli.output import out, say
from teamflow.cli.verb import VerbCommand, json_option
from teamflow.engines.exits import size as size_words
from teamflow.views import words
from teamflow.views.json import json_text


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow gc", "what nothing needs in this project"),
        ("teamflow gc --cache 500MB", "and keep at most so much of the cache"),
        ("teamflow gc --json", "what was removed, for a script"),
    ),
)
@click.option("--cache", "cache", metavar="SIZE", help="What the cache may keep; 5GB without it.")
@json_option
def gc(cache: str | None, as_json: bool) -> None:
    """Remove processes that have lost their owner, purges that were broken off, and results that the cache has no room
    for. Runs, logs and files of yours stay: `rm` forgets runs."""
    limit = CACHE_LIMIT if cache is None else _bytes(cache)
    try:
        with open_project(project_around(os.getcwd()), os.environ) as database:
            found = collect(database, cache_limit=limit)
    except NoRun:
        say("no run yet: there is nothing to remove")
        return
    if as_json:
        out(json_text({"schema_version": 1, **found._asdict()}) + "\n")
        return
    parts = [
        words.plural(found.processes, "process without an owner", "processes without an owner"),
        words.plural(found.directories, "broken-off purge"),
        words.plural(found.results, "cached result"),
    ]
    out(f"removed {parts[0]}, {parts[1]}, {parts[2]}; {size_words(found.freed)} freed\n")


def _bytes(text: str) -> int:
    """Raises UsageError."""
    from teamflow.team.scalars import parse_size

    try:
        return parse_size(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--cache") from error
