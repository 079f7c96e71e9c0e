"""`teamflow merge`: what steps have left, into the branch that is checked out in the project directory."""

from __future__ import annotations

import os

import click

from teamflow.app.merge import Merged, chosen
from teamflow.app.merge import merge as merge_step
from teamflow.cli.acting import check_names
from teamflow.cli.errors import ENVIRONMENT
from teamflow.cli.opened import opened
from teamflow.cli.output import out, say
from teamflow.cli.verb import VerbCommand, json_option, run_option
from teamflow.views.json import SCHEMA_VERSION, json_text
from teamflow.views.sanitize import clean
from teamflow.workspaces.errors import WorkspaceError


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow merge build/api", "takes what it has left into your branch, and says how to undo that"),
        ("teamflow merge build/api build/web -r 3", "of run 3, one after the other"),
        ('teamflow merge build/api -m "Add the API"', "as a merge commit with this message"),
    ),
)
@click.argument("steps", nargs=-1, required=True, metavar="STEP...")
@click.option("-m", "--message", metavar="TEXT", help="Make a merge commit with this message.")
@run_option
@json_option
def merge(steps: tuple[str, ...], message: str | None, number: int | None, as_json: bool) -> int:
    """Merge what steps have left into the branch that is checked out here, one after the other.

    The checkout has to be clean. The first step that cannot be merged ends it: exit 1 for a conflict or a step that
    has not succeeded, 3 where the checkout does not let it be done; those before it stay merged. An agent stands for
    all its steps.
    """
    told: list[Merged] = []
    code = 0
    with opened(number) as inspected:
        check_names(steps, inspected)
        found = chosen(inspected.state, steps)
        if not found:
            say(f"teamflow: {', '.join(steps)}: there are no steps of it yet")
            return 1
        for known in found:
            try:
                told.append(merge_step(inspected, known, message=message, environ=os.environ))
            except WorkspaceError as error:
                told.append(Merged(known.step.id, f"{known.step.id}: {error}", ok=False))
                code = 1 if error.code == "conflict" else ENVIRONMENT
            if not told[-1].ok:
                code = code or 1
                break
            if not as_json:
                out(f"{told[-1].message}\n")
        if as_json:
            rows = [_object(merged) for merged in told]
            out(json_text({"schema_version": SCHEMA_VERSION, "run": inspected.row.number, "steps": rows}) + "\n")
    if code:
        done = [merged.step for merged in told if merged.landed is not None and merged.landed.new != merged.landed.old]
        say(f"teamflow: {clean(told[-1].message)}" + (f"\n  merged before that: {', '.join(done)}" if done else ""))
    return code


def _object(merged: Merged) -> dict[str, object]:
    landed = merged.landed
    given: dict[str, object] = {"branch": None, "before": None, "after": None, "fast_forward": None}
    if landed is not None:
        given = {
            "branch": landed.branch,
            "before": landed.old,
            "after": landed.new,
            "fast_forward": landed.forward,
        }
    return {"step": merged.step, "ok": merged.ok, **given, "message": merged.message}
