"""One at a time, inside and across processes: a lock on a file. Refuses to know what is done under it.

A thread may take a lock that it has. Processes that are started with `held()` hold it as long as they live.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from teamflow.workspaces.errors import WorkspaceError

LONGEST: Final = 600.0
"""Seconds to wait for whoever has it."""
_FIRST: Final = 0.002
_LAST: Final = 0.05


class _Mine(threading.local):
    """The locks of a thread: path → descriptor."""

    def __init__(self) -> None:
        self.locks: dict[str, int] = {}


_mine = _Mine()


def held() -> tuple[int, ...]:
    """Descriptors of the locks that this thread has, for `pass_fds`."""
    return tuple(_mine.locks.values())


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Holds the lock; it goes with the process, too. WorkspaceError (unreadable): not to be had.

    Polled, since a lock that somebody never gives back must end in a message and not in a wait.
    """
    if path in _mine.locks:
        yield
        return
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise WorkspaceError("unreadable", path, f"cannot be locked: {error.strerror or error}") from error
    try:
        end, pause = time.monotonic() + LONGEST, _FIRST
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise WorkspaceError(
                        "unreadable", path, f"has been locked by another process for {LONGEST:.0f} s"
                    ) from None
            time.sleep(pause)
            pause = min(pause * 1.5, _LAST)
        _mine.locks[path] = descriptor
        yield
    finally:
        _mine.locks.pop(path, None)
        os.close(descriptor)
