"""What a failure means by what the program says about it: its class, and how long to wait. The one place for both.

Patterns come from an engine's definition. Times are found in the usual ways of saying them; those of a day are in this
machine's time, as such programs print them. Refuses to look at successes, and at ends that the keeper brought about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from teamflow.core.invocation import Exit
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.shell import excerpt

_OPEN: Final = frozenset({FailureClass.EXIT, FailureClass.CRASH, FailureClass.FATAL})
"""What an end without a class of its own is called."""

_PATIENCE: Final = 0.25
"""Seconds that a pattern may take."""

_WAITS: Final = frozenset({FailureClass.RATE_LIMIT, FailureClass.USAGE_EXHAUSTED})

LONGEST_WAIT: Final = 35 * 86400.0
"""Seconds: what is said to be further off is a mistake. The longest quota is a month's."""

_JUST: Final = timedelta(minutes=15)
"""A time of day that has passed so shortly is meant: it is said by the minute, and may be said again within it."""

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LENGTH: Final = re.compile(
    r"(\d{1,9}(?:\.\d{1,6})?) ?(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)\b"
    r"[ ,]*(?:and )?",
    re.IGNORECASE,
)
_HEADER: Final = re.compile(r"retry[-_ ]after[\"']?[:=]? ?[\"']?(\d{1,9}(?:\.\d{1,6})?)(?=\D|$)", re.IGNORECASE)
_IN: Final = re.compile(
    r"\b(?:again|retry|resets?|retrying|available|wait|after)(?: for| in| after)? (?=\d)", re.IGNORECASE
)
_AT: Final = re.compile(
    r"\b(?:again|resets?|retry|until|available)(?: at| on| after)?[:= ] ?(?=[\dA-Z])", re.IGNORECASE
)
_UNIX: Final = re.compile(r"(?:\||reset\w{0,40}[\"']?[:= ]{1,2}[\"']?)(\d{10})(?:\d{3})?\b", re.IGNORECASE)
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?")
_DAY: Final = re.compile(r"([A-Z][a-z]{2})[a-z]* (\d{1,2})(?:st|nd|rd|th)?,?(?: (\d{4}),?)?(?: at)? ")
_CLOCK: Final = re.compile(r"(\d{1,2})(?::(\d\d))?(?::\d\d)? ?([ap]\.?m\b)?", re.IGNORECASE)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def classified(failed: Failed, patterns: Sequence[tuple[str, str]], end: Exit) -> Failed:
    """The failure with the class of the first pattern that its reason, or what was printed last, holds."""
    if failed.failure not in _OPEN or end.cause is not None or end.signal is not None:
        return failed
    said = f"{failed.reason}\n{end.printed}"
    for failure, pattern in patterns:
        try:
            begin, stop = _search(pattern, said)
        except TimeoutError:
            slow = f"(the pattern {excerpt(pattern)!r} under failures takes too long, and was left out)"
            failed = failed._replace(reason=f"{failed.reason} {slow}")
            continue
        if begin < 0:
            continue
        kind = FailureClass(failure)
        told = failed.reason if stop <= len(failed.reason) else f"{failed.reason}: {_line(said, begin)}"
        wait = stated_wait(said, end.at) if kind in _WAITS else None
        return failed._replace(failure=kind, reason=told, retry_after=wait)
    return failed


def _search(pattern: str, text: str) -> tuple[int, int]:
    """Where a pattern is found; (-1, -1): nowhere. Raises TimeoutError: patterns come from a file, and some take longer
    than anybody lives."""
    # Imported here: only engines with `failures` need it. Python's own has no limit of time.
    import regex

    found = regex.search(pattern, text, regex.IGNORECASE, timeout=_PATIENCE)
    return (-1, -1) if found is None else found.span()


def stated_wait(text: str, at: float | None) -> float | None:
    """Seconds from `at` (Unix) until it may be tried again, as far as a text tells; None: it does not.

    Where several are told, the last counts. What is over already is 0.
    """
    waits = (wait for wait in _waits(text, at) if wait <= LONGEST_WAIT)
    return max(0.0, found) if (found := next(iter(reversed(list(waits))), None)) is not None else None


def _waits(text: str, at: float | None) -> Iterator[float]:
    for found in _HEADER.finditer(text):
        unit = _LENGTH.match(text, found.start(1))
        yield _seconds(text, found.start(1)) if unit is not None else float(found[1])
    for found in _IN.finditer(text):
        if _LENGTH.match(text, found.end()) is not None:
            yield _seconds(text, found.end())
    if at is None:
        return
    for found in _UNIX.finditer(text):
        yield float(found[1]) - at
    for found in _AT.finditer(text):
        moment = _moment(text, found.end(), at)
        if moment is not None:
            yield moment - at


def _seconds(text: str, start: int) -> float:
    """The sum of `1h 5 minutes`."""
    total = 0.0
    while (found := _LENGTH.match(text, start)) is not None:
        word = found[2].lower()
        total += float(found[1]) * _UNITS["ms" if word.startswith(("ms", "mil")) else word[0]]
        start = found.end()
    return total


def _moment(text: str, start: int, at: float) -> float | None:
    """Unix time of an ISO time, of `4:09 AM`, `14:30`, `3pm`, or of `Nov 20th, 2026 4:09 AM`."""
    try:
        if (iso := _ISO.match(text, start)) is not None:
            return datetime.fromisoformat(iso[0]).timestamp()
        now = datetime.fromtimestamp(at).astimezone().replace(tzinfo=None)
        day = _DAY.match(text, start)
        clock = _CLOCK.match(text, day.end() if day is not None else start)
        if clock is None or not (clock[2] or clock[3]):
            return None
        hour = int(clock[1])
        if clock[3]:
            hour = hour % 12 + (12 if clock[3][0] in "pP" else 0)
        then = now.replace(hour=hour, minute=int(clock[2] or 0), second=0, microsecond=0)
        if day is not None:
            then = then.replace(month=_MONTHS.index(day[1]) + 1, day=int(day[2]), year=int(day[3] or now.year))
            if not day[3] and then < now - timedelta(days=180):
                then = then.replace(year=now.year + 1)
        elif then <= now - _JUST:
            then += timedelta(days=1)
        return then.timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _line(text: str, at: int) -> str:
    """The line in which a place stands, at most 200 characters of it."""
    begin = text.rfind("\n", 0, at) + 1
    line = text[max(begin, at - 100) :].partition("\n")[0].strip()
    return line if len(line) <= 200 else line[:199] + "…"
