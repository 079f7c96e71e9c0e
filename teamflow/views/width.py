"""How many columns text takes on a terminal, and how it is made to fit. Refuses to know tables."""

from __future__ import annotations

import unicodedata

_WIDE = frozenset({"W", "F"})


def width(text: str) -> int:
    """Columns of one line of clean text: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if character < "\u0300":
        return 1
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1


def fit(text: str, columns: int | None) -> str:
    """`text` in at most `columns` columns, its end cut off with an ellipsis where it is longer. None: as it is."""
    if columns is None or width(text) <= columns:
        return text
    if columns <= 0:
        return ""
    used = 0
    for at, character in enumerate(text):
        used += _columns(character)
        if used > columns - 1:
            return text[:at] + "…"
    return text


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """`text` filled up with blanks to `columns` columns; `right` puts it at the right edge."""
    blanks = " " * max(0, columns - width(text))
    return blanks + text if right else text + blanks
