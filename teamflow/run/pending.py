"""What an agent has told of its model when it was last heard of: for the reason of an attempt that ran out of time.

Knows no clock and no engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from teamflow.core.invocation import Called, EngineEvent, Retrying, Said
from teamflow.core.outcome import Failed, FailureClass, Outcome
from teamflow.core.shell import excerpt
from teamflow.core.shown import WIDTH

_WAITED: Final = (FailureClass.TIMEOUT, FailureClass.IDLE, FailureClass.AUTH)


class Pending:
    def __init__(self, redact: Callable[[str], str]) -> None:
        """`redact` is asked before anything is cut."""
        self._redact = redact
        self._trouble = ""

    def seen(self, event: EngineEvent) -> None:
        if isinstance(event, Retrying):
            self._trouble = excerpt(self._redact(event.reason), width=WIDTH)
        elif isinstance(event, Said | Called):
            self._trouble = ""

    def told(self, outcome: Outcome) -> Outcome:
        """The outcome; one that was waited for too long says what it was waiting for."""
        if self._trouble and isinstance(outcome, Failed) and outcome.failure in _WAITED:
            return outcome._replace(reason=f"{outcome.reason}; the last it told: {self._trouble}")
        return outcome
