"""The live table on a terminal, drawn by rich: for `run` while it runs, and for `status -w` from elsewhere.

Rows come as data from `views/live.py`, already clean; nothing here is markup. What must not be overwritten (a failed
step's last lines, messages) is printed above the table.
"""

from __future__ import annotations

import asyncio
import atexit
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from teamflow.app.outputs import attempt_tail
from teamflow.cli.bell import Bell
from teamflow.cli.keymap import KeyMap, footer
from teamflow.cli.keys import Keys
from teamflow.cli.output import use_color
from teamflow.cli.screens import problem_text
from teamflow.core.events import AttemptStarted, Now, QuestionAnswered, QuestionAsked, Record, RunEnded, StepEnded
from teamflow.core.outcome import Succeeded
from teamflow.core.plan import ASK
from teamflow.core.questions import answer_words, asked_by, outcome_of
from teamflow.core.state import RunState
from teamflow.core.status import Status
from teamflow.run.clock import SystemClock
from teamflow.views.header import RunHeader
from teamflow.views.live import live_table
from teamflow.views.logs import last_line
from teamflow.views.plain import PlainPrinter
from teamflow.views.sanitize import cell, clean
from teamflow.views.summary import summary
from teamflow.views.text import HEADINGS, LastLine, headings
from teamflow.views.watching import changed_lines, rest_line
from teamflow.views.width import fit, width

if TYPE_CHECKING:
    from teamflow.app.compile import Compiled
    from teamflow.app.inspect import Inspected
    from teamflow.app.parts import ChangedStep, Controls
    from teamflow.core.redact import Redactor

_REDRAW: Final = 0.25
_LAST: Final = 4096
_FRAME: Final = 5
"""Lines of the screen that rows do not get: heading, table head, what is left out, counts, the cursor."""

_LESS: Final = ("TARGET", "ENGINE", "COST", "TIME")
"""Columns that a narrow screen goes without, the first one first."""

_OUTPUT: Final = 8
"""Lines of output under the table, where they are wanted."""

_TRIED: Final = 8
"""Steps that are asked for their last lines until one has some."""

_LEAST: Final = 12
"""Columns that the last line of a step gets on the narrowest terminal."""

_STYLES: Final = {
    Status.RUNNING: "cyan",
    Status.SUCCEEDED: "green",
    Status.CACHED: "green",
    Status.FAILED: "bold red",
    Status.CANCELLED: "yellow",
    Status.WAITING: "yellow",
    Status.SKIPPED: "dim",
    Status.PENDING: "dim",
}


class Screen:
    """A table that is redrawn in place on `stream`."""

    def __init__(self, stream: object = None) -> None:
        file = sys.stderr if stream is None else stream
        plain = not use_color(sys.stderr)
        self.console = Console(file=file, no_color=plain, highlight=False, emoji=False, markup=False)  # type: ignore[arg-type]
        self._live = Live(console=self.console, auto_refresh=False, transient=True)

    def open(self) -> None:
        """The cursor comes back even when nobody closes."""
        self._live.start()
        atexit.register(self.close)

    def close(self) -> None:
        """Idempotent. The table goes; who wants it to stay prints it."""
        self._live.stop()
        atexit.unregister(self.close)

    def above(self, lines: Sequence[str]) -> None:
        # In one piece: the table is drawn again for each that is printed.
        if lines:
            self.console.print(Text("\n".join(lines)), soft_wrap=True)

    def draw(
        self,
        state: RunState,
        header: RunHeader,
        now: Now,
        last: LastLine,
        *,
        below: Sequence[str] = (),
        footer: str = "",
    ) -> None:
        self._live.update(self.render(state, header, now, last, below=below, footer=footer), refresh=True)

    def render(
        self,
        state: RunState,
        header: RunHeader,
        now: Now,
        last: LastLine,
        *,
        below: Sequence[str] = (),
        footer: str = "",
    ) -> Group:
        """`below`: lines under the table, for what holds now; `footer`: one under all, where a line is left for it."""
        lines = max(1, self.console.height - _FRAME - len(below))
        shown = live_table(state, header, now, lines=lines, last_line=last)
        table = Table(box=None, pad_edge=False, show_edge=False, expand=False, header_style="bold")
        # Only the last column gives way; rich would take as much from the others, and a status must stay readable.
        told = headings(shown.rows)
        columns = zip(HEADINGS, *shown.rows, strict=True)
        widths = {column[0]: max(map(width, column)) + 2 for column in columns if column[0] in told}
        del widths[HEADINGS[-1]]
        for heading in _LESS:
            if sum(widths.values()) + _LEAST > self.console.width:
                widths.pop(heading, None)
        room = max(_LEAST, self.console.width - sum(widths.values()))
        for heading in (*widths, fit(HEADINGS[-1], room)):
            right = heading in ("TIME", "COST")
            table.add_column(heading, no_wrap=True, overflow="ellipsis", justify="right" if right else "left")
        for row in shown.rows:
            cells = {heading: Text(text) for heading, text in zip(HEADINGS, row, strict=True) if heading in widths}
            cells["STATUS"] = Text(row.status.value, style=_STYLES.get(row.status, ""))
            table.add_row(*cells.values(), Text(fit(row[-1], room)))
        parts: list[Text | Table] = [Text(shown.heading, no_wrap=True, overflow="ellipsis"), table]
        if shown.left_out:
            parts.append(Text(f"… and {shown.left_out} more"))
        parts.append(Text(shown.counts, no_wrap=True, overflow="ellipsis"))
        asked = (Text(line, style="bold yellow", no_wrap=True, overflow="ellipsis") for line in shown.asked)
        lowest = [Text(line, no_wrap=True, overflow="ellipsis") for line in below]
        if footer and lines > len(shown.rows) + len(shown.asked):
            lowest.append(Text(footer, style="dim", no_wrap=True, overflow="ellipsis"))
        return Group(*parts, *asked, *lowest)


class LiveScreen:
    """`app/wiring.Screen` for a run that this process drives."""

    def __init__(self, header: RunHeader, redactor: Redactor) -> None:
        self._header = header
        self._redactor = redactor
        self._clock = SystemClock()
        self._since = self._clock.now().wall
        self._screen = Screen()
        self._said: dict[str, str] = {}
        self._state: RunState | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._told = PlainPrinter(header, tail=self._tail)
        self._bell = Bell(sys.stderr, header.number)
        self._below: list[str] = []
        self._shows_output = False
        self._keys: Keys | None = None
        self._resting = ""

    def begin(self, state: RunState) -> None:
        self._state = state
        self._bell.ring(state.unanswered.values())
        self._screen.open()
        self._redraw(asyncio.get_running_loop())

    def records(self, records: Sequence[Record], state: RunState) -> None:
        for record in records:
            if isinstance(record.event, AttemptStarted):
                # What the attempt before said is not what this one does.
                self._said.pop(record.event.step, None)
        self._screen.above([*self._told.records(filter(_stays, records), state), *_agreed(records, state)])
        self._bell.ring(question for record in records if (question := asked_by(record, state)) is not None)

    def said(self, step: str, text: str) -> None:
        self._said[step] = last_line(self._redactor.text(text))

    def trouble(self, message: str | None) -> None:
        told = f"warning: {message}" if message is not None else "the disk can be written again"
        self._screen.above([cell(told)])

    def problems(self, compiled: Compiled | None, message: str) -> None:
        self._below = [clean(line) for line in problem_text(compiled, message, color=False).split("\n")]

    def changed(self, steps: Sequence[ChangedStep], message: str) -> None:
        self._resting = ""
        self._screen.above(changed_lines(steps, message))

    def rest(self, state: RunState, ended: RunEnded, *, files: int) -> None:
        self._resting = rest_line(ended, files=files)

    def control(self, controls: Callable[[], Controls]) -> None:
        if Keys.usable():
            self._keys = Keys(KeyMap(controls(), self).press)
            self._keys.open()

    def say(self, line: str) -> None:
        """Something that a key has led to."""
        self._screen.above([cell(line)])

    def toggle_output(self) -> None:
        """Whether the last lines of what runs are shown under the table."""
        self._shows_output = not self._shows_output

    def leave(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        if self._keys is not None:
            self._keys.close()
        self._screen.close()

    def end(self, state: RunState, ended: RunEnded) -> None:
        self.leave()
        now = self._clock.now()
        self._screen.console.print(self._screen.render(state, self._header, now, self._last))
        self._screen.above(["", *summary(state, self._header, now, since=self._since)])

    def _redraw(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._state is not None:
            output = self._output(self._state) if self._shows_output else []
            rests = [self._resting] if self._resting and self._state.ended is not None else []
            below = [*output, *self._below, *rests]
            keys = footer(self._state, self._header.number) if self._keys is not None else ""
            self._screen.draw(self._state, self._header, self._clock.now(), self._last, below=below, footer=keys)
        self._handle = loop.call_later(_REDRAW, self._redraw, loop)

    def _output(self, state: RunState) -> list[str]:
        """The last lines of the step that started last, of those that have said something; what runs comes first."""
        tried = [known for known in state.steps.values() if known.attempts and known.step.kind != ASK]
        tried.sort(key=lambda known: (known.live is not None, known.attempts[-1].started), reverse=True)
        for known in tried[:_TRIED]:
            tail = self._tail(known.step.id, known.attempts[-1].number, most=_LAST)
            if tail.strip():
                return [cell(f"{known.step.id} | {line}") for line in tail.splitlines()[-_OUTPUT:]]
        return []

    def _last(self, step: str, attempt: int) -> str:
        said = self._said.get(step)
        return said if said is not None else last_line(self._tail(step, attempt, most=_LAST))

    def _tail(self, step: str, attempt: int, most: int = 32 * 1024) -> str:
        if self._state is None:
            return ""
        known = self._state.steps[step]
        log, err = self._header.log(step, attempt), self._header.err(step, attempt)
        return attempt_tail(
            known, known.attempts[attempt - 1], log, err, self._redactor, root=self._header.root, most=most
        )


def _stays(record: Record) -> bool:
    """Whether it is told above the table: what failed, what is asked, in full, and what was answered."""
    match record.event:
        case StepEnded(status=status):
            return status == "failed"
        case event:
            return isinstance(event, QuestionAsked | QuestionAnswered)


def _agreed(records: Sequence[Record], state: RunState) -> Iterator[str]:
    """Answers with which a step has succeeded, which is not told above the table."""
    for record in records:
        if isinstance(record.event, QuestionAnswered):
            question = state.questions[record.event.question - 1]
            if question.own and isinstance(outcome_of(question), Succeeded):
                yield cell(f"{question.step}: {answer_words(question)}")


def watch_live(inspected: Inspected) -> None:
    """Follows another process's run on stdout until it is over; the table stays at the end."""
    watch(inspected, Screen(sys.stdout), sleep=time.sleep)


def watch(inspected: Inspected, screen: Screen, *, sleep: Callable[[float], None]) -> None:
    from teamflow.app.inspect import now
    from teamflow.app.outputs import tail_of

    def last(step: str, attempt: int) -> str:
        return last_line(tail_of(inspected, step, attempt, most=_LAST))

    bell = Bell(sys.stdout, inspected.row.number)
    screen.open()
    try:
        while not inspected.over:
            bell.ring(inspected.state.unanswered.values())
            screen.draw(inspected.state, inspected.header, now(), last)
            sleep(_REDRAW)
            inspected.refresh()
    finally:
        screen.close()
    screen.console.print(screen.render(inspected.state, inspected.header, now(), last))
    screen.above(["", *(clean(line) for line in summary(inspected.state, inspected.header, now()))])
