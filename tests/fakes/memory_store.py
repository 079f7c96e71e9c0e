"""A store without a disk, for tests of the loop. `hold` keeps what is appended from becoming durable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from teamflow.core.events import Record


class MemoryStore:
    """Durable as soon as the loop turns, unless `hold` is set; then when it is cleared and `settle` is called."""

    def __init__(self, *, after: int = 0, on_durable: Callable[[int], None] = lambda _: None) -> None:
        self.records: list[Record] = []
        self.durable = after
        self.hold = False
        self._last = after
        self._on_durable = on_durable

    def append(self, records: Iterable[Record]) -> None:
        new = list(records)
        for expected, record in enumerate(new, self._last + 1):
            if record.seq != expected:
                raise ValueError(f"record {record.seq} where {expected} is due")
        self._last += len(new)
        self.records.extend(new)

    def settle(self) -> None:
        if not self.hold and self.durable != self._last:
            self.durable = self._last
            self._on_durable(self._last)

    async def flush(self) -> None:
        due = self._last
        self.settle()
        while self.durable < due:
            await asyncio.sleep(0)
            self.settle()
