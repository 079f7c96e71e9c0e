"""`teamflow cancel`: steps or a whole run, from any terminal, whether or not a runner lives."""

from __future__ import annotations

import getpass
import os
import time

import click

from teamflow.app.inspect import Inspected, answer_to, request_args
from teamflow.cli.opened import opened
from teamflow.cli.output import out, say
from teamflow.cli.verb import VerbCommand, check_step, json_option, run_option
from teamflow.store.wake import wake
from teamflow.views.json import json_text

PATIENCE = 5.0
"""Seconds in which a living runner answers."""

_TICK = 0.05


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
        ok, message = _cancel(inspected, None if every else steps)
        if as_json:
            told = {"schema_version": 1, "run": inspected.row.number, "ok": ok, "message": message}
            out(json_text(told) + "\n")
        elif ok:
            out(f"{message}\n")
        else:
            say(f"teamflow: {message}")
        return 0 if ok else 1


def _cancel(inspected: Inspected, steps: tuple[str, ...] | None) -> tuple[bool, str]:
    if inspected.gone:
        return without_runner(inspected, steps)
    run = inspected.row.number
    request = inspected.database.insert_request(
        run, "cancel", request_args(steps), expected_seq=None, at=time.time(), by=who()
    )
    wake(inspected.layout, run, env=os.environ)
    deadline = time.monotonic() + PATIENCE
    while True:
        inspected.refresh()
        answer = answer_to(inspected, request)
        if answer is not None:
            return answer
        if inspected.gone:
            return without_runner(inspected, steps)
        if time.monotonic() >= deadline:
            return False, _silent(inspected)
        time.sleep(_TICK)


def _silent(inspected: Inspected) -> str:
    return (
        f"{inspected.holder} holds run {inspected.row.number} and has not answered within {PATIENCE:g} s\n"
        "  the request stays, and is answered when it goes on; `teamflow status` shows that"
    )


def without_runner(inspected: Inspected, steps: tuple[str, ...] | None) -> tuple[bool, str]:
    from teamflow.app.cancel import cancel_without_runner

    return cancel_without_runner(inspected.database, inspected.row, steps, by=who(), environ=os.environ)


def who() -> str:
    """`user@host`, as records name who asked."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename}"
