"""What a failure means by what the program says about it: its class, by the patterns of an engine's definition.

How long to wait is read in `engines/waits.py`. Refuses to look at successes, and at ends that the keeper brought about.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from teamflow.core.invocation import Exit
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.shell import excerpt
from teamflow.engines.waits import stated_wait

_OPEN: Final = frozenset({FailureClass.EXIT, FailureClass.CRASH, FailureClass.FATAL})
"""What an end without a class of its own is called."""

_PATIENCE: Final = 0.25
"""Seconds that a pattern may take."""

_WAITS: Final = frozenset({FailureClass.RATE_LIMIT, FailureClass.USAGE_EXHAUSTED})


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


def _line(text: str, at: int) -> str:
    """The line in which a place stands, at most 200 characters of it."""
    begin = text.rfind("\n", 0, at) + 1
    line = text[max(begin, at - 100) :].partition("\n")[0].strip()
    return line if len(line) <= 200 else line[:199] + "…"
