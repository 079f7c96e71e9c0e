"""The log of one run while a runner drives it: every event is appended, applied, and shown once it is durable.

Knows which steps changed since somebody looked, and from which record on nothing may start before the disk has it.
Decides nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from teamflow.core.events import Event, Now, Record
from teamflow.core.fold import apply
from teamflow.core.plan import Plan
from teamflow.core.redact import Redactor, redacted
from teamflow.core.state import RunState
from teamflow.ports import Clock, Store
from teamflow.run.clock import LeapingClock


class RunLog:
    """Belongs to the loop's thread. `publish` is called with records once they are durable, in order."""

    def __init__(
        self,
        state: RunState,
        *,
        store: Store,
        clock: Clock,
        publish: Callable[[Sequence[Record]], None],
        plans: dict[int, Plan] | None,
        redactor: Redactor | None = None,
    ) -> None:
        self.state = state
        self._store = store
        self._clock = clock
        self._publish = publish
        self._plans = plans
        self._redactor = redactor or Redactor({})
        self._changed: dict[str, None] = {}
        self._unstored: list[Record] = []
        self._unpublished: deque[Record] = deque()
        self._loop = asyncio.get_running_loop()
        self._durable = state.seq
        self._held_until = 0

    def now(self) -> Now:
        return self._clock.now()

    def awaited(self, moment: float) -> Now:
        """The time, now that nothing is decided before `moment` unless something happens. A clock that need not wait
        is there already, if nothing runs that could happen."""
        clock, state = self._clock, self.state
        if isinstance(clock, LeapingClock) and not state.running and (clock.unasked or not state.unanswered):
            clock.leap(moment)
        return clock.now()

    def record(self, event: Event) -> None:
        """Appends an event to the log and applies it. Raises IllegalTransition, and then nothing has happened."""
        now = self._clock.now()
        record = Record(self.state.seq + 1, now.wall, now.mono, redacted(event, self._redactor))
        self.touch(apply(self.state, record, plans=self._plans))
        if not self._unstored:
            # After this turn of the loop: what the records lead to goes out first, and they go to the store together.
            self._loop.call_soon(self.store_now)
        self._unstored.append(record)
        self._unpublished.append(record)

    def store_now(self) -> None:
        """Hands what was recorded to the store."""
        records, self._unstored = self._unstored, []
        if records:
            self._store.append(records)

    def touch(self, step_ids: Iterable[str]) -> None:
        """`decide` is to look at these steps again."""
        self._changed.update(dict.fromkeys(step_ids))

    @property
    def stirred(self) -> bool:
        """Whether there is anything for `decide` to look at."""
        return bool(self._changed)

    def take_changed(self) -> dict[str, None]:
        changed, self._changed = self._changed, {}
        return changed

    def hold(self) -> None:
        """Nothing may start before all that is recorded so far is durable."""
        self._held_until = self.state.seq

    @property
    def held(self) -> bool:
        return self._durable < self._held_until

    async def flush(self, *, unless: asyncio.Future[None]) -> None:
        """Waits until everything is durable, which may be long on a full disk, or until `unless` is done."""
        self.store_now()
        flushing = asyncio.ensure_future(self._store.flush())
        await asyncio.wait({flushing, unless}, return_when=asyncio.FIRST_COMPLETED)
        if not flushing.done():
            flushing.cancel()
        elif (error := flushing.exception()) is not None:
            raise error

    def durable(self, seq: int) -> bool:
        """The store has everything up to `seq`: it may be shown now. Whether this ends a `hold`."""
        held = self.held
        self._durable = max(self._durable, seq)
        ready: list[Record] = []
        while self._unpublished and self._unpublished[0].seq <= seq:
            ready.append(self._unpublished.popleft())
        if ready:
            self._publish(ready)
        return held and not self.held
