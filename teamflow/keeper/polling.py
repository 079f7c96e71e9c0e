"""Waiting for file descriptors and children where there is no epoll: kqueue, else poll. Knows no file and no phase.

Both look like `select.epoll` to the loop: register, modify, unregister, poll(seconds) -> (fd, mask). What they are
asked for is IN, OUT, or both.
"""

import errno
import select

MYPY = False
if MYPY:
    from typing import Any, Union

    Poller = Union["Kqueue", "Poll", select.epoll]

IN, OUT = 1, 4  # as poll and epoll have them everywhere
MOST = 64  # events of one call


def best(wakeup: int) -> "Poller":
    """The best that this system has."""
    return Kqueue(select, wakeup) if hasattr(select, "kqueue") else Poll()


class Poll:
    """`select.poll`. Children are told of by SIGCHLD, which writes to a pipe that is waited for."""

    keeps_closed = True  # a closed fd has to be unregistered like any other, or its number would still be waited for

    def __init__(self) -> None:
        self._poll = select.poll()
        self.register = self._poll.register
        self.modify = self._poll.modify

    def unregister(self, fd: int) -> None:
        """Idempotent."""
        try:
            self._poll.unregister(fd)
        except KeyError:
            pass

    def poll(self, seconds: float) -> "list[tuple[int, int]]":
        """(fd, mask) of all that is ready within so many seconds."""
        return self._poll.poll(seconds * 1000)

    def follow(self, pid: int) -> None:
        """SIGCHLD does."""


class Kqueue:
    """`select.kqueue`, which tells of a child's end by itself, too (EVFILT_PROC): as if `wakeup` could be read."""

    keeps_closed = False  # "events which are attached to file descriptors are removed when these are closed"

    def __init__(self, api: "Any", wakeup: int) -> None:
        """api: the module `select`, whose kqueue is not known to the stubs of other systems."""
        self._api = api
        self._queue = api.kqueue()
        self._wakeup = wakeup
        self._ended = False  # a child that was to be followed had ended already

    def register(self, fd: int, mask: int) -> None:
        """Waits for what the mask says."""
        self._change(fd, mask, self._api.KQ_EV_ADD)

    def modify(self, fd: int, mask: int) -> None:
        """Waits for what the mask says, and for nothing else."""
        self._change(fd, mask, self._api.KQ_EV_ADD)
        self._change(fd, (IN | OUT) & ~mask, self._api.KQ_EV_DELETE)

    def unregister(self, fd: int) -> None:
        """Idempotent."""
        self._change(fd, IN | OUT, self._api.KQ_EV_DELETE)

    def follow(self, pid: int) -> None:
        """Wakes when this child ends."""
        api = self._api
        event = api.kevent(pid, api.KQ_FILTER_PROC, api.KQ_EV_ADD | api.KQ_EV_ONESHOT, api.KQ_NOTE_EXIT)
        try:
            self._queue.control([event], 0, 0)
        except OSError:
            self._ended = True  # ESRCH: a zombie is no process to kqueue. Else: SIGCHLD will do

    def poll(self, seconds: float) -> "list[tuple[int, int]]":
        """(fd, mask) of all that is ready within so many seconds."""
        api = self._api
        ready = {self._wakeup: IN} if self._ended else {}
        for event in self._queue.control(None, MOST, 0 if self._ended else seconds):
            if event.filter == api.KQ_FILTER_PROC:
                ready[self._wakeup] = IN
            else:
                ready[event.ident] = ready.get(event.ident, 0) | (OUT if event.filter == api.KQ_FILTER_WRITE else IN)
        self._ended = False
        return list(ready.items())

    def _change(self, fd: int, mask: int, flags: int) -> None:
        api = self._api
        for bit, kind in ((IN, api.KQ_FILTER_READ), (OUT, api.KQ_FILTER_WRITE)):
            if mask & bit:
                try:
                    self._queue.control([api.kevent(fd, kind, flags)], 0, 0)
                except OSError as error:
                    # What was not waited for need not be given up.
                    if flags != api.KQ_EV_DELETE or error.errno not in (errno.ENOENT, errno.EBADF):
                        raise
