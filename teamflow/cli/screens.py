"""Screens of a running run: plain lines, JSON records, or nothing but the end. The live table is in `cli/live.py`.

A screen is told records only once they are durable. Output of steps is read from their logs while they run; a step
that prints faster than this reads is shown in part, with a word on what was left out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, TextIO

from teamflow.cli.bell import Bell
from teamflow.core.events import AttemptEnded, AttemptStarted, Record, RunEnded
from teamflow.core.questions import asked_by
from teamflow.core.redact import RedactingStream, Redactor
from teamflow.core.state import Question, RunState
from teamflow.run.clock import SystemClock
from teamflow.views.header import RunHeader

if TYPE_CHECKING:
    import asyncio

    from teamflow.app.compile import Compiled
    from teamflow.app.parts import ChangedStep, Controls


_POLL: Final = 0.1
_CHUNK: Final = 256 * 1024
_LONGEST_LINE: Final = 64 * 1024
"""Bytes of an unfinished line that are kept for its end."""

_BACKLOG: Final = 1024 * 1024
"""Bytes of one step's output that may wait to be shown; more is left out, and said so."""


def problem_text(compiled: Compiled | None, message: str, *, color: bool) -> str:
    """Why a save is not acted on, for people; empty when it is."""
    parts = []
    if compiled is not None and compiled.diagnostics:
        from teamflow.views.diagnostics import to_text

        parts.append(to_text(compiled.diagnostics, compiled.sources, color=color).rstrip("\n"))
    if message:
        parts.append(message)
    if parts and compiled is not None:
        parts.append("the last good plan stays in force")
    return "\n".join(parts)


class QuietScreen:
    """Says nothing until the end, and then the summary; but what people are asked has to be said."""

    def __init__(self, header: RunHeader, *, out: TextIO = sys.stderr, quiet: bool = False) -> None:
        self._header = header
        self._out = out
        self._quiet = quiet
        self._bell = Bell(out, header.number)
        self._clock = SystemClock()
        self._since = self._clock.now().wall
        self._problems = ""
        self._rested: RunEnded | None = None

    def begin(self, state: RunState) -> None:
        self._ask(state.unanswered.values())

    def records(self, records: Sequence[Record], state: RunState) -> None:
        self._ask(question for record in records if (question := asked_by(record, state)) is not None)

    def _ask(self, questions: Iterable[Question]) -> None:
        asked = list(questions)
        if not asked:
            return
        from teamflow.views.questions import asked_lines

        now = self._clock.now().wall
        for question in asked:
            self.say(asked_lines(question, self._header.number, now=now))
        self._bell.ring(asked)

    def said(self, step: str, text: str) -> None:
        pass

    def trouble(self, message: str | None) -> None:
        self.say([f"warning: {message}" if message is not None else "the disk can be written again"])

    def problems(self, compiled: Compiled | None, message: str) -> None:
        text = problem_text(compiled, message, color=False)
        if text != self._problems:
            self._problems = text
            from teamflow.views.watching import VALID_AGAIN

            self.say([text or VALID_AGAIN])

    def changed(self, steps: Sequence[ChangedStep], message: str) -> None:
        if not self._quiet:
            from teamflow.views.watching import changed_lines

            self.say(changed_lines(steps, message))

    def rest(self, state: RunState, ended: RunEnded, *, files: int) -> None:
        from teamflow.views.watching import rest_line

        self._sum_up(state, ended)
        self._rested = ended
        self._since = self._clock.now().wall
        if not self._quiet:
            self.say([rest_line(ended, files=files)])

    def control(self, controls: Callable[[], Controls]) -> None:
        pass

    def leave(self) -> None:
        pass

    def end(self, state: RunState, ended: RunEnded) -> None:
        if ended != self._rested:
            self._sum_up(state, ended)

    def _sum_up(self, state: RunState, ended: RunEnded) -> None:
        if not self._quiet or ended.exit_reason != "ok":
            from teamflow.views.summary import summary

            self.say(summary(state, self._header, self._clock.now(), since=self._since))

    def say(self, lines: Sequence[str]) -> None:
        if lines:
            print("\n".join(lines), file=self._out, flush=True)


class JsonScreen(QuietScreen):
    """Every record as one JSON line on stdout."""

    def begin(self, state: RunState) -> None:
        pass

    def records(self, records: Sequence[Record], state: RunState) -> None:
        from teamflow.views.json import json_text, record_object

        print("\n".join(json_text(record_object(record)) for record in records), flush=True)

    def end(self, state: RunState, ended: RunEnded) -> None:
        pass


class PlainScreen(QuietScreen):
    """Events and output lines, for pipes and CI."""

    def __init__(self, header: RunHeader, redactor: Redactor, *, out: TextIO = sys.stderr) -> None:
        super().__init__(header, out=out)
        self._redactor = redactor
        from teamflow.views.plain import PlainPrinter

        self._printer = PlainPrinter(header, tail=self._tail)
        self._followed: dict[str, list[_Followed]] = {}
        self._handle: asyncio.TimerHandle | None = None
        self._state: RunState | None = None

    def begin(self, state: RunState) -> None:
        self._state = state
        self._bell.ring(state.unanswered.values())
        for step_id in state.running:
            live = state.steps[step_id].live
            if live is not None:
                self._follow(step_id, live.number, state)
        # Imported here: a run with nothing to do is shown without a loop.
        from asyncio import get_running_loop

        self._poll(get_running_loop())

    def records(self, records: Sequence[Record], state: RunState) -> None:
        lines: list[str] = []
        for record in records:
            match record.event:
                case AttemptStarted(step=step, attempt=attempt):
                    self._follow(step, attempt, state)
                case AttemptEnded(step=step):
                    lines += self._drain(step)
                case _:
                    pass
            lines += self._printer.records((record,), state)
        self.say(lines)
        self._bell.ring(question for record in records if (question := asked_by(record, state)) is not None)

    def said(self, step: str, text: str) -> None:
        self.say(self._printer.output(step, self._redactor.text(text).encode() + b"\n"))

    def end(self, state: RunState, ended: RunEnded) -> None:
        if self._handle is not None:
            self._handle.cancel()
        super().end(state, ended)

    def _tail(self, step: str, attempt: int) -> str:
        known = self._state.steps.get(step) if self._state is not None else None
        if known is None:
            return ""
        from teamflow.app.outputs import attempt_tail

        log, err = self._header.log(step, attempt), self._header.err(step, attempt)
        return attempt_tail(known, known.attempts[attempt - 1], log, err, self._redactor, root=self._header.root)

    def _follow(self, step: str, attempt: int, state: RunState) -> None:
        known = state.steps.get(step)
        if known is None:
            return
        from teamflow.app.outputs import has_err, is_chatty

        paths = [self._header.log(step, attempt)] if known.step.prints_text else []
        live = known.attempts[attempt - 1]
        if has_err(known, live) and not is_chatty(known, live):
            paths.append(self._header.err(step, attempt))
        self._followed[step] = [_Followed(path, self._redactor.stream()) for path in paths]

    def _poll(self, loop: asyncio.AbstractEventLoop) -> None:
        lines: list[str] = []
        for step, files in self._followed.items():
            for data in (data for followed in files for data in followed.read()):
                lines += self._printer.output(step, data)
        self.say(lines)
        self._handle = loop.call_later(_POLL, self._poll, loop)

    def _drain(self, step: str) -> list[str]:
        lines: list[str] = []
        for followed in self._followed.pop(step, ()):
            for data in [*followed.read(), followed.rest()]:
                if data:
                    lines += self._printer.output(step, data)
        return lines


class _Followed:
    """One log file, read on from where it was, in whole lines: a step's two files must not meet within one."""

    def __init__(self, path: str, stream: RedactingStream) -> None:
        self._path = path
        self._offset = 0
        self._stream = stream
        self._line = b""

    def read(self) -> list[bytes]:
        """What came since the last call, redacted; at most `_BACKLOG` bytes of it."""
        try:
            size = os.stat(self._path).st_size
        except FileNotFoundError:
            return []
        if size == self._offset:
            return []
        parts: list[bytes] = []
        if size < self._offset:
            self._offset = 0
        if size - self._offset > _BACKLOG:
            parts.append(
                self._line + b"\n[%d bytes left out: %s]\n" % (size - self._offset - _CHUNK, self._path.encode())
            )
            self._line = b""
            self._offset = size - _CHUNK
        with open(self._path, "rb") as file:
            file.seek(self._offset)
            while self._offset < size and (data := file.read(min(_CHUNK, size - self._offset))):
                self._offset += len(data)
                parts.append(self._whole(self._stream.feed(data)))
        return parts

    def rest(self) -> bytes:
        data = self._line + self._stream.flush()
        self._line = b""
        return data + b"\n" if data and not data.endswith(b"\n") else data

    def _whole(self, data: bytes) -> bytes:
        data = self._line + data
        end = len(data) if len(data) > _LONGEST_LINE else data.rfind(b"\n") + 1
        self._line = data[end:]
        return data[:end]


ScreenMaker = Callable[[RunHeader, Redactor], QuietScreen]
