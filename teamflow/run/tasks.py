"""What a run does beside its loop, as tasks that nobody awaits: a fault in one is the run's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine


class Tasks:
    """`broken` is told of a task that ends with an error, `after` of every other that ends."""

    def __init__(self, broken: Callable[[BaseException], None], *, after: Callable[[], None]) -> None:
        self._broken = broken
        self._after = after
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self._broken(error)
        else:
            self._after()
