"""Who may append to a run: flock on its lock file, with the holder's name in it.

The kernel frees the lock when its holder dies, whatever killed it; the file stays and is never deleted. File
descriptors are close-on-exec, so no child keeps a lock alive. Decides nothing about what a loser does.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.store.boot import boot_id, start_of
from teamflow.store.errors import StoreError
from teamflow.store.layout import Layout
from teamflow.store.place import unwritable

PATIENCE: Final = 0.5
"""Seconds for which a lock that nobody living seems to hold is tried again: a viewer may be looking at it, or its
new holder has not written its name yet."""

_TICK: Final = 0.005


class Holder(NamedTuple):
    """A process that holds a run. `start` is its start time in clock ticks since boot `boot`: a pid alone may be
    reused. `since` is a Unix time. `pid` 0: it did not say who it is, because it is about to let go."""

    pid: int = 0
    host: str = ""
    boot: str = ""
    start: int = 0
    since: float = 0.0
    command: str = ""

    def __str__(self) -> str:
        if not self.pid:
            return "a process that did not leave its name"
        return f"process {self.pid} on {self.host} ({self.command})"


def this_process(*, since: float) -> Holder:
    """The calling process as a holder."""
    return Holder(os.getpid(), os.uname().nodename, boot_id(), start_of(os.getpid()), since, _command())


class RunLock:
    """The right to append to a run, until `release` or the end of the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @staticmethod
    def acquire(layout: Layout, run: int, holder: Holder) -> RunLock | Holder:
        """The lock, or who has it; within a second either way.

        StoreError: unwritable (the run's directory cannot be used).
        """
        descriptor = _open(layout.run_lock(run))
        deadline = time.monotonic() + PATIENCE
        while not _try(descriptor, fcntl.LOCK_EX):
            other = _read(descriptor)
            if _alive(other) or time.monotonic() >= deadline:
                os.close(descriptor)
                return other
            time.sleep(_TICK)
        _write(descriptor, json.dumps(holder._asdict()).encode())
        return RunLock(descriptor)

    def rename(self, holder: Holder) -> None:
        """After a fork: the child holds the same lock, under its own name."""
        _write(self._descriptor, json.dumps(holder._asdict()).encode())

    def release(self) -> None:
        """Idempotent. The holder's name goes first, so that nobody reads it from a free lock."""
        if self._descriptor >= 0:
            _write(self._descriptor, b"")
            os.close(self._descriptor)
            self._descriptor = -1


def holder_of(layout: Layout, run: int) -> Holder | None:
    """Who appends to the run now; None: nobody. Takes no lock that a runner would wait for."""
    try:
        descriptor = os.open(layout.run_lock(run), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # A shared lock held for an instant: acquire() tries again, since no living holder is named.
        return None if _try(descriptor, fcntl.LOCK_SH) else _read(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def undriven(layout: Layout, run: int) -> Iterator[bool]:
    """Whether nobody drives the run; for as long as it is held (at most `PATIENCE`) nobody begins to."""
    try:
        descriptor = os.open(layout.run_lock(run), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        # Shared: who wants to drive tries again, since no living holder is named.
        yield _try(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


@contextmanager
def creation_lock(layout: Layout, *, patience: float = 10.0) -> Iterator[None]:
    """Held while a run is looked for, created and locked, so that two at once give one runner.

    StoreError: busy after `patience` seconds, unwritable.
    """
    with exclusive(layout.creation_lock, patience=patience):
        yield


@contextmanager
def exclusive(path: str, *, patience: float) -> Iterator[None]:
    """Holds a lock file for the body. StoreError: busy after `patience` seconds, unwritable."""
    descriptor = _open(path)
    try:
        if not _wait(lambda: _try(descriptor, fcntl.LOCK_EX), patience):
            raise StoreError(
                "busy",
                place=path,
                fact=f"another teamflow has held this lock for {patience:g} s",
                remedy="it may be stopped: `fuser` on the file names it",
            )
        yield
    finally:
        os.close(descriptor)


def _wait(done: Callable[[], bool], patience: float) -> bool:
    deadline = time.monotonic() + patience
    while not done():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_TICK)
    return True


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise unwritable(path, error) from error


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _write(descriptor: int, data: bytes) -> None:
    """The holder's name is a courtesy: a full disk must not keep the run from starting."""
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, data, 0)
    except OSError:
        pass


def _read(descriptor: int) -> Holder:
    try:
        raw = json.loads(os.pread(descriptor, 65536, 0))
        return Holder(**{name: type(default)(raw[name]) for name, default in Holder()._asdict().items()})
    except (OSError, ValueError, KeyError, TypeError):
        return Holder()


def _alive(holder: Holder) -> bool:
    """Whether that process lives, as far as it can be seen from here (a container sees only its own)."""
    return holder.pid > 0 and holder.boot == boot_id() and holder.start == start_of(holder.pid)


def _command() -> str:
    return " ".join(sys.orig_argv)[:1000]
