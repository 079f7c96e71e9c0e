"""Contents by their sha256, as files `objects/ab/cdef…`. Knows no index and no step.

An object appears whole or not at all (written aside, then renamed). Nothing is synced: a crash may leave one that is
damaged, which whoever reads it finds out by its digest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Final

_CHUNK: Final = 1024 * 1024


class Objects:
    """The objects below `directory`, which need not be there yet."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def add(self, source: int) -> tuple[str, int]:
        """Copies what is left to read of a descriptor; gives its digest and size. OSError."""
        return self._add(lambda: os.read(source, _CHUNK))

    def add_bytes(self, data: bytes) -> tuple[str, int]:
        """OSError."""
        parts = iter((data, b""))
        return self._add(lambda: next(parts))

    def open(self, digest: str) -> int | None:
        """A descriptor to read it; None: not there. Its content is not checked."""
        try:
            return os.open(self._path(digest), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None

    def read(self, digest: str) -> bytes | None:
        """All of it, checked; None: not there, or damaged (then it is removed)."""
        try:
            with open(self._path(digest), "rb") as file:
                data = file.read()
        except OSError:
            return None
        if sha256(data).hexdigest() != digest:
            self.remove(digest)
            return None
        return data

    def has(self, digest: str, *, size: int) -> bool:
        try:
            return os.stat(self._path(digest)).st_size == size
        except OSError:
            return False

    def remove(self, digest: str) -> None:
        try:
            os.unlink(self._path(digest))
        except OSError:
            pass

    def all(self) -> Iterator[tuple[str, int, float]]:
        """Digest, size and time (Unix) of when it was last added, of each."""
        for outer in _names(self._directory):
            for inner in _names(f"{self._directory}/{outer}"):
                try:
                    found = os.stat(f"{self._directory}/{outer}/{inner}")
                except OSError:
                    continue
                yield outer + inner, found.st_size, found.st_mtime

    def _add(self, read: Callable[[], bytes]) -> tuple[str, int]:
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        temporary = f"{self._directory}/tmp-{os.getpid()}-{os.urandom(6).hex()}"
        state = sha256()
        size = 0
        target = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            try:
                while chunk := read():
                    state.update(chunk)
                    size += len(chunk)
                    _write_all(target, chunk)
            finally:
                os.close(target)
            digest = state.hexdigest()
            path = self._path(digest)
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            # Also over an equal one: its time says that it is wanted (see Cache.collect), and it may be damaged.
            os.rename(temporary, path)
            temporary = ""
        finally:
            if temporary:
                os.unlink(temporary)
        return digest, size

    def _path(self, digest: str) -> str:
        return f"{self._directory}/{digest[:2]}/{digest[2:]}"


def _write_all(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []
