"""Patterns of `reads` and `writes`: what they match. Pure; `workspaces/` walks directories with them.

`*` and `?` stay within one name, `[ab]` and `[!ab]` are one character, `**` is any number of directories; names that
start with a dot are matched like others. `src/**` is every file below src; a plain path is that file, or every file
below that directory; so is a trailing `/` after a pattern for directories. `!pattern` takes away what the patterns
before it gave. Everything is relative to the root and stays in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from teamflow.core.named import NamedTuple

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


class Characters(NamedTuple):
    """A set of characters, from first to last of each range; `negated`: all others. `/` is never one of them."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool = False


ANY_CHARACTER: Final = Characters((), negated=True)


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
    """Matches whole relative paths of files, in a time that does not explode with the number of stars."""
    last = len(glob.segments) - 1
    groups: list[str] = [""]
    for index, segment in enumerate(glob.segments):
        if segment == ANY_DEPTH and index < last:
            groups.append("")
        else:
            groups[-1] += ".+" if segment == ANY_DEPTH else _translate(segment) + ("/" if index < last else "")
    return re.compile(_in_order(groups, r"(?:[^/]+/)") + _tail(glob) + r"\Z", re.DOTALL)


def covers(patterns: Iterable[str], path: str) -> bool:
    """Whether a list of patterns stands for the file at a relative path."""
    inside = False
    for glob in map(parse, patterns):
        if inside == glob.negated and path_matcher(glob).match(path):
            inside = not glob.negated
    return inside


def _tail(glob: Glob) -> str:
    if not glob.segments:
        return ".+"
    if glob.segments[-1] == ANY_DEPTH:
        return ""
    if glob.below:
        return "/.+"
    return "" if is_wild(glob.segments[-1]) else "(?:/.+)?"


def _in_order(parts: list[str], between: str) -> str:
    """The parts in order, with any number of `between` before each but the first.

    The first place where a part fits is as good as any later one, so no other need be tried (atomic groups); only the
    last part is bound to the end.
    """
    first, *rest = parts
    if not rest:
        return first
    return first + "".join(f"(?>{between}*?{part})" for part in rest[:-1]) + f"{between}*{rest[-1]}"


def _translate(segment: str) -> str:
    parts: list[str] = [""]
    for part in name_parts(segment):
        if part is None:
            parts.append("")
        else:
            parts[-1] += _regex(part)
    return _in_order(parts, "[^/]")


def name_parts(segment: str) -> Iterator[Characters | None]:
    """What one segment (not ANY_DEPTH) asks of a name, character by character; None for `*`: any number of any."""
    index = 0
    while index < len(segment):
        char = segment[index]
        index += 1
        if char == "*":
            yield None
        elif char == "?":
            yield ANY_CHARACTER
        elif char == "[":
            end = segment.find("]", index + 1 + (segment[index : index + 1] == "!"))
            if end < 0:
                yield Characters((("[", "["),))
                continue
            yield _character_set(segment[index:end])
            index = end + 1
        else:
            yield Characters(((char, char),))


def _character_set(body: str) -> Characters:
    negated = body.startswith("!")
    body = body[negated:]
    ranges: list[tuple[str, str]] = []
    index = 0
    while index < len(body):
        low, high = body[index], body[index]
        if body[index + 1 : index + 2] == "-" and index + 2 < len(body):
            high = body[index + 2]
            index += 2
        index += 1
        if low <= high:
            ranges.append((low, high))
    return Characters(tuple(ranges), negated)


def _regex(characters: Characters) -> str:
    ranges, negated = characters
    if not ranges:
        return "[^/]" if negated else r"(?!)"
    if len(ranges) == 1 and not negated and ranges[0][0] == ranges[0][1]:
        return re.escape(ranges[0][0])
    body = "".join(re.escape(low) if low == high else f"{re.escape(low)}-{re.escape(high)}" for low, high in ranges)
    return f"(?!/)[{'^' if negated else ''}{body}]"


class PathSet:
    """The paths that a list of patterns stands for, as a question about one path. Raises PatternError."""

    def __init__(self, patterns: Iterable[str]) -> None:
        globs = [parse(pattern) for pattern in patterns]
        self._rules = [(path_matcher(glob).match, not glob.negated) for glob in globs]

    def __contains__(self, path: str) -> bool:
        inside = False
        for match, taken in self._rules:
            if inside != taken and match(path):
                inside = taken
        return inside
