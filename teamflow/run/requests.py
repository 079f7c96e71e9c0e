"""Requests of other processes, taken from the store and put to the executor. The answer is a record.

A wake-up byte makes it prompt; without one, a look at the database's version every 200 ms does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

_POLL: Final = 0.2


class Request(Protocol):
    @property
    def id(self) -> int: ...

    @property
    def verb(self) -> str: ...

    @property
    def args(self) -> str: ...

    @property
    def by(self) -> str: ...


class Inbox(Protocol):
    """The store's side: requests by id, and whether anything was written since."""

    def requests(self, run: int, *, after: int = 0) -> Sequence[Request]: ...

    def data_version(self) -> int: ...


class Wake(Protocol):
    def fileno(self) -> int: ...

    def drain(self) -> None: ...


class Answering(Protocol):
    """Who acts on requests, and answers each."""

    def request(self, request: int, verb: str, args: str, *, by: str) -> None: ...


class Requests:
    """Follows one run's requests on the loop's thread, each taken once; answered ones are skipped after a restart."""

    def __init__(self, inbox: Inbox, run: int, answering: Answering, *, answered: set[int]) -> None:
        self._inbox = inbox
        self._run = run
        self._answering = answering
        self._answered = answered
        self._last = 0
        self._version = -1
        self._handle: asyncio.TimerHandle | None = None
        self._wake: Wake | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def follow(self, loop: asyncio.AbstractEventLoop, wake: Wake | None) -> None:
        self._loop = loop
        self._wake = wake
        if wake is not None:
            loop.add_reader(wake.fileno(), self._woken)
        self._poll()

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        if self._wake is not None and self._loop is not None:
            self._loop.remove_reader(self._wake.fileno())

    def _woken(self) -> None:
        assert self._wake is not None
        self._wake.drain()
        self._take()

    def _poll(self) -> None:
        version = self._inbox.data_version()
        if version != self._version:
            self._version = version
            self._take()
        assert self._loop is not None
        self._handle = self._loop.call_later(_POLL, self._poll)

    def _take(self) -> None:
        for request in self._inbox.requests(self._run, after=self._last):
            self._last = max(self._last, request.id)
            if request.id not in self._answered:
                self._answering.request(request.id, request.verb, request.args, by=request.by)
