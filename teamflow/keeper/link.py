"""Connections to the keeper: bytes in and out without waiting. Knows lines, but not what they ask for."""

import _socket
import posix
import sys
import time

from . import wire

MYPY = False
if MYPY:
    from typing import Any

CHUNK = 1 << 16
FULL = 8 << 20
LOCAL_PEERCRED = (0, 1, 76)  # level, option and size on macOS and FreeBSD, which the module does not name


class Link:
    """One connection. `lost` is set when it is of no more use; whoever sees it closes it."""

    __slots__ = ("_full", "_lines", "_out", "_size", "fd", "lost", "watched")

    def __init__(self, fd: int) -> None:
        posix.set_blocking(fd, False)
        self.fd = fd
        self.lost = False
        self.watched = False  # whether the loop waits for room
        self._lines = wire.Lines()
        self._out: "list[bytes]" = []
        self._full = FULL

    def read(self) -> "list[bytes]":
        """Whole lines that have come in; sets `lost` at the end of the stream. Malformed."""
        found: "list[bytes]" = []
        while True:
            try:
                data = posix.read(self.fd, CHUNK)
            except BlockingIOError:
                return found
            except OSError:
                data = b""
            if not data:
                self.lost = True
                return found
            found += self._lines.feed(data)
            if len(data) < CHUNK:
                return found

    def send(self, message: "dict[str, Any]") -> None:
        """Puts a message in the queue."""
        self.put(wire.line(message))

    def put(self, data: bytes) -> None:
        """Puts lines in the queue."""
        self._out.append(data)

    def put_past(self, data: bytes) -> None:
        """Puts lines in the queue that do not count for how much may wait."""
        self._full = FULL + len(data)
        self.put(data)

    @property
    def wants(self) -> bool:
        """Whether bytes wait for room."""
        return bool(self._out) and not self.lost

    def write(self) -> None:
        """Writes what there is room for; gives the connection up if it does not read."""
        if not self._out or self.lost:
            return
        data = b"".join(self._out)
        try:
            done = posix.write(self.fd, data)
        except BlockingIOError:
            done = 0
        except OSError:
            self.lost = True
            return
        self._out = [data[done:]] if done < len(data) else []
        if len(data) - done > self._full:
            self.lost = True

    def close(self) -> None:
        """Closes the connection."""
        posix.close(self.fd)


def listen(path: str) -> "_socket.socket":
    """A socket that listens at `path`, for this user alone; an old one there is removed. OSError."""
    directory = path.rpartition("/")[0]
    try:
        posix.mkdir(directory or "/", 0o700)
    except FileExistsError:
        pass
    try:
        posix.unlink(path)
    except FileNotFoundError:
        pass
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    mask = posix.umask(0o177)
    try:
        listener.bind(path)
    finally:
        posix.umask(mask)
    listener.listen(16)
    return listener


def accept(listener: "_socket.socket") -> "Link | None":
    """The next connection, None if there is none or it is a stranger's."""
    try:
        fd = listener._accept()[0]  # type: ignore[attr-defined]
    except BlockingIOError:
        return None
    except OSError:
        time.sleep(0.01)  # no file descriptor is free: it waits in line, and we must not spin
        return None
    if _user(fd) not in (0, posix.getuid()):
        posix.close(fd)
        return None
    return Link(fd)


def _user(fd: int) -> int:
    """The user at the other end of a connection; 0 where that is not told: then the socket's permissions must do."""
    level, option, size = LOCAL_PEERCRED
    if hasattr(_socket, "SO_PEERCRED"):
        level, option, size = _socket.SOL_SOCKET, _socket.SO_PEERCRED, 12
    peer = _socket.socket(fileno=fd)
    try:
        credentials = peer.getsockopt(level, option, size)
    except OSError:
        credentials = b""
    peer.detach()
    return int.from_bytes(credentials[4:8], sys.byteorder)  # behind a pid, or behind the version of a BSD's xucred
