"""Single keys of a terminal while a run is shown on it. Restores the terminal whatever happens.

Decides nothing about the run. Keys are read only while this process is in the foreground; Ctrl-C and Ctrl-Z stay what
they are.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable
from typing import Final

_LATER: Final = 0.05
"""Seconds from a key to what it does."""


class Keys:
    """`press` is told each key, on the loop's thread."""

    def __init__(self, press: Callable[[str], None]) -> None:
        self._press = press
        self._loop = asyncio.get_running_loop()
        self._before: list[object] | None = None
        self._descriptor = -1

    @staticmethod
    def usable() -> bool:
        """Whether there is a terminal to read from."""
        return sys.stdin is not None and sys.stdin.isatty()

    def open(self) -> None:
        self._descriptor = sys.stdin.fileno()
        self._listen()
        # After Ctrl-Z the shell has set the terminal as it wants it.
        self._loop.add_signal_handler(signal.SIGCONT, self._listen)
        atexit.register(self.close)

    def _listen(self) -> None:
        try:
            if os.tcgetpgrp(self._descriptor) != os.getpgrp():
                return  # in the background, where touching the terminal would stop us
            before = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor, termios.TCSANOW)
        except (OSError, termios.error):
            return
        if self._before is None:
            self._before = before
        self._loop.add_reader(self._descriptor, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 64)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._descriptor)
            return
        text = data.decode("utf-8", "replace")
        if not text.startswith("\x1b"):  # an arrow, say, is none of ours
            # A signal that came just before is to be acted on first.
            for key in text:
                self._loop.call_later(_LATER, self._press, key)

    def close(self) -> None:
        """Idempotent."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        atexit.unregister(self.close)
        if not self._loop.is_closed():
            self._loop.remove_reader(descriptor)
            self._loop.remove_signal_handler(signal.SIGCONT)
        if self._before is not None:
            try:
                termios.tcsetattr(descriptor, termios.TCSANOW, self._before)  # type: ignore[arg-type]
            except termios.error:
                pass  # the terminal is gone
