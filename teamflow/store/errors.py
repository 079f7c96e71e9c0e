"""What the store complains with. Decides nothing."""

from __future__ import annotations


class StoreError(Exception):
    """Broken plumbing below `.teamflow/`: where, what, and what to do about it.

    `code` is a stable word: unwritable, network, newer-format, not-ours, corrupt, busy, full, io, gone, conflict.
    """

    def __init__(self, code: str, *, place: str, fact: str, remedy: str) -> None:
        super().__init__(code, place, fact, remedy)
        self.code = code
        self.place = place
        self.fact = fact
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.place}: {self.fact}\n  {self.remedy}"
