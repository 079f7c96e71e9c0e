"""Reading the files that define a team: regular, of bearable size, and inside the project unless asked otherwise."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable

from teamflow.workspaces.waiting import unwaited

LARGEST = 64 * 1024 * 1024
"""Bytes; what a team file may be is far less, and its reader says so with a place."""

_RACY_NS = 20_000_000


def located(root: str, path: str) -> str:
    """Where a defining file is: `path` is relative to the project, absolute, or begins with `~/`."""
    return os.path.expanduser(path) if path.startswith("~/") else os.path.join(root, path)


def is_below(path: str, root: str) -> bool:
    """Whether a real path is that of `root` or of something in it."""
    return path == root or path.startswith(root.rstrip("/") + "/")


class Anywhere:
    """`team.files.ReadsAnywhere`: the same files, and those from outside that a path or a link leads to."""

    def __init__(self, files: ProjectFiles) -> None:
        self._files = files

    def read(self, path: str) -> bytes:
        return self._files.read_any(path)

    def names(self, path: str) -> Iterable[str]:
        try:
            return os.listdir(self._files.located(path))
        except OSError:
            return ()


class ProjectFiles:
    """`ports.Sources` over a project's directory (absolute). Links are followed as long as they stay in it."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._real_root = os.path.realpath(root)

    def read(self, path: str) -> bytes:
        """OSError as of open(), and for what leads out of the project, is no regular file or is too large."""
        real = os.path.realpath(os.path.join(self._root, path))
        if not is_below(real, self._real_root):
            raise OSError(errno.EXDEV, "leads out of the project", path)
        return self._read(real, path)

    def read_any(self, path: str) -> bytes:
        """The same also for what leads out of the project."""
        return self._read(os.path.realpath(self.located(path)), path)

    def located(self, path: str) -> str:
        return located(self._root, path)

    @property
    def anywhere(self) -> Anywhere:
        return Anywhere(self)

    @staticmethod
    def _read(real: str, path: str) -> bytes:
        with open(real, "rb", opener=unwaited) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "is not a regular file", path)
            if found.st_size > LARGEST:
                raise OSError(errno.EFBIG, f"is larger than {LARGEST // 1024**2} MiB", path)
            return file.read(LARGEST + 1)


class FollowedFiles(ProjectFiles):
    """Reads again only what has changed, by size, times and inode; knows every path that was asked for."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.asked: set[str] = set()
        self._known: dict[str, tuple[tuple[int, int, int, int], bytes]] = {}

    def read(self, path: str) -> bytes:
        return self._followed(path, super().read)

    def read_any(self, path: str) -> bytes:
        return self._followed(path, super().read_any)

    def _followed(self, path: str, read: Callable[[str], bytes]) -> bytes:
        self.asked.add(path)
        try:
            found = os.stat(self.located(path))
        except OSError:
            return read(path)
        now = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
        known = self._known.get(path)
        if known is not None and known[0] == now:
            return known[1]
        data = read(path)
        # A file that changed a moment ago may change again within one tick of its clock.
        if time.time_ns() - max(now[:2]) > _RACY_NS:
            self._known[path] = (now, data)
        return data

    def digest(self, path: str) -> str | None:
        """sha256 of a file's content in hex; None where it cannot be read."""
        try:
            return hashlib.sha256(self.read_any(path)).hexdigest()
        except OSError:
            return None


def read_any(path: str) -> bytes:
    """A file that the command line names: whatever can be read, a pipe as well."""
    with open(path, "rb") as file:
        return file.read()
