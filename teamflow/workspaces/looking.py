"""Names in a directory, its size, and which directories processes are in. What cannot be looked at is passed over."""

from __future__ import annotations

import contextlib
import os


def names_in(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries)
    except OSError:
        return []


def working_directories() -> set[str]:
    """Directories that processes are in."""
    found = set()
    for name in names_in("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                found.add(os.readlink(f"/proc/{name}/cwd"))
    return found


def size_of(path: str) -> int:
    total = 0
    for place, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total
