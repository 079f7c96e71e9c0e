"""When an agent CLI that lives does nothing any more, or the same for ever: start-up, silence, storms of requests, a
key that is refused.

Fed by `run/tail.py`, with its engine's limits (`Capabilities`). What it finds is the cause for which the attempt is
stopped; what that means is in `engines/exits.py`. Knows no clock of its own. A person who is asked is no stall: then
time stands still.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from teamflow.core.capabilities import TOOL_PATIENCE, Capabilities
from teamflow.core.invocation import Called, EngineEvent, Progress, Retrying, Returned, Said, SessionOpened
from teamflow.core.outcome import FailureClass

NO_SESSION: Final = "no_session"
SILENT: Final = "silent"
STORM: Final = "storm"
REFUSED: Final = "refused"

MOST_RETRIES: Final = 60
"""So many tries of a call of its model, with nothing else between them, are a storm."""
MOST_REFUSALS: Final = 3
"""So many tries that are not let in, one after the other: a key does not become right by trying. (A login may be
renewed behind the first.) Claude goes on for minutes."""
MOST_REPEATS: Final = 100
"""So many calls of a tool that are all the same, with nothing else between them, are one, too."""
LONGEST_WAIT: Final = 3600.0
"""Seconds that it may say it waits."""


class Stalls:
    """`seen` and `passed` give why the attempt is to be stopped; empty: it is not."""

    def __init__(self, limits: Capabilities, *, begun: float, idle: float | None = None) -> None:
        """`begun`: seconds since boot. `idle`: the step's own `idle_timeout`, which goes before the engine's limit."""
        self._within = limits.session_within
        self._silence = idle if idle is not None else limits.silence
        self._begun = self._alive = begun
        self._opened = False
        self._tools: set[str] = set()
        self._tries: list[FailureClass] = []
        self._repeats = 0
        self._last = ""

    def seen(self, events: Sequence[EngineEvent], *, now: float) -> str:
        """Something was printed, and came to these. That a call of its model is tried again is no sign of life, but
        the time that it says it waits is not counted."""
        tries = [event for event in events if isinstance(event, Retrying)]
        if len(tries) < len(events) or not events:
            self._alive = now
        elif tries[-1].wait is not None:
            self._alive = max(self._alive, now + min(tries[-1].wait, LONGEST_WAIT))
        for event in events:
            match event:
                case SessionOpened():
                    self._opened = True
                case Retrying(failure=failure):
                    self._tries.append(failure)
                case Called(what=what, id=call):
                    self._tries = []
                    self._repeats = self._repeats + 1 if what == self._last else 0
                    self._last = what
                    if call:
                        self._tools.add(call)
                case Returned(id=call):
                    self._tries = []
                    self._tools.discard(call)
                case Said() | Progress():
                    self._tries, self._repeats = [], 0
                    self._last = ""
                case _:
                    pass
        return self._goes_round()

    def _goes_round(self) -> str:
        if self._tries[-MOST_REFUSALS:] == [FailureClass.AUTH] * MOST_REFUSALS:
            return REFUSED
        return STORM if len(self._tries) > MOST_RETRIES or self._repeats > MOST_REPEATS else ""

    def passed(self, *, now: float) -> str:
        if not self._opened and self._within is not None and now - self._begun > self._within:
            return NO_SESSION
        patience = TOOL_PATIENCE if self._tools else 1
        if self._silence is not None and now - self._alive > self._silence * patience:
            return SILENT
        return ""
