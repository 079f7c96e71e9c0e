"""Complaints as text and as JSON. Pure: source texts are an argument.

Decides the look: place, code, message, the line with a caret under the place, hint. What a file holds cannot steer
the terminal: control characters are shown as escapes, tabs as blanks, and the caret allows for wide characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from teamflow.core.diagnostics import Diagnostic, Severity, Span
from teamflow.core.plan import Json
from teamflow.views.width import width

_BREAK: Final = re.compile(r"\r\n|\r|\n")
_TAB: Final = "    "
_WIDEST: Final = 160
"""Columns of an excerpt; a longer line is cut around the place."""


def to_json(diagnostics: Iterable[Diagnostic]) -> dict[str, Json]:
    """`{"schema_version": 1, "diagnostics": […]}`; places that are not known are null."""
    return {"schema_version": 1, "diagnostics": [_entry(item) for item in diagnostics]}


def _entry(item: Diagnostic) -> dict[str, Json]:
    span = item.span
    return {
        "code": item.code,
        "severity": item.severity.value,
        "message": item.message,
        "file": span.file if span else None,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "end_line": span.end_line if span else None,
        "end_column": span.end_column if span else None,
        "hint": item.hint,
    }


def to_text(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str], *, color: bool = False) -> str:
    """All complaints with excerpts from `sources` (file → text), and a last line that counts them.

    Empty when there are none. `color` adds ANSI colours of our own; nothing from a file can.
    """
    items = list(diagnostics)
    if not items:
        return ""
    lines = {file: _BREAK.split(text) for file, text in sources.items()}
    shown = [_one(item, lines, _Paint(on=color)) for item in items]
    return "\n\n".join(shown) + "\n\n" + _count(items) + "\n"


def _count(items: list[Diagnostic]) -> str:
    errors = sum(item.severity is Severity.ERROR for item in items)
    warnings = len(items) - errors
    parts = [
        f"{number} {word}{'s' if number > 1 else ''}"
        for number, word in ((errors, "error"), (warnings, "warning"))
        if number
    ]
    codes = dict.fromkeys(item.code for item in items)
    more = f"; teamflow explain {safe(next(iter(codes)))} says more" if codes else ""
    return " and ".join(parts) + more


class _Paint:
    """Our own colours, or none."""

    def __init__(self, *, on: bool) -> None:
        self._on = on

    def __call__(self, style: str, text: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._on else text


def _one(item: Diagnostic, sources: Mapping[str, list[str]], paint: _Paint) -> str:
    style = "1;31" if item.severity is Severity.ERROR else "1;33"
    head = f"{paint(style, f'{item.severity.value}[{safe(item.code)}]')}: {safe(item.message)}"
    if item.span is not None:
        head = f"{safe(item.span.file)}:{item.span.line}:{item.span.column}: {head}"
        head += _excerpt(item.span, sources, paint, style)
    for word, span in item.related:
        head += f"\n  {safe(span.file)}:{span.line}:{span.column}: {safe(word)}"
        head += _excerpt(span, sources, paint, "1;34")
    if item.hint:
        head += f"\n  {paint('1;36', 'hint')}: {safe(item.hint)}"
    return head


def _excerpt(span: Span, sources: Mapping[str, list[str]], paint: _Paint, style: str) -> str:
    """The line of `span` with carets under it; nothing where the text is not at hand."""
    lines = sources.get(span.file)
    if lines is None or not 0 < span.line <= len(lines):
        return ""
    line = lines[span.line - 1]
    start = min(span.column - 1, len(line))
    end = min(span.end_column - 1, len(line)) if span.end_line == span.line else len(line.rstrip())
    before, marked, after = _cut(line[:start], line[start : max(end, start)], line[max(end, start) :])
    shown = safe(before, tab=_TAB) + safe(marked, tab=_TAB) + safe(after, tab=_TAB)
    carets = "^" * max(1, width(safe(marked, tab=_TAB)))
    number = str(span.line)
    gutter = " " * len(number)
    blanks = " " * width(safe(before, tab=_TAB))
    return f"\n {number} | {shown.rstrip()}\n {gutter} | {blanks}{paint(style, carets)}"


def _cut(before: str, marked: str, after: str) -> tuple[str, str, str]:
    """The part of a long line around the place."""
    if len(before) + len(marked) + len(after) <= _WIDEST:
        return before, marked, after
    if len(marked) > _WIDEST // 2:
        marked, after = marked[: _WIDEST // 2], "…"
    if len(before) > _WIDEST // 2:
        before = "…" + before[-(_WIDEST // 2) :]
    room = max(1, _WIDEST - len(before) - len(marked))
    return before, marked, after if len(after) <= room else after[:room] + "…"


def safe(text: str, *, tab: str = " ") -> str:
    """`text` on one line with nothing in it that a terminal would obey or that would turn its direction."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(tab if char == "\t" else char if _is_plain(char) else _escaped(char) for char in text)


def _is_plain(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) in ("Zs", "Mn", "Mc")


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
