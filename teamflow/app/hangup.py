"""A terminal that is closed does not stop a run: it goes on without one. Decides how that is noticed.

Usually SIGHUP says so. A write that is under way fails with EIO a moment before that, and means the same.
"""

from __future__ import annotations

import errno
import os
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


def is_hangup(error: object) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EIO and error.filename is None


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
        if not is_hangup(error):
            raise
        detach()
