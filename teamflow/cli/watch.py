"""`teamflow watch`: `run --watch` by another name, with the same words and options."""

from __future__ import annotations

from typing import Any

import click

from teamflow.cli.run import run
from teamflow.cli.verb import VerbCommand


def _watch(**words: Any) -> int:
    """Run a team file and stay: what a save changes is run again."""
    callback = run.callback
    assert callback is not None
    return int(callback(**{**words, "watch": True, "no_input": False}))


watch = VerbCommand(
    "watch",
    callback=_watch,
    help=_watch.__doc__,
    params=[
        click.Argument(["words"], nargs=-1, metavar="[FILE|NAME] [STEP]..."),
        *(parameter for parameter in run.params if parameter.name not in ("words", "watch", "no_input")),
    ],
    examples=(
        ("teamflow watch", "team.yaml, until Ctrl-C"),
        ("teamflow watch nightly lint", "only one step of teams/nightly.yaml, and what it needs"),
        ("teamflow watch --progress plain", "lines instead of the table"),
    ),
)
