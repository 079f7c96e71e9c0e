"""The journal of a keeper: how entries lie in bytes, and how they get there when the disk lets them.

Line n is the entry with `seq` n. Knows nothing of what entries mean. `read` and `good` are pure and are
also used by the runner; `Journal` is the keeper's writer.
"""

import errno
import posix

from . import wire
from .files import reserve

MYPY = False
if MYPY:
    from typing import Any

BALLAST = 128 << 10


def good(data: bytes) -> int:
    """Length of the part that counts: up to the last newline, and up to the first line that is no entry in its turn."""
    return sum(len(raw) + 1 for raw, _ in _entries(data))


def read(data: bytes) -> "list[dict[str, Any]]":
    """All entries of a journal; a torn end is left out, as is all that follows a damaged line."""
    return [entry for _, entry in _entries(data)]


def _entries(data: bytes) -> "list[tuple[bytes, dict[str, Any]]]":
    found: "list[tuple[bytes, dict[str, Any]]]" = []
    for raw in data.split(b"\n")[:-1]:
        try:
            entry = wire.decode(raw)
        except wire.Malformed:
            break
        if entry.get("seq") != len(found) + 1:
            break
        found.append((raw, entry))
    return found


def after(data: bytes, seq: int) -> bytes:
    """The lines of a good journal behind entry `seq`, as they are."""
    at = 0
    for _ in range(seq):
        at = data.find(b"\n", at) + 1
        if not at:
            return b""
    return data[at:]


class Journal:
    """Appends entries with one write per flush, and keeps what the disk refuses until it takes it.

    error: the OSError that the last write met, None while all is well.
    """

    def __init__(self, directory: str) -> None:
        """Opens the journal of a run directory and cuts a torn end off; OSError if that cannot be done."""
        self.path = directory + "/keeper.journal"
        self.error: "OSError | None" = None
        self._ballast = directory + "/keeper.ballast"
        self._fd = posix.open(self.path, posix.O_RDWR | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC, 0o600)
        data = self._whole()
        self.past = read(data)
        self._size = good(data)
        if self._size < len(data):
            posix.ftruncate(self._fd, self._size)
        self.seq = self.kept = len(self.past)  # numbers of the last entry, and of the last one in the file
        self._new: "list[bytes]" = []
        self.pressing = False  # whether the lines to be written have something other than starts
        self._waiting = b""  # lines that were not written as a whole
        self._left = b""  # the end of them that is not in the file

    def add(self, entry: "dict[str, Any]") -> None:
        """Gives an entry its number; it is written by the next flush."""
        self.seq += 1
        self.pressing = self.pressing or entry["e"] != "start"
        numbered = {"seq": self.seq}
        numbered.update(entry)
        self._new.append(wire.line(numbered))

    @property
    def idle(self) -> bool:
        """Whether there is nothing to flush."""
        return not self._new and not self._left

    def flush(self) -> bytes:
        """Writes what is new; the lines that are now in the file, b"" when the disk refuses (see `error`)."""
        if self._new:
            fresh = b"".join(self._new)
            self._new = []
            self._waiting += fresh
            self._left += fresh
        if not self._left:
            return b""
        try:
            self._write()
        except OSError as error:
            self.error = error
            return b""
        self.error = None
        self.pressing = False
        done, self._waiting = self._waiting, b""
        self._size += len(done)
        self.kept = self.seq
        return done

    def _write(self) -> None:
        while self._left:
            try:
                written = posix.write(self._fd, self._left)
            except OSError as error:
                if not self.gives_room(error):
                    raise
                continue
            self._left = self._left[written:]

    def replay(self, seq: int) -> bytes:
        """The lines behind entry `seq` that are in the file as a whole."""
        return after(self._whole()[: self._size], seq)

    def _whole(self) -> bytes:
        parts: "list[bytes]" = []
        at = 0
        while True:
            part = posix.pread(self._fd, 1 << 20, at)
            if not part:
                return b"".join(parts)
            parts.append(part)
            at += len(part)

    def save_ballast(self) -> None:
        """Sets bytes aside that are given back when the disk is full; a disk that is full now has none to spare."""
        try:
            fd = posix.open(self._ballast, posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            reserve(fd, BALLAST)
        except OSError:
            self._drop_ballast()
        finally:
            posix.close(fd)

    def gives_room(self, error: OSError) -> bool:
        """Whether a write that met this error may be tried again, as the ballast was given back for it."""
        return error.errno in (errno.ENOSPC, errno.EDQUOT) and self._drop_ballast()

    def _drop_ballast(self) -> bool:
        try:
            posix.unlink(self._ballast)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Lets go of the file and the ballast; entries that the disk still refuses are lost."""
        self.flush()
        self._drop_ballast()
        posix.close(self._fd)
