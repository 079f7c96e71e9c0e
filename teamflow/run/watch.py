"""What an attempt does while it runs, as far as its engine tells: turns, tool calls, whether anything is new.

Fed by `run/tail.py`. Knows the limits of its step's guards, and no clock of its own. A guard trips once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from teamflow.core.invocation import Called, EngineEvent, Progress, Said
from teamflow.core.plan import Guards, Step

_REMEMBERED: Final = 1000
"""So many messages and calls are told apart; what comes back after more than these counts as new."""


def idle_after(step: Step) -> float | None:
    """Seconds without output and without a changed file after which the keeper stops a phase of it; None: never."""
    limits = (step.idle_timeout, step.guards.no_progress if step.guards is not None else None)
    return min((limit for limit in limits if limit is not None), default=None)


class Watch:
    """`seen` and `passed` give the reason why a guard trips; empty: none does."""

    def __init__(self, guards: Guards, *, begun: float) -> None:
        """`begun`: seconds since boot."""
        self._guards = guards
        self._turns = self._calls = 0
        self._new_at = begun
        self._known: OrderedDict[str, None] = OrderedDict()
        self._tripped = False

    def seen(self, events: Sequence[EngineEvent], *, now: float) -> str:
        for event in events:
            match event:
                case Said(text=text):
                    self._turns += 1
                    self._note(f"said {hash(text)}", now)
                case Called(what=what):
                    self._calls += 1
                    self._note(f"called {hash(what)}", now)
                case Progress():
                    self._note(f"progress {event}", now)
                case _:
                    pass
        return self._over()

    def passed(self, *, now: float) -> str:
        limit = self._guards.no_progress
        if limit is None or now - self._new_at < limit:
            return ""
        return self._trip(f"no new message or tool call for {limit:g} s (guards.no_progress)")

    def _note(self, what: str, now: float) -> None:
        if what not in self._known:
            self._new_at = now
            self._known[what] = None
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    def _over(self) -> str:
        if self._guards.turns is not None and self._turns > self._guards.turns:
            return self._trip(f"it has taken {self._guards.turns} turns and begins another (guards.turns)")
        if self._guards.calls is not None and self._calls > self._guards.calls:
            return self._trip(f"it has made {self._guards.calls} tool calls and begins another (guards.calls)")
        return ""

    def _trip(self, reason: str) -> str:
        reason, self._tripped = ("" if self._tripped else reason), True
        return reason
