"""Where words go: results to stdout, messages to stderr; how wide, and whether in colour.

Decides nothing about what is said. Colours only repeat what words say.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final, TextIO

from teamflow.core.status import Status

_COLOURS: Final[Mapping[str, str]] = {
    Status.RUNNING.value: "36",
    Status.SUCCEEDED.value: "32",
    Status.CACHED.value: "32",
    Status.FAILED.value: "1;31",
    Status.CANCELLED.value: "33",
    Status.WAITING.value: "33",
    Status.SKIPPED.value: "2",
    Status.PENDING.value: "2",
}


def prepare_streams() -> None:
    """No text of anybody's may fail to be printed: what the stream's encoding lacks is escaped."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def out(text: str) -> None:
    """A result, as it is."""
    sys.stdout.write(text)


def out_bytes(data: bytes) -> None:
    """A result whose bytes count, whatever the stream's encoding."""
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        sys.stdout.write(data.decode("utf-8", "surrogateescape"))
        return
    sys.stdout.flush()
    buffer.write(data)


def say(message: str) -> None:
    """A message, one line or several; a newline is added."""
    sys.stdout.flush()
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def columns(stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> int | None:
    """How wide a terminal is; None for what is none: then lines are as long as they are."""
    stream = stream or sys.stdout
    try:
        descriptor = stream.fileno()
        if not os.isatty(descriptor):
            return None
        wide = int(environ.get("COLUMNS") or 0) or os.get_terminal_size(descriptor).columns
    except (OSError, ValueError):
        return None
    return max(20, wide) if wide else 80


def use_color(stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> bool:
    """NO_COLOR wins over FORCE_COLOR, and both over what the stream is. TERM=dumb has none."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return environ["FORCE_COLOR"] != "0"
    stream = stream or sys.stdout
    return environ.get("TERM") != "dumb" and stream.isatty()


def live_terminal(stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a table can be redrawn in place there."""
    stream = stream or sys.stderr
    return stream.isatty() and environ.get("TERM", "dumb") != "dumb"


def paint_status(line: str, status: str) -> str:
    """`line` with the first occurrence of the status word coloured."""
    colour = _COLOURS.get(status)
    if colour is None:
        return line
    before, word, after = line.partition(f" {status}")
    return f"{before}\x1b[{colour}m{word}\x1b[0m{after}" if word else line
