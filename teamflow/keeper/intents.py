"""What a keeper is about to start, on the disk before there is a process: the journal tells of a start only afterwards.

Should keeper and runner be killed in between, the next keeper finds here what may have begun, and nobody starts it a
second time. Only the last stretch counts: what lies behind it is older, and the journal has it.
"""

import posix

from . import wire
from .files import slurp

MYPY = False
if MYPY:
    from typing import Any

    from .journal import Journal

NAME = "/keeper.intents"


def past(run_dir: str) -> "list[dict[str, Any]]":
    """All that can be read: an end that was torn, or written over, is left out."""
    found = []
    for line in (slurp(run_dir + NAME, 1 << 30) or b"").split(b"\n"):
        try:
            found.append(wire.decode(line))
        except wire.Malformed:
            continue
    return [intent for intent in found if {"step", "attempt", "phase"} <= intent.keys()]


class Intents:
    """Those of one keeper."""

    def __init__(self, run_dir: str, journal: "Journal") -> None:
        self._journal = journal
        self._fd = posix.open(run_dir + NAME, posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600)

    def write(self, intents: "list[dict[str, Any]]") -> None:
        """In the place of those before; OSError. A newline ends them, so what is left of older ones spoils none."""
        data = b"".join(map(wire.line, intents)) + b"\n"
        at = 0
        while at < len(data):
            try:
                at += posix.pwrite(self._fd, data[at:], at)
            except OSError as error:
                if not self._journal.gives_room(error):
                    raise
