"""Text that SQLite can keep. Names of files may hold bytes that are no UTF-8; Python shows them as lone surrogates."""

from __future__ import annotations


def storable(text: str) -> str:
    """The text, with each lone surrogate written as `\\udcff`: in JSON that is the same string, elsewhere a name."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()
