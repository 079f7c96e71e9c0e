"""What runs tell each other: usage limits of engines over all projects, and what a project's runs spend on a day.

A run that cannot read or write it says so, and goes by what it knows itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from teamflow.app.quotas import MachineLimits
from teamflow.core.events import AttemptEnded, AttemptStarted, Event, Now, QuestionAsked
from teamflow.core.leave import LeaveAsked
from teamflow.core.limited import EngineLimited, LimitLifted
from teamflow.core.plan import NO_CAPS, PROMPT
from teamflow.core.spending import DAY, DaySpent
from teamflow.core.state import RunState
from teamflow.policy.budget import committed
from teamflow.store.errors import StoreError
from teamflow.store.layout import Layout
from teamflow.store.spending import DaySums, Sum

_EVERY = 5.0
"""Seconds after which it is looked again what others spend, while something runs here."""


class OtherRuns:
    """`run/roles.Others` for one run."""

    def __init__(
        self,
        state: RunState,
        limits: MachineLimits,
        layout: Layout,
        run: int,
        *,
        now: Callable[[], Now],
        warn: Callable[[str], None],
    ) -> None:
        self._state = state
        self._limits = limits
        self._sums = DaySums(layout, run)
        self._now = now
        self._warn = warn
        self._looked = float("-inf")

    def news(self, start: AttemptStarted | None) -> Sequence[Event]:
        told = self._limits.news()
        if told or self._state.plan.limits.day == NO_CAPS or (start is not None and not self._counts(start.step)):
            return told
        now = self._now()
        day = int(now.wall // DAY)
        known = self._state.ledger.others
        unless = Sum(*known[1:]) if known is not None and known.day == day else Sum()
        try:
            if start is not None:
                others = self._sums.claim(day, Sum(*committed(self._state, now, start)), unless=unless)
            elif now.mono - self._looked >= _EVERY or not self._state.running:
                self._looked = now.mono
                others = self._sums.others(day)
            else:
                return ()
        except StoreError as error:
            return self._unknown(error)
        return () if others == unless else (DaySpent(day, *others),)

    def tell(self, event: EngineLimited | LimitLifted | AttemptEnded | QuestionAsked | LeaveAsked) -> None:
        if isinstance(event, EngineLimited | LimitLifted):
            self._limits.tell(event)
        elif isinstance(event, AttemptEnded) and self._counts(event.step):
            now = self._now()
            try:
                self._sums.claim(int(now.wall // DAY), Sum(*committed(self._state, now, None)), unless=None)
            except StoreError as error:
                self._unknown(error)

    def _counts(self, step_id: str) -> bool:
        """Whether what this step spends counts on a day that has a budget."""
        return self._state.plan.limits.day != NO_CAPS and self._state.steps[step_id].step.kind == PROMPT

    def _unknown(self, error: StoreError) -> Sequence[Event]:
        self._warn(f"what other runs spend today is not known: {error}")
        return ()
