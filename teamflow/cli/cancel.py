"""`teamflow cancel`: steps or a whole run, from any terminal, whether or not a runner lives."""

from __future__ import annotations

import os

import click

from teamflow.app.act import Told, act
from teamflow.app.inspect import Inspected
from teamflow.cli.acting import report, who
from teamflow.cli.opened import opened
from teamflow.cli.verb import VerbCommand, check_step, json_option, run_option
from teamflow.policy.requests import cancel_args
from teamflow.store.lock import RunLock


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow cancel build/api", "one step of the newest run"),
        ("teamflow cancel --all", "the whole run"),
        ("teamflow cancel --all -r 12", "run 12"),
    ),
)
@click.argument("steps", nargs=-1, metavar="[STEP]...")
@click.option("--all", "every", is_flag=True, help="The whole run.")
@run_option
@json_option
def cancel(steps: tuple[str, ...], every: bool, number: int | None, as_json: bool) -> int:
    """Cancel steps, or a whole run; exit 1 when that is refused."""
    if every == bool(steps):
        raise click.UsageError("name the steps to cancel, or --all")
    with opened(number) as inspected:
        for step in steps:
            check_step(step, inspected.state.steps)
        done, message = _cancel(inspected, None if every else steps)
        return report(inspected.row.number, done=done, message=message, as_json=as_json)


def _cancel(inspected: Inspected, steps: tuple[str, ...] | None) -> Told:
    by = who()

    def alone(lock: RunLock, request: int | None) -> Told:
        # Imported here: it brings all that drives a run.
        from teamflow.app.cancel import cancel_alone

        return cancel_alone(inspected, lock, steps, by=by, environ=os.environ)

    return act(inspected, "cancel", cancel_args(steps), by=by, environ=os.environ, alone=alone)
