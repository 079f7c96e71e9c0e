"""Output lines of steps, as people see them: `step | line`, clean for a terminal.

Keeps what is not yet a whole line, per step, and never more than `LONGEST` characters of it. Reads nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from teamflow.views.sanitize import Stream, cell, clean

LONGEST: Final = 16 * 1024
"""Characters after which a line without an end is shown as one, so that memory stays bounded."""


class OutputLines:
    """One step's output: bytes in, whole clean lines out, with `prefix` before each."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._stream = Stream()
        self._rest = ""

    def feed(self, data: bytes) -> list[str]:
        return self._lines(self._stream.feed(data))

    def close(self) -> list[str]:
        """The last line, where it has no end. The object can be used on for what follows."""
        lines = self._lines(self._stream.close())
        if self._rest:
            lines.append(self._prefix + self._rest)
            self._rest = ""
        return lines

    def _lines(self, text: str) -> list[str]:
        whole = (self._rest + text).split("\n")
        self._rest = whole.pop()
        while len(self._rest) > LONGEST:
            whole.append(self._rest[:LONGEST])
            self._rest = self._rest[LONGEST:]
        return [self._prefix + line for line in whole]


class Interleaved:
    """The output of many steps at once; prefixes are `step | `."""

    def __init__(self) -> None:
        self._steps: dict[str, OutputLines] = {}

    def feed(self, step_id: str, data: bytes) -> list[str]:
        lines = self._steps.get(step_id)
        if lines is None:
            lines = self._steps[step_id] = OutputLines(prefix(step_id))
        return lines.feed(data)

    def close(self, step_id: str) -> list[str]:
        """The last, unfinished line of a step; nothing for a step that printed none."""
        lines = self._steps.pop(step_id, None)
        return lines.close() if lines is not None else []


def prefix(step_id: str) -> str:
    return f"{cell(step_id)} | "


def tail_lines(text: str, *, most: int = 20) -> list[str]:
    """The last lines of a redacted log's end, clean, each of bounded length."""
    lines = clean(text).rstrip("\n").split("\n")
    return [line[:LONGEST] for line in lines[-most:]] if any(lines) else []


def last_line(text: str) -> str:
    """The last line that is not blank, as one cell; empty where there is none."""
    for line in reversed(clean(text).split("\n")):
        if line.strip():
            return cell(line.strip())[:400]
    return ""


def numbered(lines: Iterable[str], step_id: str) -> list[str]:
    """Lines with the step's prefix."""
    before = prefix(step_id)
    return [before + line for line in lines]
