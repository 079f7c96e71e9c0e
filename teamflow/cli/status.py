"""`teamflow status`: one run as it stands, once or as long as it lives."""

from __future__ import annotations

import sys
import time

import click

from teamflow.app.inspect import Inspected, now
from teamflow.app.outputs import tail_of, text_of
from teamflow.cli.opened import opened
from teamflow.cli.output import columns, live_terminal, out, paint_status, say, use_color
from teamflow.cli.verb import VerbCommand, json_option, run_option
from teamflow.core.shell import run_words
from teamflow.core.status import Status
from teamflow.views.json import json_text, run_object
from teamflow.views.logs import last_line
from teamflow.views.plain import PlainPrinter
from teamflow.views.text import status_text

POLL = 0.2
_LAST = 4096
"""Bytes of a log in which its last line is looked for."""

INTERRUPTED = 130


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow status", "the newest run of this project"),
        ("teamflow status -w -r 12", "run 12, as long as it runs"),
        ("teamflow status --json --exit-status", "for a script: JSON, and the run's exit code"),
    ),
)
@run_option
@click.option("-w", "--watch", is_flag=True, help="Follow it until it ends; Ctrl-C leaves the view, not the run.")
@json_option
@click.option("--exit-status", is_flag=True, help="Exit as `run` would (0: succeeded, or still running well).")
def status(number: int | None, watch: bool, as_json: bool, exit_status: bool) -> int:
    """Show one run: every step, what it waits for, how long it took, what it cost."""
    with opened(number) as inspected:
        if watch:
            left = _watch(inspected, as_json=as_json)
            if left:
                return INTERRUPTED
        if as_json and not watch:
            out(json_text(as_object(inspected), indent=2) + "\n")
        elif not watch:
            show(inspected)
        return exit_code_of(inspected) if exit_status else 0


def watch_run(root: str, number: int) -> int:
    """Follows a run that another process drives, for `run`; its exit code, or 130 when the view was left."""
    with opened(number, root=root) as inspected:
        return INTERRUPTED if _watch(inspected, as_json=False) else exit_code_of(inspected)


def show(inspected: Inspected) -> None:
    """The table, with the last lines of what runs."""
    text = status_text(
        inspected.state,
        inspected.header,
        now(),
        columns=columns(),
        last_line=lambda s, a: last_line_of(inspected, s, a),
    )
    if use_color():
        words = {known.step.id: known.status.value for known in inspected.state.steps.values()}
        text = "".join(_painted(line, words) for line in text.splitlines(keepends=True))
    out(text)


def _painted(line: str, words: dict[str, str]) -> str:
    word = words.get(line.partition(" ")[0])
    return line if word is None else paint_status(line, word)


def last_line_of(inspected: Inspected, step_id: str, attempt: int) -> str:
    return last_line(tail_of(inspected, step_id, attempt, most=_LAST))


def as_object(inspected: Inspected) -> dict[str, object]:
    return dict(
        run_object(
            inspected.state, inspected.header, now(), text=lambda step, attempt: text_of(inspected, step, attempt)
        )
    )


def exit_code_of(inspected: Inspected) -> int:
    """That of `run`, where the run has ended; else 0, 1 when a step has failed, 130 when its runner is gone."""
    from teamflow.app.launch import exit_code

    if inspected.state.ended is not None:
        return exit_code(inspected.state.ended)
    if inspected.gone:
        return INTERRUPTED
    return 1 if any(known.status is Status.FAILED for known in inspected.state.steps.values()) else 0


def _watch(inspected: Inspected, *, as_json: bool) -> bool:
    """Whether the view was left before the run was over."""
    try:
        if as_json:
            _watch_json(inspected)
        elif live_terminal(sys.stdout):
            from teamflow.cli.live import watch_live

            watch_live(inspected)
        else:
            _watch_plain(inspected)
    except KeyboardInterrupt:
        say(f"the run goes on: `teamflow status -w -r {inspected.row.number}` shows it again")
        return True
    if inspected.state.ended is None:
        say(f"its runner is gone: `{run_words(inspected.row.file)}` goes on with it")
    return False


def _watch_json(inspected: Inspected) -> None:
    """One object per line, whenever something has changed."""
    while True:
        out(json_text(as_object(inspected)) + "\n")
        sys.stdout.flush()
        if not follow(inspected):
            return


def _watch_plain(inspected: Inspected) -> None:
    printer = PlainPrinter(inspected.header)
    seen = 0
    while True:
        lines = printer.records(inspected.records[seen:], inspected.state)
        seen = len(inspected.records)
        out("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
        if not follow(inspected):
            return


def follow(inspected: Inspected) -> bool:
    """Waits until there are new records; False when there will be none."""
    while not inspected.refresh():
        if inspected.over:
            return False
        time.sleep(POLL)
    return True
