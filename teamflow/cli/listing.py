"""`teamflow list`: what a team file, or `init`, can name."""

from __future__ import annotations

import os
import sys

import click

from teamflow.cli.output import columns, out, say, use_color
from teamflow.cli.verb import VerbCommand, json_option
from teamflow.core.plan import Json
from teamflow.views.json import json_text


@click.command(
    name="list",
    cls=VerbCommand,
    examples=(
        ("teamflow list engines", "which agent CLIs are installed, and what each can do"),
        ("teamflow list personas --json", "who an agent of team.yaml can be, for a script"),
        ("teamflow list templates", "what `teamflow init --template NAME` can write"),
    ),
)
@click.argument("what", type=click.Choice(["engines", "personas", "targets", "templates"]))
@click.argument("file", required=False, metavar="[FILE|NAME]")
@json_option
def listing(what: str, file: str | None, as_json: bool) -> int:
    """List engines, personas, targets or templates; engines, personas and targets with those of a team file.

    Engines are asked for their versions; no program that a team file names is started.
    """
    if what == "templates" and file is not None:
        raise click.UsageError("templates are of no team file: leave its name out")
    if what == "engines":
        return _engines(file, as_json=as_json)
    if what == "personas":
        return _personas(file, as_json=as_json)
    return _targets(file, as_json=as_json) if what == "targets" else _templates(as_json=as_json)


def _templates(*, as_json: bool) -> int:
    from teamflow.app.templates import templates

    found = templates()
    if as_json:
        return _json({"schema_version": 1, "templates": [entry._asdict() for entry in found]})
    size = max(len(entry.name) for entry in found)
    out("".join(f"{entry.name:<{size}}  {entry.about}\n" for entry in found))
    return 0


def _engines(file: str | None, *, as_json: bool) -> int:
    from teamflow.app.engines import list_engines
    from teamflow.views.engines import engines_object, engines_text

    found = list_engines(file, environ=os.environ, directory=os.getcwd())
    if as_json:
        return _json(engines_object(found))
    out(engines_text(found))
    return 0


def _personas(file: str | None, *, as_json: bool) -> int:
    from teamflow.app.personas import list_personas
    from teamflow.views.diagnostics import to_text
    from teamflow.views.personas import personas_object, personas_text

    found = list_personas(file, os.getcwd())
    if len(found.diagnostics):
        say(to_text(found.diagnostics, found.sources, color=use_color(sys.stderr)).rstrip("\n"))
    if as_json:
        _json(personas_object(found.lines))
    else:
        out(personas_text(found.lines, columns=columns()))
    return 2 if found.diagnostics.has_errors else 0


def _targets(file: str | None, *, as_json: bool) -> int:
    from teamflow.app.engines import list_targets
    from teamflow.views.sanitize import cell

    found = list_targets(file, directory=os.getcwd())
    if as_json:
        return _json({"schema_version": 1, "targets": [{"name": name, "about": about} for name, about in found]})
    size = max(len(name) for name, _ in found)
    out("".join(f"{cell(name):<{size}}  {cell(about)}\n" for name, about in found))
    return 0


def _json(value: Json) -> int:
    out(json_text(value, indent=2) + "\n")
    return 0
