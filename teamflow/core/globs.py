"""Patterns of `reads` and `writes`: what they match. Pure; `workspaces/` walks directories with them.

`*` and `?` stay within one name, `[ab]` and `[!ab]` are one character, `**` is any number of directories; names that
start with a dot are matched like others. `src/**` is every file below src; a plain path is that file, or every file
below that directory; so is a trailing `/` after a pattern for directories. `!pattern` takes away what the patterns
before it gave. Everything is relative to the root and stays in it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

ANY_DEPTH: Final = "**"
_WILD: Final = re.compile(r"[*?\[]")


class PatternError(ValueError):
    """A pattern that cannot mean anything: the message says why and quotes it."""


class Glob(NamedTuple):
    """One pattern, taken apart. `segments` are names, wildcards or ANY_DEPTH; empty: the root itself."""

    segments: tuple[str, ...]
    negated: bool = False
    below: bool = False
    """Ends in `/`: matches directories, and means all below them."""

    @property
    def literal(self) -> str | None:
        """The path that it names, where it has no wildcard."""
        return None if any(is_wild(segment) for segment in self.segments) else "/".join(self.segments)


def is_wild(segment: str) -> bool:
    return _WILD.search(segment) is not None


def parse(pattern: str) -> Glob:
    """Raises PatternError for patterns that are empty, absolute, lead out of the root or hold a NUL."""
    text = pattern
    negated = text.startswith("!")
    if negated:
        text = text[1:]
    if not text or "\0" in text:
        raise PatternError(f"not a path: {pattern!r}")
    if text.startswith("/"):
        raise PatternError(f"must be relative to the workspace: {pattern!r}")
    segments: list[str] = []
    for segment in text.split("/"):
        if segment == "..":
            raise PatternError(f"leads out of the workspace: {pattern!r}")
        if segment in ("", "."):
            continue
        if segment == ANY_DEPTH and segments[-1:] == [ANY_DEPTH]:
            continue
        segments.append(segment)
    return Glob(tuple(segments), negated, text.endswith("/"))


def name_matcher(segment: str) -> re.Pattern[str]:
    """Matches whole names against one segment with wildcards (not ANY_DEPTH)."""
    return re.compile(_translate(segment) + r"\Z", re.DOTALL)


def path_matcher(glob: Glob) -> re.Pattern[str]:
    """Matches whole relative paths of files."""
    out: list[str] = []
    last = len(glob.segments) - 1
    for index, segment in enumerate(glob.segments):
        if segment == ANY_DEPTH:
            out.append(r".+" if index == last else r"(?:[^/]+/)*")
        else:
            out.append(_translate(segment) + ("" if index == last else "/"))
    if not glob.segments:
        tail = ".+"
    elif glob.below:
        tail = "/.+" if glob.segments[-1] != ANY_DEPTH else ""
    else:
        tail = "(?:/.+)?" if not is_wild(glob.segments[-1]) else ""
    return re.compile("".join(out) + tail + r"\Z", re.DOTALL)


def _translate(segment: str) -> str:
    out: list[str] = []
    index = 0
    while index < len(segment):
        char = segment[index]
        index += 1
        if char == "*":
            if out[-1:] != ["[^/]*"]:
                out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            end = segment.find("]", index + 1 + (segment[index : index + 1] == "!"))
            if end < 0:
                out.append(r"\[")
                continue
            out.append(_character_set(segment[index:end]))
            index = end + 1
        else:
            out.append(re.escape(char))
    return "".join(out)


def _character_set(body: str) -> str:
    negated = body.startswith("!")
    body = body[negated:]
    parts: list[str] = []
    index = 0
    while index < len(body):
        low, high = body[index], body[index]
        if body[index + 1 : index + 2] == "-" and index + 2 < len(body):
            high = body[index + 2]
            index += 2
        index += 1
        if low <= high:
            parts.append(re.escape(low) if low == high else f"{re.escape(low)}-{re.escape(high)}")
    if not parts:
        return "[^/]" if negated else r"(?!)"
    return f"(?!/)[{'^' if negated else ''}{''.join(parts)}]"
