"""What the verbs that act on a run share: who asks, and how what became of it is told."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence

from teamflow.app.act import ask
from teamflow.app.inspect import Inspected
from teamflow.cli.opened import opened
from teamflow.cli.output import out, say
from teamflow.cli.verb import check_step
from teamflow.policy.control import steps_args
from teamflow.views.json import json_text


def who() -> str:
    """`user@host`, as records name who asked."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename}"


def report(run: int, *, done: bool, message: str, as_json: bool, **more: str) -> int:
    """Prints it; the exit code: 1 for what was refused."""
    if as_json:
        out(json_text({"schema_version": 1, "run": run, **more, "ok": done, "message": message}) + "\n")
    elif done:
        out(f"{message}\n")
    else:
        say(f"teamflow: {message}")
    return 0 if done else 1


def control(
    verb: str, steps: Sequence[str] | None, *, run: int | None, as_json: bool, args: str | None = None, **more: object
) -> int:
    """Asks a run for a verb about steps (None: the whole run); the exit code. Raises NoRun, StoreError.

    `args`: the arguments, where they are no list of steps; `more` goes along with that.
    """
    with opened(run) as inspected:
        check_names(steps or (), inspected)
        # What is left for a runner is recorded, too.
        told = inspected.redactor.text(args if args is not None else steps_args(steps, **more))
        done, message = ask(inspected, verb, told, by=who(), environ=os.environ)
        return report(inspected.row.number, done=done, message=message, as_json=as_json)


def check_names(names: Sequence[str], inspected: Inspected) -> None:
    """Raises UsageError for what is neither a step of the run nor an agent of one."""
    agents = {known.step.agent for known in inspected.state.steps.values()}
    for name in names:
        if name not in agents:
            check_step(name, inspected)
