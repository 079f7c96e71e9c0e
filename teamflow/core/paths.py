"""Names of files for people and prompts: on one line, steering no terminal, and telling one name from another.

Knows no file. A plain name stands as it is; any other in double quotes, with backslashes as git and C have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

LONGEST: Final = 300
"""Characters of one name; of a longer one the middle is left out."""

_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def path_shown(path: str, *, longest: int = LONGEST) -> str:
    """One name. `longest` is at least 3."""
    if path and path.isprintable() and '"' not in path and "\\" not in path and path.strip() == path:
        return _shortened(path, longest)
    return f'"{_shortened("".join(map(_escaped, path)), longest)}"'


def paths_shown(paths: Sequence[str], *, most: int = 1) -> str:
    """The first `most` names, and how many more there are."""
    named = ", ".join(path_shown(path, longest=120) for path in paths[:most])
    return f"{named} and {len(paths) - most} more" if len(paths) > most else named


def _shortened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    tail = longest // 2
    return f"{text[: longest - tail - 1]}…{text[-tail:]}"


def _escaped(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    if char.isprintable():
        return char
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
