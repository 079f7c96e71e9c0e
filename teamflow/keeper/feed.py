"""What a phase reads on stdin: recorded before it is written, written without ever waiting for the reader."""

import errno
import posix

from . import wire

FULL = 32 << 20


class Full(Exception):
    """The process has left too much unread."""


def in_log(log: bytes) -> bytes:
    """Where input is recorded when the start does not say: beside the log."""
    stem = log[:-4] if log.endswith(b".log") else log
    if stem.endswith((b"/out", b".out")):
        return stem[:-3] + b"in.log"
    return stem + b".in.log"


class Feed:
    """The writing end of one stdin. fd is -1 once it is closed; `wants` says whether bytes wait for room."""

    __slots__ = ("_eof", "_path", "_record", "_size", "_waiting", "fd", "last")

    def __init__(self, fd: int, path: bytes) -> None:
        self.fd = fd
        self.last = 0
        self._path = path
        self._record = -1
        self._waiting: "list[bytes]" = []
        self._size = 0
        self._eof = False
        posix.set_blocking(fd, False)

    @property
    def open(self) -> bool:
        """Whether more can be put."""
        return self.fd >= 0 and not self._eof

    @property
    def wants(self) -> bool:
        """Whether to call `write` when the pipe has room."""
        return self.fd >= 0 and bool(self._waiting)

    def record(self, number: int, offset: int, data: str, *, eof: bool, note: str = "") -> None:
        """Writes input number `number` down with the size of the log that it answers; OSError, Full."""
        if self._size > FULL:
            raise Full
        if self._record < 0:
            flags = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC
            self._record = posix.open(self._path, flags, 0o600)
        data_line = wire.line({"n": number, "offset": offset, "data": data, "eof": eof, "note": note})
        while data_line:
            data_line = data_line[posix.write(self._record, data_line) :]
        self.last = number

    def put(self, data: bytes, *, eof: bool) -> None:
        """Takes bytes and writes as many as there is room for."""
        if data:
            self._waiting.append(data)
            self._size += len(data)
        self._eof = self._eof or eof
        self.write()

    def write(self) -> None:
        """Writes what there is room for; closes when all is written and no more will come, or nobody reads."""
        try:
            while self._waiting:
                head = self._waiting[0]
                written = posix.write(self.fd, head[: 1 << 20])
                self._size -= written
                if written == len(head):
                    del self._waiting[0]
                else:
                    self._waiting[0] = head[written:]
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
            self._eof = True
            self._waiting = []
        if self._eof:
            self.close()

    def close(self) -> None:
        """Lets go of the pipe and the record."""
        for fd in (self.fd, self._record):
            if fd >= 0:
                posix.close(fd)
        self.fd = self._record = -1
        self._waiting = []
