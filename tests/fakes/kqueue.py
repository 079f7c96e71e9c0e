"""`select.kqueue` as its manual describes it, made of epoll and pidfds: for what of the keeper only a Mac would run.

Not the real thing: it shows that the keeper asks what the manual allows, and copes with the answers that it names.
"""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Iterable
from types import SimpleNamespace
from typing import NamedTuple

KQ_FILTER_READ, KQ_FILTER_WRITE, KQ_FILTER_PROC = -1, -2, -5
KQ_EV_ADD, KQ_EV_DELETE, KQ_EV_ONESHOT, KQ_EV_EOF = 0x1, 0x2, 0x10, 0x8000
KQ_NOTE_EXIT = 0x80000000


class kevent(NamedTuple):
    ident: int
    filter: int = KQ_FILTER_READ
    flags: int = KQ_EV_ADD
    fflags: int = 0
    data: int = 0
    udata: object = None


class kqueue:
    """Level-triggered. What waits for a file is forgotten when that is closed, as with epoll."""

    def __init__(self) -> None:
        self._of = {KQ_FILTER_READ: select.epoll(), KQ_FILTER_WRITE: select.epoll(), KQ_FILTER_PROC: select.epoll()}
        self._all = select.epoll()
        for one in self._of.values():
            self._all.register(one.fileno(), select.EPOLLIN)
        self._pids: dict[int, int] = {}

    def control(self, changes: Iterable[kevent] | None, max_events: int, timeout: float | None = None) -> list[kevent]:
        for change in changes or ():
            self._change(change)
        if max_events == 0:
            return []
        assert max_events > 0
        self._all.poll(timeout)
        found = []
        for kind, one in self._of.items():
            for fd, mask in one.poll(0):
                if kind == KQ_FILTER_PROC:
                    one.unregister(fd)
                    os.close(fd)
                    found.append(kevent(self._pids.pop(fd), kind, KQ_EV_ONESHOT, KQ_NOTE_EXIT))
                else:
                    end = KQ_EV_EOF if mask & (select.EPOLLHUP | select.EPOLLERR) else 0
                    found.append(kevent(fd, kind, end))
        return found[:max_events]

    def _change(self, change: kevent) -> None:
        if change.filter == KQ_FILTER_PROC:
            self._follow(change)
            return
        one = self._of[change.filter]
        mask = select.EPOLLIN if change.filter == KQ_FILTER_READ else select.EPOLLOUT
        if change.flags & KQ_EV_DELETE:
            one.unregister(change.ident)  # ENOENT for what is not waited for, EBADF for what is closed
            return
        try:
            one.register(change.ident, mask)
        except FileExistsError:
            pass  # "re-adding an existing event will modify the parameters of the original event"

    def _follow(self, change: kevent) -> None:
        assert change.fflags == KQ_NOTE_EXIT
        with open(f"/proc/{change.ident}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] == "Z":
                raise ProcessLookupError(errno.ESRCH, "a zombie")
        fd = os.pidfd_open(change.ident)
        self._pids[fd] = change.ident
        self._of[KQ_FILTER_PROC].register(fd, select.EPOLLIN)


API = SimpleNamespace(
    kqueue=kqueue,
    kevent=kevent,
    KQ_FILTER_READ=KQ_FILTER_READ,
    KQ_FILTER_WRITE=KQ_FILTER_WRITE,
    KQ_FILTER_PROC=KQ_FILTER_PROC,
    KQ_EV_ADD=KQ_EV_ADD,
    KQ_EV_DELETE=KQ_EV_DELETE,
    KQ_EV_ONESHOT=KQ_EV_ONESHOT,
    KQ_NOTE_EXIT=KQ_NOTE_EXIT,
)
"""The names of the module `select` that belong to it."""
