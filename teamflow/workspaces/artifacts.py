"""Output files of a step: what they are when it has succeeded, and putting them back from the cache.

Nothing is ever overwritten: a file that is there and differs makes the cached result no hit. Knows no cache: contents
come and go as file descriptors.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from enum import StrEnum
from hashlib import sha256
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.workspaces.beneath import open_file, parent_of
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.tree import unreadable

_CHUNK: Final = 1024 * 1024


class FileFacts(NamedTuple):
    """sha256 in hex, bytes, and permission bits."""

    digest: str
    size: int
    mode: int


class Restored(StrEnum):
    """What became of an artifact: `there` already, `put` back, `differs` (left alone), or `gone` from the cache."""

    THERE = "there"
    PUT = "put"
    DIFFERS = "differs"
    GONE = "gone"


def file_facts(root: str, path: str, *, keep: Callable[[int], tuple[str, int] | None] | None = None) -> FileFacts:
    """An output file as it is now. `keep` (`Cache.add_object`) copies it while it is hashed.

    WorkspaceError: missing, not-a-file, escape, unreadable.
    """
    try:
        descriptor = open_file(root, path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise WorkspaceError("missing", path, "was not made") from error
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise WorkspaceError("not-a-file", path, "is not a regular file")
        kept = keep(descriptor) if keep is not None else None
        if kept is None:
            os.lseek(descriptor, 0, os.SEEK_SET)
            kept = _read(descriptor)
        return FileFacts(*kept, stat.S_IMODE(found.st_mode))
    except OSError as error:
        raise unreadable(path, error) from error
    finally:
        os.close(descriptor)


def restore(root: str, path: str, *, digest: str, mode: int, contents: Callable[[str], int | None]) -> Restored:
    """Puts a missing file back, whole or not at all. `contents` (`Cache.open_object`) gives a descriptor or None.

    WorkspaceError: escape, unreadable (the place cannot be written).
    """
    try:
        if file_facts(root, path).digest == digest:
            return Restored.THERE
        return Restored.DIFFERS
    except WorkspaceError as error:
        if error.code == "not-a-file":
            return Restored.DIFFERS
        if error.code != "missing":
            raise
    source = contents(digest)
    if source is None:
        return Restored.GONE
    try:
        with parent_of(root, path, make=True) as (directory, name):
            return _put(directory, name, source, digest, mode)
    except (FileExistsError, NotADirectoryError):
        return Restored.DIFFERS
    except OSError as error:
        raise WorkspaceError(
            "unreadable", path, f"cannot be put back: {error.strerror or error}", remedy="make its directory writable"
        ) from error
    finally:
        os.close(source)


def _put(directory: int, name: str, source: int, digest: str, mode: int) -> Restored:
    temporary = f".{name[:100]}.{os.getpid()}.{digest[:8]}.tmp"
    _remove(temporary, directory)
    target = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory
    )
    try:
        try:
            if _read(source, into=target)[0] != digest:
                return Restored.GONE  # damaged in the cache
            os.fchmod(target, mode & 0o777)
        finally:
            os.close(target)
        _give_name(temporary, name, directory)
        return Restored.PUT
    finally:
        _remove(temporary, directory)


def _give_name(temporary: str, name: str, directory: int) -> None:
    """By link() and not rename(): whoever has made the file meanwhile keeps theirs. FileExistsError."""
    try:
        os.link(temporary, name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, dir_fd=directory))
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)


def _remove(name: str, directory: int) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        pass


def _read(source: int, *, into: int | None = None) -> tuple[str, int]:
    state = sha256()
    size = 0
    while chunk := os.read(source, _CHUNK):
        state.update(chunk)
        size += len(chunk)
        view = memoryview(chunk)
        while into is not None and view:
            view = view[os.write(into, view) :]
    return state.hexdigest(), size
