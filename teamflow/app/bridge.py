"""What runs beside the loop and has to reach it: the store's thread, the disk's, a watch. Decides nothing."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from teamflow.app.parts import Screen
from teamflow.core.events import Record
from teamflow.run.executor import Executor
from teamflow.run.hooks import Hooks
from teamflow.run.roles import Report

if TYPE_CHECKING:
    from teamflow.app.watching import Watching


_MOST_HELD: Final = 10_000
"""Lines; with a disk that takes no records for long, what agents say is shown as it comes."""


class Bridge:
    """Callbacks of the store's thread, handed over to the loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, screen: Screen) -> None:
        self._loop = loop
        self._screen = screen
        self.executor: Executor | None = None
        self.hooks: Hooks | None = None
        self.watching: Watching | None = None
        self._shown = 0
        """The last record that the screen has."""
        self._held: deque[tuple[int, str, str]] = deque()
        """What agents have said since, each with the last record before it."""

    def abandoned(self) -> bool:
        """Whether somebody would not wait until the end was written."""
        return self.executor is not None and self.executor.abandoned

    def publish(self, records: Sequence[Record]) -> None:
        """Records that are durable, on the loop's thread. The screen comes last: nobody may be reading it any more."""
        if self.hooks is not None:
            self.hooks.observe(records)
        if self.watching is not None:
            self.watching.observe(records)
        if self.executor is None:
            return
        rest = list(records)
        while self._held and rest and self._held[0][0] <= rest[-1].seq:
            last, step, text = self._held.popleft()
            before = [record for record in rest if record.seq <= last]
            self._show(before)
            rest = rest[len(before) :]
            self._screen.said(step, text)
        self._show(rest)
        if self.watching is not None:
            self.watching.shown(records)

    def _show(self, records: Sequence[Record]) -> None:
        if records and self.executor is not None:
            self._shown = records[-1].seq
            self._screen.records(records, self.executor.state)

    def durable(self, seq: int) -> None:
        if self.executor is not None:
            self._loop.call_soon_threadsafe(self.executor.durable, seq)

    def trouble(self, message: str | None) -> None:
        self._loop.call_soon_threadsafe(self._trouble, message)

    def _trouble(self, message: str | None) -> None:
        if self.executor is not None:
            self.executor.trouble("state.db", message)

    def said(self, step: str, text: str) -> None:
        """From the loop's thread or the disk thread. Shown behind the records that it came after."""
        last = self.executor.state.seq if self.executor is not None else 0
        self._loop.call_soon_threadsafe(self._said, last, step, text)

    def _said(self, last: int, step: str, text: str) -> None:
        if last > self._shown and len(self._held) < _MOST_HELD:
            self._held.append((last, step, text))
        else:
            self._screen.said(step, text)

    def report(self, event: Report) -> None:
        if self.executor is not None:
            self.executor.report(event)
