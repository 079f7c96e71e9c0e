"""Guards: the event (part of the union in `core/events.py`), and when two failures or findings count as the same.

A guard stops work that goes round in circles. It pauses the step and asks; it decides nothing else.
"""

from __future__ import annotations

import re
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, Outcome, Succeeded

GUARD: Final = "guard"
"""Why an attempt is stopped by one, and what the question is about."""

RAISED: Final = "raised"
"""Why an attempt ended whose agent kept a limit of its guards itself that holds no more, as it was taken over."""

_MOST: Final = 8 << 10
_VARYING: Final = re.compile(r"0x[0-9a-f]+|[0-9a-f]{7,}|\d+", re.IGNORECASE)
_SPACE: Final = re.compile(r"\s+")


class GuardTripped(NamedTuple):
    """Fact: a running attempt goes round in circles, or has done enough. `reason` is one line for people."""

    step: str
    attempt: int
    reason: str


def gist(text: str) -> str:
    """A text without what differs from time to time: numbers, addresses, digests, white space."""
    return _SPACE.sub(" ", _VARYING.sub("#", text[-_MOST:])).strip().lower()


def failure_gist(outcome: Outcome | None) -> tuple[str, str, str] | None:
    """What makes two failures the same: class, reason and detail; None for what is no failure."""
    if not isinstance(outcome, Failed):
        return None
    return outcome.failure.value, gist(outcome.reason), gist(outcome.detail)


def findings_gist(outcome: Outcome | None) -> str | None:
    """What makes the findings of two rounds the same; None for what is no success."""
    if not isinstance(outcome, Succeeded):
        return None
    return f"{gist(outcome.text or '')}\0{gist(repr(outcome.outputs))}"
