"""Files that git would wait for without end, or that hold something else than a file does: pipes, sockets, devices.

Decides only what they are; who starts git names the files that it opens.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from teamflow.workspaces.errors import WorkspaceError

_PLAIN = (stat.S_IFREG, stat.S_IFDIR)


def refuse_pipes(paths: Iterable[str]) -> None:
    """WorkspaceError (not-a-file): one of them is a pipe, a socket or a device, also behind a link."""
    for path in paths:
        if path != os.devnull and not is_plain(path):
            raise WorkspaceError(
                "not-a-file",
                path,
                "is a pipe, a socket or a device, and git would wait for it",
                remedy="take it away, and put back the file that belongs there",
            )


def is_plain(path: str | bytes) -> bool:
    """Whether a file, a directory or nothing lies there, also behind a link."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode) in _PLAIN
    except OSError:
        return True


def read_plain(path: str, *, most: int) -> bytes:
    """The content of a file, up to `most` bytes; empty where it is none or cannot be read. Never waits."""
    try:
        with open(path, "rb", opener=unwaited) as file:
            return file.read(most) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
    except OSError:
        return b""


def unfollowed(path: str | bytes, flags: int) -> int:
    """`opener` for `open`: waits for no pipe, and follows no link at the end of the path.

    What `open` opens by itself it closes again when it is a directory; a descriptor that it is given it does not.
    """
    return unwaited(path, flags | os.O_NOFOLLOW)


def unwaited(path: str | bytes, flags: int) -> int:
    """`opener` for `open`: without it a pipe in the place of a file would be waited for. Follows links."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
