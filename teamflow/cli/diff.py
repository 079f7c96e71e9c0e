"""`teamflow diff`: what a step has changed, as git shows it."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from teamflow.app.changed import Differences, NothingToSee, differences
from teamflow.app.inspect import Inspected
from teamflow.cli.opened import opened
from teamflow.cli.output import columns, out, out_bytes, say, use_color
from teamflow.cli.verb import VerbCommand, check_step, json_option, run_option
from teamflow.core.work import Change, Ready
from teamflow.views.json import SCHEMA_VERSION, json_text
from teamflow.views.patch import patch_lines, shown_lines
from teamflow.views.sanitize import cell


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow diff build/api", "what it has changed; while it works, so far"),
        ("teamflow diff build/api --stat", "how much, in which files"),
        ("teamflow diff build/api -- src | git apply", "only below src, taken into your own files"),
    ),
)
@click.argument("step")
@click.argument("paths", nargs=-1, metavar="[-- PATH...]")
@click.option("--stat", is_flag=True, help="How many lines of which files.")
@click.option("--name-only", is_flag=True, help="Names of files, one in a line.")
@run_option
@json_option
def diff(step: str, paths: tuple[str, ...], stat: bool, name_only: bool, number: int | None, as_json: bool) -> int:
    """Show what a step has changed since it began, also while it runs: new files with it, ignored ones without.

    On a terminal text is cleaned and secrets are hidden; elsewhere it is the patch as git makes it.
    """
    if stat + name_only + as_json > 1:
        raise click.UsageError("one of --stat, --name-only and --json")
    with opened(number) as inspected:
        check_step(step, inspected)
        known = inspected.state.steps[step]
        below = [_from_top(path, known.ready, inspected.layout.root) for path in paths]
        try:
            found = differences(inspected, known, environ=os.environ)
        except NothingToSee as error:
            say(f"teamflow: {error}")
            return 1
        for line in found.aside:
            say(f"{step}: {cell(line)}")
        changes = found.changes(below)
        if as_json:
            out(json_text(_object(inspected, step, found, changes)) + "\n")
        elif not changes:
            say(f"{step}: no changes{' in ' + ', '.join(paths) if paths else ''}")
        elif name_only:
            _print(inspected, b"".join(os.fsencode(change.path) + b"\n" for change in changes))
        elif stat:
            _print(inspected, found.stat(below, columns=columns()))
        else:
            _print(inspected, found.patch(below, whole=not _for_people()), patch=True)
        return 0


def _from_top(path: str, ready: Ready | None, root: str) -> str:
    """As paths in the repository are named, from the project or from the step's workspace. UsageError: it lies outside
    of that one of the two that we are in."""
    here = os.path.realpath(os.getcwd())
    if ready is not None and f"{here}/".startswith(f"{ready.path}/"):
        root = ready.path
    found = os.path.relpath(os.path.normpath(os.path.join(here, path)), os.path.realpath(root))
    if found == ".." or found.startswith("../"):
        raise click.UsageError(f"{path} lies outside of {root}")
    return found


def _for_people() -> bool:
    """Whether it is to be looked at, and not for a program."""
    return columns() is not None or use_color()


def _print(inspected: Inspected, data: bytes, *, patch: bool = False) -> None:
    if not _for_people():
        out_bytes(data)
        return
    told = inspected.redactor.bytes(data)
    for line in patch_lines(told, color=use_color()) if patch else shown_lines(told):
        out(f"{line}\n")


def _object(inspected: Inspected, step: str, found: Differences, changes: Sequence[Change]) -> dict[str, object]:
    rows = [
        {
            "path": change.path,
            "kind": change.kind,
            "added": None if change.binary else change.added,
            "deleted": None if change.binary else change.deleted,
            "binary": change.binary,
        }
        for change in changes
    ]
    head = {"schema_version": SCHEMA_VERSION, "run": inspected.row.number, "step": step}
    return {**head, "before": found.before, "after": found.after, "aside": list(found.aside), "files": rows}
