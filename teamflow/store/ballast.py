"""A file that only takes up room, given back when the disk is full so that the last records still fit."""

from __future__ import annotations

import os
from typing import Final

from teamflow.keeper.files import reserve

SIZE: Final = 4 * 1024**2
"""Bytes; some 10,000 records with their log overhead."""


def lay(path: str, *, size: int = SIZE) -> None:
    """Makes the file where it is missing. Without room for it there is none: no error."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return
    try:
        reserve(descriptor, size)
    except OSError:
        drop(path)
    finally:
        os.close(descriptor)


def drop(path: str) -> bool:
    """Gives the room back; whether there was any."""
    try:
        os.unlink(path)
    except OSError:
        return False
    return True
