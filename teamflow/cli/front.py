"""The terminal's side of `run`. Knows no command line: words are parsed elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from teamflow.app.compile import Compiled
    from teamflow.app.parts import Screen, Wired
    from teamflow.store.rows import RunRow


class TerminalFront:
    """`app/launch.Front` over this terminal."""

    def __init__(self, *, progress: str, junit: str | None, events: str | None) -> None:
        self._progress = progress
        self._junit = junit
        self._events = events

    def complain(self, message: str) -> None:
        print(message, file=sys.stderr)

    def diagnostics(self, compiled: Compiled) -> None:
        from teamflow.cli.output import use_color
        from teamflow.views.diagnostics import to_text

        if compiled.diagnostics:
            print(to_text(compiled.diagnostics, compiled.sources, color=use_color(sys.stderr)), end="", file=sys.stderr)

    def screen(self, row: RunRow, wired: Wired) -> Screen:
        from teamflow.cli.showing import header_of, screen_for

        header = header_of(row, wired.root)
        screen = screen_for(self._progress, header, wired)
        if self._junit is None and self._events is None:
            return screen
        from teamflow.cli.recorders import RecordingScreen

        return RecordingScreen(screen, header, wired, junit=self._junit, events=self._events)

    def watch(self, root: str, number: int) -> int | None:
        if not sys.stdout.isatty():
            return None
        from teamflow.cli.status import watch_run

        return watch_run(root, number)

    def ended_at_once(self, number: int) -> None:
        print(number)

    def detached(self, number: int) -> None:
        print(f"run {number} goes on in the background: `teamflow status -r {number} -w`", file=sys.stderr)
        print(number)
