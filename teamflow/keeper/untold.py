"""Entries that are in the journal and were not sent to the owner yet.

A start alone can wait: the owner asked for it, and of a short phase the end follows at once. Told together they wake
the owner once, while the phase would like to have the processor.
"""

PATIENCE = 0.02  # seconds that a start waits for something else to be told
NEVER = float("inf")


class Untold:
    """Lines on their way to the owner. `due`: when they have to go out, in the time of `proc.boottime`."""

    __slots__ = ("_lines", "due")

    def __init__(self) -> None:
        self._lines = b""
        self.due = NEVER

    def add(self, lines: bytes, now: float, *, pressing: bool) -> None:
        """`pressing`: something other than starts is among them."""
        self._lines += lines
        self.due = now if pressing else min(self.due, now + PATIENCE)

    def take(self, now: float) -> bytes:
        """What is to be sent now; b"" for nothing."""
        if now < self.due:
            return b""
        lines, self._lines = self._lines, b""
        self.due = NEVER
        return lines
