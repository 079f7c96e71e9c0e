"""A patch for people to look at: clean for a terminal, perhaps in git's colours. Knows nothing of where it comes from.

The colours are put on here, by what each line is, so that those of the text itself can be taken off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from teamflow.views.sanitize import clean

_HUNK: Final = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_BOLD: Final = "1"
_CYAN: Final = "36"
_COLOURS: Final = {"+": "32", "-": "31"}


def patch_lines(data: bytes, *, color: bool) -> Iterator[str]:
    """The lines of a patch, without line ends."""
    lines = shown_lines(data)
    return _painted(lines) if color else lines


def shown_lines(data: bytes) -> Iterator[str]:
    """Lines that cannot steer a terminal; each is one line, whatever stands in it."""
    rows = data.split(b"\n")
    if rows and not rows[-1]:
        rows.pop()
    for row in rows:
        yield clean(row.removesuffix(b"\r").decode("utf-8", "replace")).replace("\n", "⏎")


def _painted(lines: Iterable[str]) -> Iterator[str]:
    old = new = 0
    for line in lines:
        if old > 0 or new > 0:
            sign = line[:1]
            old -= sign in ("-", " ", "")
            new -= sign in ("+", " ", "")
            yield _paint(line, _COLOURS.get(sign, ""))
            continue
        hunk = _HUNK.match(line)
        if hunk is not None:
            old, new = (int(count or 1) for count in hunk.groups())
            yield _paint(hunk.group(), _CYAN) + line[hunk.end() :]
        else:
            yield line if line.startswith("\\") else _paint(line, _BOLD)


def _paint(text: str, colour: str) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if colour and text else text
