"""Text that SQLite can keep. Names of files may hold bytes that are no UTF-8; Python shows them as lone surrogates."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def storable(text: str) -> str:
    """The text, with each lone surrogate written as `\\udcff`: in JSON that is the same string, elsewhere a name."""
    if text.isascii():
        return text
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
