"""What people see of an event while an agent works, or in its log: what it says, what it does, and what it waits for.

The one place that decides it: `logs`, the last lines of tables, and the lines of a run all show the same. Knows no
engine and no terminal: the words of a call are its engine's, and what is not clean is cleaned by who prints it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from teamflow.core.invocation import Called, EngineEvent, Progress, Refused, Retrying, Said, Warns
from teamflow.core.shell import excerpt

WIDTH: Final = 200
"""Columns of a line about something that an agent does."""
_WHY: Final = 80
"""Columns of why it may not."""
_LONGEST: Final = 1 << 16
"""Characters that are looked at for such a line: far more than secrets in it could make of less."""
_OVERLOADED: Final = "overload"


def shown(event: EngineEvent, *, redact: Callable[[str], str] = str) -> str:
    """The text, one line but for what an agent says; empty: nothing is shown of it. `redact` is asked before a line is
    cut, for a cut secret is not found any more."""
    match event:
        case Said(text=text) | Progress(percent=None, text=text):
            return text
        case Progress(percent=percent, text=text):
            return f"[{percent:.0f}%] {text}"
        case Warns(text=text):
            return f"[teamflow: {redact(text)}]"
        case Called(words=None):
            return ""
        case Called(what=what, words=words):
            return _line(words or what, redact=redact)
        case Refused(what=what, why=why):
            words = excerpt(redact(why[:_LONGEST]), width=_WHY)
            return _line(f"refused: {what}", redact=redact, end=f" ({words})" if words else "")
        case Retrying(reason=reason, wait=wait):
            cause = "the model is overloaded" if _OVERLOADED in reason.lower() else reason
            return _line(cause, redact=redact, end=f", tried again{_in(wait)}")
        case _:
            return ""


def _line(text: str, *, redact: Callable[[str], str], end: str = "") -> str:
    """`> text`; where there is nothing to be read in the text, nothing."""
    line = excerpt(redact(text[:_LONGEST]), width=WIDTH - len("> ") - len(end))
    return f"> {line}{end}" if line else ""


def _in(wait: float | None) -> str:
    if wait is None:
        return ""
    return f" in {wait:.0f} s" if wait >= 1 else f" in {wait:.1f} s"
