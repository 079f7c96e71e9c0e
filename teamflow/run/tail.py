"""Follows a live attempt's output file and feeds it to the engine's session; reports what people should see.

The file is polled (it may be on any file system, and a poll is a stat); the last bytes are read when the phase has
ended. What the phases before the agent's have printed is not for the session: nothing is read until it is known where
its own output begins, which the keeper's journal tells, so every runner reads the same. A file that shrinks was
truncated by the process itself: reading starts again at its beginning.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence

from teamflow.core.events import ProgressReported, Warned
from teamflow.core.guarding import GuardTripped
from teamflow.core.invocation import (
    Asked,
    Called,
    EngineEvent,
    Exit,
    ModelTold,
    Progress,
    Refused,
    Retrying,
    Said,
    Spent,
    Warns,
    Withdrawn,
)
from teamflow.core.leave import LeaveAsked, LeaveWithdrawn
from teamflow.core.outcome import Outcome, Usage
from teamflow.core.shown import shown
from teamflow.core.spending import SpendingTold
from teamflow.run.pending import Pending
from teamflow.run.roles import Listening, Report
from teamflow.run.stalls import Stalls
from teamflow.run.talk import Talk
from teamflow.run.watch import Watch

_POLL = 0.2
_TALKING = 0.02
"""Seconds between looks while answers are to be expected; so they are for `_TALKS` of them."""
_TALKS = 100
_CHUNK = 256 * 1024
_SLICE = 0.05
"""Seconds for which one log may be read before others have their turn."""


class Tail:
    """`follow` polls on the loop; `finish` reads to the end, from any thread, once `stop`ped."""

    def __init__(
        self,
        path: str,
        talk: Talk,
        *,
        step: str,
        attempt: int,
        report: Callable[[Report], None],
        say: Callable[[str, str], None],
        begins: Callable[[], int | None],
        watch: Watch | None = None,
        stalls: Stalls | None = None,
        stalled: Callable[[str], None] = lambda cause: None,
        now: Callable[[], float] = time.monotonic,
        redact: Callable[[str], str] = str,
    ) -> None:
        """`begins`: how many bytes of the file are not the agent's (None: not known yet); `watch`: what is seen, for
        the step's guards; `stalls`: for what is wrong with the CLI, told to `stalled` once; `now` is in the same
        seconds; `redact` is for what is cut before it is said."""
        self._redact = redact
        self._watch = watch
        self._stalls = stalls
        self._stalled = stalled
        self._quick = 0
        self._behind = False
        """Whether it catches up with what an earlier runner has seen."""
        self._now = now
        self._path = path
        self.talk = talk
        self._step = step
        self._attempt = attempt
        self._report = report
        self._say = say
        self._begins = begins
        self._offset: int | None = None
        """How far the file is read; None: it is not known where to begin."""
        self._handle: asyncio.TimerHandle | None = None
        self._last: ProgressReported | None = None
        self.usage: Usage | None = None
        """What the attempt has told of its cost so far."""
        self.model: str | None = None
        """The id of the model that answers, where that is told."""
        self.said = False
        """Whether the agent has told anything to people; what it does is no word of its own."""
        self._pending = Pending(redact)
        self.late: list[Warned] = []
        """Told at the end, when nobody listens any more."""

    def follow(self, loop: asyncio.AbstractEventLoop) -> None:
        self._quick -= 1
        self._handle = loop.call_later(_TALKING if self._quick > 0 else _POLL, self._poll, loop)

    def hasten(self) -> None:
        """It was told something: what comes of it is looked for at once."""
        self._quick = _TALKS

    def catch_up(self) -> None:
        """Reads all that there is, at once; what comes meanwhile may wait. Of the leave that was asked for by then only
        what is still open is told: behind the request may stand the answer that it has."""
        self._behind = True
        if self._known():
            self._show(self.talk.begin(), live=True)
        there = self._size()
        while self._read(_CHUNK, show=True) and (self._offset or 0) < there:
            pass
        self._behind = False
        for request, wish in list(self.talk.open.items()):  # what nobody can be asked is answered at once
            self._leave(Asked(request, wish))

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def finish(self, start: int, end: int) -> None:
        """Feeds everything from byte `start` up to byte `end` (what is around them belongs to other phases)."""
        if not self._known():
            self._offset = self.talk.fed = start
        self.talk.silence()
        self._show(self.talk.begin(), live=False)
        while (left := end - (self._offset or 0)) > 0 and self._read(min(_CHUNK, left), show=False):
            pass

    def close(self, end: Exit) -> Outcome:
        return self._pending.told(self.talk.session.close(end))

    def _poll(self, loop: asyncio.AbstractEventLoop) -> None:
        # Not by `now`, which may stand still.
        until, more = time.monotonic() + _SLICE, True
        while more and time.monotonic() < until:
            more = self._read(_CHUNK, show=True)
        if self._watch is not None:
            self._trip(self._watch.passed(now=self._now()))
        if more:
            # What it has printed since is not known yet: it may be all that is missed.
            self._handle = loop.call_later(0, self._poll, loop)
            return
        if self._stalls is not None:
            self._stall(self._stalls.passed(now=self._now()))
        self.follow(loop)

    def _stall(self, cause: str) -> None:
        if cause:
            self._stalls = None
            self._stalled(cause)

    def _trip(self, reason: str) -> None:
        if reason:
            self._report(GuardTripped(self._step, self._attempt, reason))

    def _size(self) -> int:
        try:
            return os.stat(self._path).st_size
        except FileNotFoundError:
            return 0

    def _known(self) -> bool:
        """Whether it is known where to begin."""
        if self._offset is None and (offset := self._begins()) is not None:
            self._offset = self.talk.fed = offset
        return self._offset is not None

    def _read(self, count: int, *, show: bool) -> bool:
        if self._offset is None and not self._known():
            return False
        assert self._offset is not None
        try:
            # Most looks find nothing, and a look costs a fifth of opening the file.
            if os.stat(self._path).st_size == self._offset:
                return False
            with open(self._path, "rb", buffering=0) as file:
                if os.fstat(file.fileno()).st_size < self._offset:
                    self._offset = 0
                data = os.pread(file.fileno(), count, self._offset)
        except FileNotFoundError:
            return False
        self._offset += len(data)
        if data:
            sent = self.talk.sent
            self._show(self.talk.feed(data), live=show)
            if self.talk.sent > sent:
                self.hasten()
            if show and self.talk.listens():
                self._report(Listening(self._step, self._attempt))
        return bool(data)

    def _show(self, events: Sequence[EngineEvent], *, live: bool) -> None:
        before = self.usage
        if live:
            self._look(events)
        for event in events:
            self._take(event, live=live)
        if live and self.usage is not None and self.usage != before and not self.talk.over:
            # What is told at the end of the work comes with the end of the attempt: to stop it now would save nothing.
            self._report(SpendingTold(self._step, self._attempt, self.usage))
        steps = [event for event in events if isinstance(event, Progress)]
        if live and steps:
            newest = ProgressReported(self._step, self._attempt, steps[-1].percent, steps[-1].text)
            if newest != self._last:
                self._last = newest
                self._report(newest)

    def _take(self, event: EngineEvent, *, live: bool) -> None:
        self._pending.seen(event)
        match event:
            case Said(text=text):
                self.said = True
                self._say(self._step, text)
            case Called() | Refused() | Retrying() if line := shown(event, redact=self._redact):
                self._say(self._step, line)
            case Spent(usage=usage):
                self.usage = usage
            case ModelTold(model=model):
                self.model = model
            case Warns(text=text):
                warned = Warned(self._step, self._attempt, text)
                self._report(warned) if live else self.late.append(warned)
            case Asked() | Withdrawn() if live and not self._behind:
                self._leave(event)
            case _:
                pass

    def _look(self, events: Sequence[EngineEvent]) -> None:
        now = self._now()
        if self._watch is not None:
            self._trip(self._watch.seen(events, now=now))
        if self._stalls is not None:
            self._stall(self._stalls.seen(events, now=now))

    def _leave(self, event: Asked | Withdrawn) -> None:
        match event:
            case Asked(request=request, wish=wish):
                self._report(
                    LeaveAsked(self._step, self._attempt, request, "\n".join(filter(None, (wish.text, wish.why))))
                )
            case Withdrawn(request=request):
                self._report(LeaveWithdrawn(self._step, self._attempt, request))
