"""A terminal that is closed does not stop a run, nor does a pipe that nobody reads: it goes on without. Decides how it
is noticed.

Usually SIGHUP says so. A write that is under way fails with EIO a moment before that, and means the same. Of a pipe
only the write tells.
"""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from teamflow.app.parts import ChangedStep, Controls, Screen
from teamflow.core.events import Record, RunEnded
from teamflow.core.state import RunState

if TYPE_CHECKING:
    from teamflow.app.compile import Compiled


def detach() -> None:
    """Nothing of ours may touch the terminal again."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def let_go(error: object) -> bool:
    """Whether the error says that nobody is there any more; then nothing of ours is written there again."""
    if not isinstance(error, OSError) or error.filename is not None:
        return False
    if error.errno == errno.EIO:
        detach()
        return True
    if error.errno == errno.EPIPE:
        return _let_pipes_go()
    return False


def _let_pipes_go() -> bool:
    """Whether stdout or stderr is a pipe without a reader: anything else that breaks is trouble."""
    unread = [descriptor for descriptor in (1, 2) if _is_unread(descriptor)]
    if unread:
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in unread:
            os.dup2(null, descriptor)
        os.close(null)
    return bool(unread)


def _is_unread(descriptor: int) -> bool:
    looking = select.poll()
    looking.register(descriptor, select.POLLOUT)
    return any(found & select.POLLERR for _, found in looking.poll(0))


class Sheltered:
    """A screen whose terminal may go away at any moment."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def begin(self, state: RunState) -> None:
        with _shelter():
            self._screen.begin(state)

    def records(self, records: Sequence[Record], state: RunState) -> None:
        with _shelter():
            self._screen.records(records, state)

    def said(self, step: str, text: str) -> None:
        with _shelter():
            self._screen.said(step, text)

    def trouble(self, message: str | None) -> None:
        with _shelter():
            self._screen.trouble(message)

    def problems(self, compiled: Compiled | None, message: str) -> None:
        with _shelter():
            self._screen.problems(compiled, message)

    def changed(self, steps: Sequence[ChangedStep], message: str) -> None:
        with _shelter():
            self._screen.changed(steps, message)

    def rest(self, state: RunState, ended: RunEnded, *, files: int) -> None:
        with _shelter():
            self._screen.rest(state, ended, files=files)

    def control(self, controls: Callable[[], Controls]) -> None:
        with _shelter():
            self._screen.control(controls)

    def leave(self) -> None:
        with _shelter():
            self._screen.leave()

    def end(self, state: RunState, ended: RunEnded) -> None:
        with _shelter():
            self._screen.end(state, ended)


@contextmanager
def _shelter() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not let_go(error):
            raise
