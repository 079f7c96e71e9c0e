"""`teamflow lock`: what a team file uses now, into `teamflow.lock` beside it."""

from __future__ import annotations

import os
import sys

import click

from teamflow.cli.output import out, say, use_color
from teamflow.cli.verb import VerbCommand

ENVIRONMENT = 3


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow lock", "the versions, models and files that team.yaml uses now"),
        ("teamflow lock nightly -i day=1", "of teams/nightly.yaml, which asks for an input"),
        ("teamflow run --locked", "refused where anything differs from it"),
    ),
)
@click.argument("file", required=False, metavar="[FILE|NAME]")
@click.option("-i", "inputs", multiple=True, metavar="NAME=VALUE", help="An input; NAME=@FILE takes a file's content.")
def lock(file: str | None, inputs: tuple[str, ...]) -> int:
    """Write what a team file uses into `teamflow.lock` beside it: versions of agent CLIs, models, digests of personas,
    includes, prompts. It is for git; `plan` tells what differs from it, `run --locked` refuses to begin then."""
    from teamflow.app.lock_file import LockError
    from teamflow.app.locking import lock_team
    from teamflow.views.diagnostics import safe, to_text

    try:
        done = lock_team(file, inputs, environ=os.environ, directory=os.getcwd())
    except LockError as error:
        say("teamflow: " + "\n".join(safe(line) for line in str(error).split("\n")))
        return ENVIRONMENT
    found = done.compiled.diagnostics
    if found is not None and len(found):
        say(to_text(found, done.compiled.sources, color=use_color(sys.stderr)).rstrip("\n"))
    if done.compiled.plan is None:
        return 2
    for line in done.troubles:
        say(safe(f"warning: {line}"))
    out("".join(safe(line) + "\n" for line in done.changes))
    say(safe(f"{done.path}: {'written' if done.changes else 'as it was'}"))
    return 0
