"""Which directories are git top levels, by a look at `.git` alone. Imports nothing, for every command asks."""

from __future__ import annotations

import os


def is_repository(place: str) -> bool:
    """Whether a directory is a git top level. An empty `.git`, as sandboxes leave behind to guard one, is none."""
    marker = f"{place}/.git"
    try:
        return bool(os.listdir(marker)) if os.path.isdir(marker) else os.path.lexists(marker)
    except OSError:
        return os.path.lexists(marker)
