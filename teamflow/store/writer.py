"""The live log of one run: appends from the loop's thread, commits in a thread of its own (`ports.Store`).

Whatever has been queued while a commit ran goes into the next one. A full or failing disk loses nothing: the records
stay in memory and are tried again every second, and `on_trouble` tells what is wrong. Decides nothing about the run.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias

from teamflow.core.events import Record
from teamflow.store import ballast
from teamflow.store.committer import Committer
from teamflow.store.errors import StoreError
from teamflow.store.layout import Layout
from teamflow.store.log import rows as to_rows
from teamflow.store.rows import Row

RETRY_SECONDS: Final = 1.0

GATHER_SECONDS: Final = 0.04
"""Of three commits, the last begins no earlier than this after the first, unless somebody waits for it: each wakes the
loop, which has better to do. What a run settles before it starts anything is one of two, and does not wait."""


class _Plan(tuple[int, bytes]):
    """A plan on its way to the store: revision and data."""


class _Close:
    """The last thing in the queue."""


_Item: TypeAlias = "list[Row] | _Plan | Future[None] | _Close"


def _ignore(_: object) -> None: ...


class Writer:
    """`append`, `put_plan` and `close` belong to one thread; `flushed` and `durable` to any."""

    def __init__(
        self,
        layout: Layout,
        run: int,
        *,
        after: int,
        on_durable: Callable[[int], None] = _ignore,
        on_trouble: Callable[[str | None], None] = _ignore,
        ballast_size: int = ballast.SIZE,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """`after`: the last record that this process has read. Both callbacks come from the writer's thread;
        `on_trouble` gets one line when writing fails, and None when all is well again.

        StoreError: the database cannot be opened, or has other records than `after` says (conflict).
        """
        self._last = after
        self._durable = after
        self._failure: StoreError | None = None
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self._hurry = threading.Event()
        """Set after a put that is not to wait for more."""
        self._begun = (0.0, 0.0)
        """When the last two commits began, by time.monotonic."""
        self._on_durable = on_durable
        self._on_trouble = on_trouble
        self._retry_seconds = retry_seconds
        self._abandon = False
        self._ended = False
        self._committer = Committer(layout, run, after=after)
        ballast.lay(layout.ballast, size=ballast_size)
        self._thread = threading.Thread(target=self._work, name="teamflow-store", daemon=True)
        self._thread.start()

    @property
    def durable(self) -> int:
        """The number of the last record that is safe."""
        return self._durable

    @property
    def failure(self) -> StoreError | None:
        """Why nothing will be written any more; None: it writes, or tries."""
        return self._failure

    # -- the loop's side -------------------------------------------------------------------------------------

    def append(self, records: Iterable[Record]) -> None:
        """Queues records that go on where the last ones ended. Never waits.

        ValueError for a gap (a bug of the caller); StoreError once writing has failed for good.
        """
        self.append_rows(to_rows(records))

    def append_rows(self, rows: Sequence[Row]) -> None:
        """`append` for records that are rows already."""
        if self._failure is not None:
            raise self._failure
        for expected, row in enumerate(rows, self._last + 1):
            if row[0] != expected:
                raise ValueError(f"record {row[0]} where {expected} is due")
        if rows:
            self._last += len(rows)
            self._queue.put(list(rows))

    def put_plan(self, revision: int, data: bytes) -> None:
        """Queues a revision of the plan: durable no later than the record appended next."""
        self._queue.put(_Plan((revision, data)))

    def flushed(self) -> Future[None]:
        """Done when all that was queued so far is durable. StoreError in it: writing has failed for good."""
        future: Future[None] = Future()
        if self._failure is not None:
            future.set_exception(self._failure)
        else:
            self._queue.put(future)
            self._hurry.set()
            if self._ended:
                self._fail_waiting()
        return future

    async def flush(self) -> None:
        """Returns when everything appended so far is durable; with a full disk, when there is room again."""
        await asyncio.wrap_future(self.flushed())

    def close(self, *, timeout: float = 10.0) -> None:
        """Writes what is queued and ends the thread. Idempotent.

        StoreError: not all could be written within `timeout` seconds, or writing had failed before.
        """
        if self._thread.is_alive():
            self._queue.put(_Close())
            self._hurry.set()
            self._thread.join(timeout)
            if self._thread.is_alive():
                self._abandon = True
                self._hurry.set()
                self._thread.join()
        if self._failure is not None:
            raise self._failure

    # -- the thread ------------------------------------------------------------------------------------------

    def _work(self) -> None:
        closing = False
        try:
            while not closing:
                closing = self._turn(self._take())
        finally:
            self._failure = self._failure or (None if closing else _closed("ended by a bug"))
            self._committer.close()
            self._ended = True
            self._fail_waiting()

    def _take(self) -> list[_Item]:
        """All that is queued, once a commit is due. Somebody who waits has put before saying so, so it is among it."""
        items = [self._queue.get()]
        rest = self._begun[0] + GATHER_SECONDS - time.monotonic()
        if rest > 0 and isinstance(items[0], list):
            self._hurry.wait(rest)
        self._hurry.clear()
        self._begun = (self._begun[1], time.monotonic())
        try:
            while True:
                items.append(self._queue.get_nowait())
        except Empty:
            return items

    def _turn(self, items: Sequence[_Item]) -> bool:
        """Stores the items and tells who waits; whether it was the last turn."""
        rows: list[Row] = []
        plans: list[_Plan] = []
        futures: list[Future[None]] = []
        closing = False
        for item in items:
            match item:
                case _Plan():
                    plans.append(item)
                case list():
                    rows.extend(item)
                case Future():
                    futures.append(item)
                case _Close():
                    closing = True
        if (rows or plans) and self._failure is None:
            self._store(rows, plans)
        for future in futures:
            _settle(future, self._failure)
        return closing or self._failure is not None

    def _store(self, rows: Sequence[Row], plans: Sequence[_Plan]) -> None:
        troubled = False
        while (trouble := self._committer.commit(rows, plans)) is not None:
            if not trouble.passing:
                self._failure = trouble.error
                self._on_trouble(str(trouble.error))
                return
            if not troubled:
                self._on_trouble(str(trouble.error))
                troubled = True
            self._hurry.wait(self._retry_seconds)
            if self._abandon:
                self._failure = _unwritten(trouble.error, len(rows))
                return
            self._hurry.clear()
        if troubled:
            self._on_trouble(None)
        if rows:
            self._durable = rows[-1][0]
            self._on_durable(self._durable)

    def _fail_waiting(self) -> None:
        """Whoever asked after the last turn hears of it, too."""
        gone = self._failure or _closed("has been closed")
        while True:
            try:
                item = self._queue.get_nowait()
            except Empty:
                return
            if isinstance(item, Future):
                _settle(item, gone)


def _settle(future: Future[None], failure: StoreError | None) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if failure is None:
        future.set_result(None)
    else:
        future.set_exception(failure)


def _closed(how: str) -> StoreError:
    return StoreError("gone", place="state.db", fact=f"its writer {how}", remedy="this is a bug: please report it")


def _unwritten(error: StoreError, count: int) -> StoreError:
    return StoreError(
        error.code,
        place=error.place,
        fact=f"{error.fact}; {count} records could not be written",
        remedy=f"{error.remedy}: what the processes did is in the keeper's journal and is read from there",
    )
