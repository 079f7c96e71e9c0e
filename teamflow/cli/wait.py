"""`teamflow wait`: until steps, or a whole run, have ended."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click

from teamflow.app.inspect import Inspected
from teamflow.cli.acting import check_names
from teamflow.cli.arguments import duration
from teamflow.cli.opened import opened
from teamflow.cli.output import out, say
from teamflow.cli.status import exit_code_of
from teamflow.cli.verb import VerbCommand, json_option, run_option
from teamflow.core.shell import run_words
from teamflow.core.status import ENDED, Status
from teamflow.views.json import json_text
from teamflow.views.sanitize import cell
from teamflow.views.shown import hidden_parents

POLL = 0.05
TIMED_OUT = 124
NOBODY = 3
"""Nobody works on the run, so nothing would ever end."""

INTERRUPTED = 130
_GOOD = (Status.SUCCEEDED, Status.CACHED)


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow wait build test", "until both have ended; exit 1 if one did not succeed"),
        ("teamflow wait --any build --timeout 10m", "until one step of an agent has ended, at most 10 minutes"),
        ("teamflow wait -r 12", "until run 12 is over, with the exit code of its `run`"),
    ),
)
@click.argument("steps", nargs=-1, metavar="[STEP]...")
@click.option("--any", "first", is_flag=True, help="Until the first of them has ended.")
@click.option(
    "--timeout", "seconds", type=duration, metavar="DURATION", help="At most so long, such as 90s; exit 124 then."
)
@run_option
@json_option
def wait(steps: tuple[str, ...], first: bool, seconds: float | None, number: int | None, as_json: bool) -> int:
    """Wait until steps have ended, or the whole run; what has ended already is not waited for.

    Exit 0 when all that was waited for succeeded, 1 when something did not, 124 when the time is up, 3 when nobody
    works on the run any more. An agent stands for all its steps.
    """
    if first and not steps:
        raise click.UsageError("--any is about steps: name some")
    with opened(number) as inspected:
        check_names(steps, inspected)
        try:
            code = _wait(inspected, steps, first=first, seconds=seconds)
        except KeyboardInterrupt:
            return INTERRUPTED
        ended = {step: inspected.state.steps[step].status.value for step in _ended(inspected, steps)}
        if as_json:
            run = inspected.state.ended.status if inspected.state.ended else None
            told = {"schema_version": 1, "run": inspected.row.number, "status": run, "steps": ended, "exit_code": code}
            out(json_text(told) + "\n")
        else:
            out("".join(cell(f"{step}: {status}") + "\n" for step, status in ended.items()))
            if not steps and inspected.state.ended is not None:
                status, _, _, reason = inspected.state.ended
                out(cell(f"run {inspected.row.number}: {status}{f' ({reason})' if reason else ''}") + "\n")
        return code


def _wait(inspected: Inspected, steps: Sequence[str], *, first: bool, seconds: float | None) -> int:
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        code = _code(inspected, steps, first=first)
        if code is not None:
            return code
        if inspected.over:
            inspected.refresh()
            code = _code(inspected, steps, first=first)
            return _given_up(inspected, steps) if code is None else code
        if deadline is not None and time.monotonic() >= deadline:
            say(f"teamflow: the time is up: {_open(inspected, steps)}")
            return TIMED_OUT
        time.sleep(POLL)
        inspected.refresh()


def _code(inspected: Inspected, steps: Sequence[str], *, first: bool) -> int | None:
    """The exit code; None: there is more to wait for."""
    state = inspected.state
    if not steps:
        return None if state.ended is None else exit_code_of(inspected)
    ended = _ended(inspected, steps)
    if not ended or (not first and len(ended) < len(_meant(inspected, steps))):
        return None
    good = (known.status in _GOOD or known.own_skip for known in (state.steps[step] for step in ended))
    return 0 if (any(good) if first else all(good)) else 1


def _meant(inspected: Inspected, names: Sequence[str]) -> list[str]:
    """The steps, in the order of the plan; a step that is expanded is waited for until its instances are known."""
    wanted, hidden = set(names), hidden_parents(inspected.state)
    meant = ((step, known.step.agent) for step, known in inspected.state.steps.items() if step not in hidden)
    return [step for step, agent in meant if step in wanted or agent in wanted]


def _ended(inspected: Inspected, names: Sequence[str]) -> list[str]:
    return [step for step in _meant(inspected, names) if inspected.state.steps[step].status in ENDED]


def _open(inspected: Inspected, names: Sequence[str]) -> str:
    steps = inspected.state.steps
    left = [
        f"{step} ({steps[step].status.value})" for step in _meant(inspected, names) if steps[step].status not in ENDED
    ]
    return cell(", ".join(left)) or f"run {inspected.row.number} goes on"


def _given_up(inspected: Inspected, names: Sequence[str]) -> int:
    run = inspected.row.number
    again = run_words(inspected.row.file)
    say(f"teamflow: nobody works on run {run}: {_open(inspected, names)}\n  `{again}` goes on with it")
    return NOBODY
