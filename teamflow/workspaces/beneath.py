"""Opening, making and linking files strictly below a root, also while somebody swaps directories for links.

The path is resolved first, so links that stay in the root work; then it is opened name by name without following any
link, so what was checked is what is opened.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from teamflow.workspaces.errors import WorkspaceError

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def inner_path(root: str, path: str) -> str:
    """`path` (relative to `root`) with all links followed, relative to the real root. WorkspaceError: escape."""
    if path.startswith("/") or "\0" in path:
        raise escape(root, path)
    prefix = os.path.realpath(root).rstrip("/") + "/"
    real = os.path.realpath(prefix + path)
    if not real.startswith(prefix):
        raise escape(root, path)
    return real.removeprefix(prefix)


def escape(root: str, path: str) -> WorkspaceError:
    return WorkspaceError("escape", path, f"leads out of {root}", remedy="name a file below it")


@contextmanager
def parent_of(root: str, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """A descriptor of the directory that `path` lies in, and its last name.

    Missing directories are made (0777 less the umask) where `make` says so. WorkspaceError: escape; OSError as open()
    gives it, FileNotFoundError where a directory is missing.
    """
    inner, _, name = inner_path(root, path).rpartition("/")
    descriptor = _descend(root, inner, path, make=make)
    try:
        yield descriptor, name
    finally:
        os.close(descriptor)


@contextmanager
def directory(root: str, path: str, *, make: bool = False) -> Iterator[int]:
    """A descriptor of the directory at `path` ('': the root itself). As `parent_of` for the rest."""
    inner = inner_path(root, path) if path and os.path.realpath(f"{root}/{path}") != os.path.realpath(root) else ""
    descriptor = _descend(root, inner, path, make=make)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _descend(root: str, inner: str, path: str, *, make: bool) -> int:
    """`inner`: without links, relative to the real root; `path`: what it is called in complaints."""
    descriptor = os.open(os.path.realpath(root), _DIRECTORY)
    for name in inner.split("/") if inner else ():
        try:
            deeper = _enter(descriptor, name, root, path, make=make)
        finally:
            os.close(descriptor)
        descriptor = deeper
    return descriptor


def _enter(descriptor: int, name: str, root: str, path: str, *, make: bool) -> int:
    if make:
        try:
            os.mkdir(name, dir_fd=descriptor)
        except FileExistsError:
            pass
    try:
        return os.open(name, _DIRECTORY, dir_fd=descriptor)
    except OSError as error:
        if error.errno == errno.ELOOP or (error.errno == errno.ENOTDIR and _is_link(descriptor, name)):
            raise escape(root, path) from error  # it was a directory a moment ago
        raise


def _is_link(descriptor: int, name: str) -> bool:
    try:
        os.readlink(name, dir_fd=descriptor)
    except OSError:
        return False
    return True


def open_file(root: str, path: str) -> int:
    """A descriptor to read the file. Never waits for a pipe. WorkspaceError: escape; OSError as open() gives it."""
    with parent_of(root, path) as (directory, name):
        try:
            return os.open(
                name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=directory
            )
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise escape(root, path) from error
            raise
