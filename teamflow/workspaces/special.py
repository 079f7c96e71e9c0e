"""What git passes over in silence in a worktree: pipes, sockets, devices, repositories inside, what cannot be listed.

Decides what is said of each. Refuses to know what git ignores.
"""

from __future__ import annotations

import os
from typing import Final

SPECIAL: Final = "is no file, but a pipe, socket or device"
WAITED_FOR: Final = "was a pipe, socket or device where git looks for a file, and has been taken away"
NESTED: Final = "is a repository of its own: its files are committed, its history is not"
_OPENED: Final = (b".gitignore", b".gitattributes", b".gitmodules")
"""What git opens in every directory, and would wait for."""


def special(root: bytes) -> dict[bytes, str]:
    """Path below `root` → what is to be said of it. What git would wait for is taken away: there is nothing in it."""
    found: dict[bytes, str] = {}
    stack = [root]
    start = len(root) + 1
    while stack:
        directory = stack.pop()
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    if entry.name == b".git":
                        if len(directory) >= start:
                            found[directory[start:]] = NESTED
                    elif entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    elif not entry.is_file(follow_symlinks=False) and not entry.is_symlink():
                        found[entry.path[start:]] = WAITED_FOR if entry.name in _OPENED else SPECIAL
        except OSError as error:
            found[directory[start:] or b"."] = f"cannot be read: {error.strerror or error}"
    for path, why in found.items():
        if why == WAITED_FOR:
            os.unlink(root + b"/" + path)
    return found
