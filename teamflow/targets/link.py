"""One connection to a keeper: whole lines in, batched lines out. Knows lines, not what they say.

Written on the loop's readers and writers and not on streams: a line costs a tenth, and a run exchanges thousands.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Final

_CHUNK: Final = 64 * 1024


class Link:
    """Calls `on_lines` with the lines of each read, `on_closed` once when the other side is gone."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        on_lines: Callable[[Sequence[bytes]], None],
        on_closed: Callable[[str], None],
    ) -> None:
        sock.settimeout(0)
        self._sock = sock
        self._on_lines = on_lines
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._out: list[bytes] = []
        self._unsent = b""
        self._part = b""
        self._reading = False
        self._answers = False
        self._flush_due = False
        self.closed = False
        self._loop.add_reader(sock.fileno(), self._readable)

    def send(self, line: bytes) -> None:
        """Goes out with all else that is sent in this turn of the loop."""
        self._out.append(line)
        if self._answers:
            # The first answer to what was read sets the other side to work while we think about the rest.
            self._answers = False
            self._flush()
        elif not (self._reading or self._flush_due):
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Lets go of the connection, without `on_closed`; what was sent in this turn is still tried."""
        if self.closed:
            return
        self._flush()
        if not self.closed:
            self._drop()

    def _readable(self) -> None:
        try:
            chunk = self._sock.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lost(error.strerror or str(error))
            return
        if not chunk:
            self._lost("it closed the connection")
            return
        lines = chunk.split(b"\n")
        lines[0] = self._part + lines[0]
        self._part = lines.pop()
        if not lines:
            return
        # What the receiver sends in answer goes out at once: the first line by itself, the others in one piece.
        self._reading = self._answers = True
        try:
            self._on_lines(lines)
        finally:
            self._reading = self._answers = False
            self._flush()

    def _flush(self) -> None:
        self._flush_due = False
        if self.closed or not (self._out or self._unsent):
            return
        data = self._unsent + b"".join(self._out)
        self._out.clear()
        waited = bool(self._unsent)
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            # The reader tells why, after what the other side had still to say.
            self._stop_writing(waited=waited)
            return
        self._unsent = data[sent:]
        if self._unsent and not waited:
            self._loop.add_writer(self._sock.fileno(), self._flush)
        elif not self._unsent:
            self._stop_writing(waited=waited)

    def _stop_writing(self, *, waited: bool) -> None:
        self._unsent = b""
        if waited:
            self._loop.remove_writer(self._sock.fileno())

    def _lost(self, why: str) -> None:
        self._drop()
        self._on_closed(why)

    def _drop(self) -> None:
        self.closed = True
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
