"""Gates: where a server's answer waits for the test, and the test for the server, without either looking at a clock.

A waiting answer also sees its client go away: it waits on the client's connection and on the gate at once.
"""

from __future__ import annotations

import os
import select
import socket
import threading


class Gate:
    """`reached` is set as soon as an answer stands before the gate; `open` lets all through, now and later."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.left = threading.Event()
        """Set when a client hung up while its answer stood here."""
        self._read, self._write = os.pipe()
        self._lock = threading.Lock()

    def open(self) -> None:
        with self._lock:
            if self._write >= 0:
                os.close(self._write)
                self._write = -1

    def close(self) -> None:
        """Once nothing can stand here any more."""
        self.open()
        if self._read >= 0:
            os.close(self._read)
            self._read = -1

    def pass_with(self, connection: socket.socket) -> bool:
        """Wait for the gate; False when the client went away first."""
        self.reached.set()
        ready, _, _ = select.select([self._read, connection.fileno()], [], [])
        if self._read in ready:
            return True
        try:
            gone = connection.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            gone = True
        if gone:
            self.left.set()
            return False
        select.select([self._read], [], [])  # It sends on: nothing more is to be learnt from this client.
        return True
