"""Which screen shows a run, by `--progress` and the terminal."""

from __future__ import annotations

import os
import sys

from teamflow.app.parts import Screen, Wired
from teamflow.cli.screens import JsonScreen, PlainScreen, QuietScreen
from teamflow.store.layout import Layout
from teamflow.store.rows import RunRow
from teamflow.views.header import RunHeader, Runner


def header_of(row: RunRow, root: str) -> RunHeader:
    """The run's header, with this process as its runner."""
    runner = Runner(os.getpid(), os.uname().nodename, row.created)
    logs = Layout(root).logs(row.number)
    return RunHeader(row.number, row.id, row.team, row.file, root, logs, row.created, runner, replay=row.replay)


def screen_for(progress: str, header: RunHeader, wired: Wired) -> Screen:
    if progress == "auto":
        progress = "live" if _is_live_terminal() else "plain"
    match progress:
        case "live":
            # Imported here: rich is slow to import, and pipes do not need it.
            from teamflow.cli.live import LiveScreen

            return LiveScreen(header, wired.redactor)
        case "plain":
            return PlainScreen(header, wired.redactor)
        case "json":
            return JsonScreen(header)
        case _:
            return QuietScreen(header, quiet=True)


def _is_live_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("CI")
