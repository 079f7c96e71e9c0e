"""`--junit` and `--events`: a screen that also writes files. What it cannot write is told once, and the run goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from teamflow.app.outputs import attempt_tail
from teamflow.app.parts import ChangedStep, Controls, Screen, Wired
from teamflow.core.events import Record, RunEnded
from teamflow.core.state import RunState
from teamflow.run.clock import SystemClock
from teamflow.views.header import RunHeader
from teamflow.views.json import json_text, record_object

if TYPE_CHECKING:
    from teamflow.app.compile import Compiled


class RecordingScreen:
    """Passes everything on to another screen."""

    def __init__(
        self, screen: Screen, header: RunHeader, wired: Wired, *, junit: str | None, events: str | None
    ) -> None:
        self._screen = screen
        self._header = header
        self._redactor = wired.redactor
        self._junit = junit
        self._events: TextIO | None = None
        if events is not None:
            # Opened before anything runs: a path that cannot be written is a usage error, not a surprise at the end.
            self._events = Path(events).open("w", encoding="utf-8")  # noqa: SIM115 - closed by `end`
        if junit is not None:
            os.close(os.open(junit, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))

    def begin(self, state: RunState) -> None:
        self._screen.begin(state)

    def records(self, records: Sequence[Record], state: RunState) -> None:
        if self._events is not None:
            try:
                for record in records:
                    self._events.write(json_text(record_object(record)) + "\n")
                self._events.flush()
            except OSError as error:
                self._events = None
                self._screen.trouble(f"--events: {error.strerror}")
        # Last, as nobody may be reading it any more.
        self._screen.records(records, state)

    def said(self, step: str, text: str) -> None:
        self._screen.said(step, text)

    def trouble(self, message: str | None) -> None:
        self._screen.trouble(message)

    def problems(self, compiled: Compiled | None, message: str) -> None:
        self._screen.problems(compiled, message)

    def changed(self, steps: Sequence[ChangedStep], message: str) -> None:
        self._screen.changed(steps, message)

    def rest(self, state: RunState, ended: RunEnded, *, files: int) -> None:
        self._screen.rest(state, ended, files=files)

    def control(self, controls: Callable[[], Controls]) -> None:
        self._screen.control(controls)

    def leave(self) -> None:
        self._screen.leave()
        if self._events is not None:
            self._events.close()

    def end(self, state: RunState, ended: RunEnded) -> None:
        if self._events is not None:
            self._events.close()
        if self._junit is not None:
            from teamflow.views.junit import junit_xml  # brings an XML library along

            xml = junit_xml(
                state, self._header, SystemClock().now(), tail=lambda step, attempt: self._tail(state, step, attempt)
            )
            try:
                with open(self._junit, "w", encoding="utf-8") as file:
                    file.write(xml)
            except OSError as error:
                self._screen.trouble(f"--junit: {self._junit}: {error.strerror}")
        self._screen.end(state, ended)

    def _tail(self, state: RunState, step: str, attempt: int) -> str:
        known = state.steps[step]
        log, err = self._header.log(step, attempt), self._header.err(step, attempt)
        return attempt_tail(known, known.attempts[attempt - 1], log, err, self._redactor, root=self._header.root)
