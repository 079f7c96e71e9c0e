"""The queue of steps that may start: longest remaining path first. Used by the fold; read by what decides starts."""

from __future__ import annotations

import heapq

from teamflow.core.plan import Step


class ReadyQueue:
    """Steps that may start, longest remaining path first. The head is always valid."""

    __slots__ = ("_heap", "_members")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, str]] = []
        self._members: set[str] = set()

    def add(self, step: Step, *, index: int) -> None:
        if step.id not in self._members:
            self._members.add(step.id)
            heapq.heappush(self._heap, (-step.height, index, step.id))

    def discard(self, step_id: str) -> None:
        self._members.discard(step_id)
        while self._heap and self._heap[0][2] not in self._members:
            heapq.heappop(self._heap)

    def head(self) -> tuple[int, int, str] | None:
        return self._heap[0] if self._heap else None

    def in_turn(self) -> list[tuple[int, int, str]]:
        """All of them, the head first."""
        return sorted({entry for entry in self._heap if entry[2] in self._members})

    def members(self) -> frozenset[str]:
        return frozenset(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, step_id: str) -> bool:
        return step_id in self._members
