"""Versions as programs print them: found in what they say, and compared.

Decides what counts as a version: two to four numbers with dots, and what may follow a dash. No scheme is known beyond
that.
"""

from __future__ import annotations

import re
from typing import Final

_VERSION: Final = re.compile(
    r"(?<![\w.-])v?([0-9]{1,9}(?:\.[0-9]{1,9}){1,3}(?:-[0-9A-Za-z][0-9A-Za-z.-]{0,40})?)(?!\.?\w)"
)


def version_in(text: str) -> str:
    """The first version in a text, `2.1.197` of `2.1.197 (Claude Code)`; empty where there is none."""
    found = _VERSION.search(text)
    return found[1].rstrip(".-") if found else ""


def is_older(version: str, than: str) -> bool:
    """Whether a version comes before another; a preview comes before what it is one of. False for what is none."""
    one, other = _parts(version), _parts(than)
    return one is not None and other is not None and one < other


def _parts(version: str) -> tuple[tuple[int, ...], bool] | None:
    if not version or version_in(version) != version:
        return None
    numbers, dash, _ = version.partition("-")
    given = [int(part) for part in numbers.split(".")]
    return (*given, *[0] * (4 - len(given))), not dash
