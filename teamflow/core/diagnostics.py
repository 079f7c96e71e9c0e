"""Complaints with a place: what every check returns and every front end prints.

Decides nothing and formats nothing: `views/diagnostics.py` prints, `core/codes.py` explains the codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of a source file: lines and columns count from 1, the end column is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One complaint. `code` is a stable slug listed in `core/codes.py`; `hint` says what to do about it.

    `related` holds further places, each with a word on why it matters (every edge of a cycle, say).
    """

    code: str
    message: str
    span: Span | None = None
    hint: str | None = None
    severity: Severity = Severity.ERROR
    related: tuple[tuple[str, Span], ...] = ()


class Diagnostics:
    """Collects complaints so that one reading of a file reports every mistake. Order: by place."""

    def __init__(self, items: Iterable[Diagnostic] = ()) -> None:
        self._items: list[Diagnostic] = list(items)

    def error(
        self,
        code: str,
        message: str,
        span: Span | None = None,
        *,
        hint: str | None = None,
        related: tuple[tuple[str, Span], ...] = (),
    ) -> None:
        self._items.append(Diagnostic(code, message, span, hint, Severity.ERROR, related))

    def warn(self, code: str, message: str, span: Span | None = None, *, hint: str | None = None) -> None:
        self._items.append(Diagnostic(code, message, span, hint, Severity.WARNING))

    def extend(self, items: Iterable[Diagnostic]) -> None:
        self._items.extend(items)

    @property
    def has_errors(self) -> bool:
        return any(item.severity is Severity.ERROR for item in self._items)

    def __iter__(self) -> Iterator[Diagnostic]:
        def place(item: Diagnostic) -> tuple[str, int, int, str]:
            span = item.span
            return (span.file, span.line, span.column, item.code) if span else ("", 0, 0, item.code)

        seen: set[Diagnostic] = set()
        for item in sorted(self._items, key=place):
            if item not in seen:
                seen.add(item)
                yield item

    def __len__(self) -> int:
        return len(self._items)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """`did you mean "x"?` for the closest of `known`, or None when nothing is close."""
    import difflib  # needed only when something is wrong

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else None
