"""`teamflow config`: the team file as it takes effect, each value with its origin."""

from __future__ import annotations

import os
import sys

import click

from teamflow.cli.output import out, say, use_color
from teamflow.cli.verb import VerbCommand, json_option


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow config", "the team file of this directory, with all that it takes from elsewhere"),
        ("teamflow config nightly | grep timeout", "every timeout of teams/nightly.yaml, and where it is set"),
        ("teamflow config --json", "for a script"),
    ),
)
@click.argument("file", required=False, metavar="[FILE|NAME]")
@json_option
def config(file: str | None, as_json: bool) -> int:
    """Print the team file as it takes effect, as YAML, with the origin of each value: includes, personas, defaults and
    what is built in are settled. The values of secrets are never printed."""
    from teamflow.app.config import config_file

    found = config_file(file, environ=os.environ, directory=os.getcwd())
    checked = found.checked
    if len(checked.diagnostics):
        from teamflow.views.diagnostics import to_text

        say(to_text(checked.diagnostics, checked.sources, color=use_color(sys.stderr)).rstrip("\n"))
    if found.settings is None:
        return 2
    if as_json:
        from teamflow.views.config import config_object
        from teamflow.views.json import json_text

        out(json_text(config_object(found.settings, file=checked.name), indent=2) + "\n")
    else:
        from teamflow.team.dump import to_yaml

        out(to_yaml(found.settings))
    return 0
