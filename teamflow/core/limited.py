"""Engines that are out of reach for a time: because of a usage limit, or because of trouble that others do not have."""

from __future__ import annotations

from typing import Final, NamedTuple

from teamflow.core.events import EngineLimited, Now

USAGE: Final = "usage"
TROUBLE: Final = "trouble"


class EngineLimit(NamedTuple):
    """`hits`: how often in a row it was met by an attempt that began after the one before had been; a success of that
    engine ends the row. Times as in `EngineLimited`."""

    why: str
    boot: str
    mono: float
    until: float
    reason: str
    hits: int
    seen: float
    """Unix: when it was recorded."""
    met: int
    """Seq of the record that told of it: what began after that, began with the limit over."""


def met_again(known: EngineLimit | None, event: EngineLimited, *, at: float, seq: int, began: int) -> EngineLimit:
    """What is known after this. `began`: seq of the start of the attempt that met it, 0 for one of another run."""
    if known is not None and known.why == USAGE and event.why == TROUBLE and known.until > event.until:
        return known
    hits = 1 if known is None or known.why != event.why else known.hits + (began > known.met)
    return EngineLimit(event.why, event.boot, event.mono, event.until, event.reason, hits, at, seq)


def left(limit: EngineLimit, now: Now) -> float:
    """Seconds until it is over, 0 if it is. Over a jump of the wall clock only another boot goes by that."""
    return max(0.0, limit.mono - now.mono if limit.boot == now.boot else limit.until - now.wall)
