"""The sessions of running attempts, each with the file that it is fed from: opened, followed, read to their end.

What they tell of themselves goes on as it may be recorded: redacted, and only as much of it as matters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from teamflow.core.events import ProgressReported
from teamflow.core.invocation import Brief, Exit
from teamflow.core.outcome import Outcome, Succeeded, Usage
from teamflow.core.redact import Redactor
from teamflow.core.spending import SpendingTold
from teamflow.core.state import RunState
from teamflow.policy.budget import worth_telling
from teamflow.ports import Clock, Engine, Session
from teamflow.run.place import Place
from teamflow.run.roles import Report
from teamflow.run.tail import Tail
from teamflow.run.watch import Watch


class Following:
    """By step and attempt. `finish` may be called from another thread, once it is `stop`ped."""

    def __init__(
        self,
        state: RunState,
        place: Place,
        *,
        clock: Clock,
        redactor: Redactor,
        report: Callable[[Report], None],
        say: Callable[[str, str], None],
    ) -> None:
        self._state = state
        self._place = place
        self._clock = clock
        self._redactor = redactor
        self._report = report
        self._say = say
        self._open: dict[tuple[str, int], Tail] = {}

    def has(self, step: str, attempt: int) -> bool:
        return (step, attempt) in self._open

    def open(self, session: Session, step: str, attempt: int) -> None:
        """Follows what the attempt prints, unless that is done already."""
        if not self.has(step, attempt):
            tail = self._open[step, attempt] = self._tail(session, step, attempt)
            tail.follow(asyncio.get_running_loop())

    def session(self, step: str, attempt: int) -> Session | None:
        """Of an attempt that is followed."""
        tail = self._open.get((step, attempt))
        return tail.session if tail is not None else None

    def stop(self, step: str, attempt: int) -> None:
        tail = self._open.get((step, attempt))
        if tail is not None:
            tail.stop()

    def finish(self, engine: Engine, brief: Brief, step: str, attempt: int, end: Exit) -> Outcome:
        """What the attempt came to, all that it printed considered."""
        tail = self._open.pop((step, attempt), None) or self._tail(engine.session(brief), step, attempt)
        tail.finish(end.log_end)
        outcome = tail.session.close(end)
        if isinstance(outcome, Succeeded) and outcome.text and not tail.said:
            self._say(step, outcome.text)
        return outcome

    def spent(self, step: str, attempt: int) -> Usage | None:
        """What the attempt has told of its cost so far."""
        tail = self._open.get((step, attempt))
        return tail.usage if tail is not None else None

    def close(self) -> None:
        for tail in self._open.values():
            tail.stop()

    def _tail(self, session: Session, step: str, attempt: int) -> Tail:
        guards = self._state.steps[step].step.guards
        awake = partial(self._awake, step)
        watch = None if guards is None else Watch(guards, begun=awake())
        return Tail(
            self._place.log(step, attempt),
            session,
            step=step,
            attempt=attempt,
            report=self._told,
            say=self._say,
            watch=watch,
            now=awake,
        )

    def _awake(self, step: str) -> float:
        """Seconds since boot, but for those in which the attempt was halted where it is."""
        now, live = self._clock.now().mono, self._state.steps[step].live
        if live is None:
            return now
        return now - live.frozen_for - (max(0.0, now - live.frozen_at) if live.frozen_at is not None else 0.0)

    def _told(self, event: Report) -> None:
        if isinstance(event, ProgressReported):
            event = event._replace(text=self._redactor.text(event.text))
        if not isinstance(event, SpendingTold) or self._matters(event):
            self._report(event)

    def _matters(self, event: SpendingTold) -> bool:
        known = self._state.steps[event.step]
        live = known.live
        return (
            live is not None and live.number == event.attempt and worth_telling(self._state, known, live, event.usage)
        )
