"""The JSON that a program printed, among whatever else it printed: banners, warnings, progress, a cut-off end.

Decides which of several values counts: the last object or list that begins a line and ends one. Repairs nothing, and
does no more work than a fixed amount, whatever the output.
"""

from __future__ import annotations

import json
import re
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json
from teamflow.core.shell import excerpt
from teamflow.engines.lines import parse_json, raw_json

_MOST_WORK: Final = 16 << 20
"""Characters that are read in looking for JSON: hostile output could make every line cost the whole rest."""
_UNKNOWN_WORK: Final = 10_000
_LEAST_WORK: Final = 64
_BEGUN: Final = re.compile(r"t|tr|tru|f|fa|fal|fals|n|nu|nul|-|\.|[eE][+-]?|")
"""What is left of a number or a word that the end of the output cuts off."""
_BEGIN: Final = re.compile(r"^[\[{]", re.MULTILINE)


class Document(NamedTuple):
    """An object or a list; None: `problem` says in a few words why there is none."""

    value: Json = None
    problem: str = ""


def last_document(text: str) -> Document:
    """The JSON in a program's output."""
    text = text.strip()
    if not text:
        return Document(problem="no output")
    try:
        whole = parse_json(text)
    except ValueError:
        return _search(text)
    return Document(whole) if isinstance(whole, dict | list) else _none(text)


def _search(text: str) -> Document:
    found: Json = None
    work = at = 0
    while (begin := _BEGIN.search(text, at)) is not None:
        if work > _MOST_WORK:
            return Document(problem="too many lines that begin like JSON")
        at = begin.end()
        work += _LEAST_WORK
        try:
            value, end = raw_json(text, begin.start())
        except json.JSONDecodeError as error:
            if _reached_end(error, text):
                return Document(problem="JSON that is cut off")
            work += error.pos - at + (error.pos >> 6)
            continue
        except ValueError:
            work += _UNKNOWN_WORK
            continue
        line_end = text.find("\n", end)
        if not text[end : line_end if line_end >= 0 else len(text)].strip():
            found, at = value, end
    return Document(found) if found is not None else _none(text)


def _reached_end(error: json.JSONDecodeError, text: str) -> bool:
    """Whether reading stopped for want of more, and not at something that cannot stand there."""
    if error.msg.startswith("Invalid \\u"):
        return '"' not in text[error.pos :]
    return error.msg.startswith("Unterminated string") or _BEGUN.fullmatch(text, error.pos) is not None


def _none(text: str) -> Document:
    return Document(problem=f'no JSON in its output, which begins "{excerpt(text)}"')
