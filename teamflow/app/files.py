"""Reading the files that define a team: inside the project, regular, and of bearable size."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time

LARGEST = 64 * 1024 * 1024
"""Bytes; what a team file may be is far less, and its reader says so with a place."""

_RACY_NS = 20_000_000


class ProjectFiles:
    """`ports.Sources` over a project's directory (absolute). Links are followed as long as they stay in it."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._real_root = os.path.realpath(root)

    def read(self, path: str) -> bytes:
        """OSError as of open(), and for what leads out of the project, is no regular file or is too large."""
        name = os.path.join(self._root, path)
        real = os.path.realpath(name)
        if real != self._real_root and not real.startswith(self._real_root.rstrip("/") + "/"):
            raise OSError(errno.EXDEV, "leads out of the project", path)
        with open(real, "rb", opener=_unwaited) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "is not a regular file", path)
            if found.st_size > LARGEST:
                raise OSError(errno.EFBIG, f"is larger than {LARGEST // 1024**2} MiB", path)
            return file.read(LARGEST + 1)


def _unwaited(path: str, flags: int) -> int:
    """As `opener` for `open`: without O_NONBLOCK a pipe in the place of a file would be waited for."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


class FollowedFiles(ProjectFiles):
    """Reads again only what has changed, by size, times and inode; knows every path that was asked for."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.asked: set[str] = set()
        self._known: dict[str, tuple[tuple[int, int, int, int], bytes]] = {}

    def read(self, path: str) -> bytes:
        self.asked.add(path)
        try:
            found = os.stat(os.path.join(self._root, path))
        except OSError:
            return super().read(path)
        now = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
        known = self._known.get(path)
        if known is not None and known[0] == now:
            return known[1]
        data = super().read(path)
        # A file that changed a moment ago may change again within one tick of its clock.
        if time.time_ns() - max(now[:2]) > _RACY_NS:
            self._known[path] = (now, data)
        return data

    def digest(self, path: str) -> str | None:
        """sha256 of a file's content in hex; None where it cannot be read."""
        try:
            return hashlib.sha256(self.read(path)).hexdigest()
        except OSError:
            return None


def read_any(path: str) -> bytes:
    """A file that the command line names: whatever can be read, a pipe as well."""
    with open(path, "rb") as file:
        return file.read()
