"""Engines that are out of reach for a time, because of a usage limit, or because of trouble that others do not have:
the events (part of the union in `core/events.py`), and what a run knows of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from teamflow.core.named import NamedTuple

if TYPE_CHECKING:
    from teamflow.core.events import Now

USAGE: Final = "usage"
TROUBLE: Final = "trouble"


_AT: Final = " at "


def account(engine: str, base_url: str) -> str:
    """What a limit counts for: an engine, and apart from that the same engine with models of another server."""
    return f"{engine}{_AT}{base_url}" if base_url else engine


def engine_of(limited: str) -> str:
    """The engine's name alone."""
    return limited.partition(_AT)[0]


class EngineLimited(NamedTuple):
    """Fact: an engine (`account`) is out of reach until `mono` (seconds since boot `boot`), which is `until` (Unix) for
    people and other boots. why: usage (its usage limit) | trouble (a step with fallbacks has given up on it till then).
    """

    engine: str
    why: str
    boot: str
    mono: float
    until: float
    reason: str
    step: str = ""
    """Whose attempt has met it; empty: another run on this machine has."""
    attempt: int | None = None


class LimitLifted(NamedTuple):
    """Somebody says, or another run has seen, that an engine (`account`) is in reach again."""

    engine: str
    by: str


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


def at_once(step_id: str) -> str:
    """What those can do who know better."""
    return f"`teamflow resume {step_id}` has it asked again at once"
