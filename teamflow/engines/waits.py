"""When it may be tried again, by what a program says: the usual ways of telling a wait, the one place that reads them.

Times of a day are in the zone that is named behind them, else in this machine's, as such programs print them; of a zone
that nobody knows no time is told. Refuses to know why there is a wait.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Final

LONGEST_WAIT: Final = 35 * 86400.0
"""Seconds: what is said to be further off is a mistake. The longest quota is a month's."""

_JUST: Final = timedelta(minutes=15)
"""A time of day that has passed so shortly is meant: it is said by the minute, and may be said again within it."""

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LENGTH: Final = re.compile(
    r"(\d{1,9}(?:\.\d{1,12})?) ?(milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![a-z])"
    r"[ ,]*(?:and )?",
    re.IGNORECASE,
)
_HEADER: Final = re.compile(r"retry[-_ ]after[\"']?[:=]? ?[\"']?(\d{1,9}(?:\.\d{1,6})?)(?=\D|$)", re.IGNORECASE)
_IN: Final = re.compile(
    r"\b(?:again|retry|resets?|retrying|available|wait|after)(?: for| in| after)? (?:about |around |~ ?)?(?=\d)",
    re.IGNORECASE,
)
_AT: Final = re.compile(
    r"\b(?:again|resets?|retry|until|available)(?: at| on| after)?[:= ] ?(?=[\dA-Z])", re.IGNORECASE
)
_HTTP_DATE: Final = re.compile(
    r"retry[-_ ]after[\"']?[:=]? ?[\"']?([A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT)", re.IGNORECASE
)
"""The other form of the header: RFC 9110, 10.2.3."""
_UNIX: Final = re.compile(r"(?:\||reset\w{0,40}[\"']?[:= ]{1,2}[\"']?)(\d{10})(?:\d{3})?\b", re.IGNORECASE)
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?")
_DAY: Final = re.compile(r"([A-Z][a-z]{2})[a-z]* (\d{1,2})(?:st|nd|rd|th)?,?(?: (\d{4}),?)?(?: at)? ")
_CLOCK: Final = re.compile(r"(\d{1,2})(?::(\d\d))?(?::\d\d)? ?([ap]\.?m\b)?", re.IGNORECASE)
_WEEKDAY: Final = re.compile(
    r"(mon|tue|wed|thu|fri|sat|sun)(?:s|nes|rs|ur)?(?:day)?\.?,?(?: at)? (?=\d)", re.IGNORECASE
)
_ZONE: Final = re.compile(r" ?\(([A-Za-z]+(?:/[A-Za-z0-9_+-]+){1,2})\)| ?\(?([A-Z]{2,4})\b\)?")
_HOURS: Final = {"UTC": 0, "GMT": 0, "PST": -8, "PDT": -7, "MST": -7, "MDT": -6, "CST": -6, "CDT": -5, "EST": -5}
_OFFSETS: Final = {**_HOURS, "EDT": -4, "BST": 1, "CET": 1, "CEST": 2, "JST": 9}
_PLACES: Final = {
    "PT": "America/Los_Angeles",
    "MT": "America/Denver",
    "CT": "America/Chicago",
    "ET": "America/New_York",
}
_WEEK: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


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
    for found in _HTTP_DATE.finditer(text):
        if (date := _http_date(found[1])) is not None:
            yield date - at
    for found in _UNIX.finditer(text):
        yield float(found[1]) - at
    for found in _AT.finditer(text):
        moment = _moment(text, found.end(), at)
        if moment is not None:
            yield moment - at


def _http_date(text: str) -> float | None:
    # Imported here: few texts have one.
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _seconds(text: str, start: int) -> float:
    """The sum of `1h 5 minutes`."""
    total = 0.0
    while (found := _LENGTH.match(text, start)) is not None:
        word = found[2].lower()
        total += float(found[1]) * _UNITS["ms" if word.startswith(("ms", "mil")) else word[0]]
        start = found.end()
    return total


def _moment(text: str, start: int, at: float) -> float | None:
    """Unix time of an ISO time, `4:09 AM`, `14:30`, `3pm (Asia/Tokyo)`, `Monday 9am`, or `Nov 20th, 2026 4:09 AM`."""
    try:
        if (iso := _ISO.match(text, start)) is not None:
            return datetime.fromisoformat(iso[0]).timestamp()
        day = _DAY.match(text, start)
        weekday = _WEEKDAY.match(text, start) if day is None else None
        clock = _CLOCK.match(text, (day or weekday).end() if day or weekday else start)  # type: ignore[union-attr]
        if clock is None or not (clock[2] or clock[3]):
            return None
        now = datetime.fromtimestamp(at, _zone(text, clock.end()))
        then = _on_the_clock(now, clock)
        if day is not None:
            then = then.replace(month=_MONTHS.index(day[1]) + 1, day=int(day[2]), year=int(day[3] or now.year))
            if not day[3] and then < now - timedelta(days=180):
                then = then.replace(year=now.year + 1)
        elif weekday is not None:
            then += timedelta(days=(_WEEK.index(weekday[1].lower()) - now.weekday()) % 7)
            then += timedelta(days=7 if then <= now - _JUST else 0)
        elif then <= now - _JUST:
            then += timedelta(days=1)
        return then.timestamp()
    except (ValueError, LookupError, OverflowError, OSError):
        return None


def _on_the_clock(now: datetime, clock: re.Match[str]) -> datetime:
    hour = int(clock[1])
    if clock[3]:
        hour = hour % 12 + (12 if clock[3][0] in "pP" else 0)
    return now.replace(hour=hour, minute=int(clock[2] or 0), second=0, microsecond=0, fold=0)


def _zone(text: str, start: int) -> tzinfo | None:
    """The one that is named there; None: this machine's. Raises LookupError or ValueError: nobody knows that one."""
    found = _ZONE.match(text, start)
    if found is None or (found[1] is None and found[2] not in _OFFSETS and found[2] not in _PLACES):
        return None
    if found[2] in _OFFSETS:
        return timezone(timedelta(hours=_OFFSETS[found[2]]))
    # Imported here: few texts name one.
    from zoneinfo import ZoneInfo

    return ZoneInfo(found[1] or _PLACES[found[2]])
