"""One try of a step, as the log tells it. Only the fold changes it."""

from __future__ import annotations

from teamflow.core.outcome import Outcome, Usage
from teamflow.core.plan import Caps
from teamflow.core.work import Ready


class AttemptState:
    """One try of a step. `outcome` None: it runs. Times are Unix; `mono` is seconds since boot; `began`: a record."""

    __slots__ = (
        "allowance",
        "aside",
        "asking",
        "began",
        "cause",
        "continues",
        "ended",
        "engine",
        "fallback",
        "frozen_at",
        "heard_from",
        "model",
        "mono",
        "note",
        "number",
        "outcome",
        "phase",
        "phase_outcome",
        "ready",
        "reason",
        "started",
        "still_at",
        "still_for",
        "stopping",
        "told",
        "told_from",
        "tree",
        "tripped",
        "verdicts",
        "warnings",
    )

    def __init__(
        self, *, number: int, began: int, cause: str, continues: int | None, reason: str, started: float, mono: float
    ) -> None:
        self.number = number
        self.began = began
        self.cause = cause
        self.continues = continues
        self.reason = reason
        self.started = started
        self.mono = mono
        self.ended: float | None = None
        self.engine = ""
        """The engine that does it; `model`: where one is named."""
        self.model: str | None = None
        self.fallback: int | None = None
        """Which of its step's fallbacks that is, from 1."""
        self.allowance: Caps | None = None
        """What it may spend, where a budget holds for it; `told`: what it has told of its cost so far."""
        self.told: Usage | None = None
        self.tripped = ""
        """Why a guard has stopped it."""
        self.outcome: Outcome | None = None
        self.phase = ""
        """The phase that runs now; empty: the first of the row."""
        self.phase_outcome: Outcome | None = None
        self.stopping: str | None = None
        self.frozen_at: float | None = None
        """Since when it is halted where it is."""
        self.still_at: float | None = None
        """Since when its clock stands still: it is halted, or waits for leave."""
        self.still_for = 0.0
        """Seconds for which it stood still before."""
        self.asking: dict[str, int] = {}
        """Leave that it waits for: the question, by request."""
        self.verdicts: dict[str, int] = {}
        """Leave that somebody has given it, or not: likewise."""
        self.warnings: list[str] = []
        """What of its means was not as the team file has it."""
        self.note = ""
        self.aside = ""
        """What no commit holds of what it has left in its workspace."""
        self.ready: Ready | None = None
        """The workspace that was made for it; None: it works in the project directory, or has none yet."""
        self.tree = ""
        self.heard_from = 0
        """Messages of its step before this one were heard in the session that it goes on with."""
        self.told_from = 0
        """Messages up to this one stand in what it is told at its beginning."""
