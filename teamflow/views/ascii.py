"""Our own signs in ASCII, for terminals and pipes that have nothing else."""

from __future__ import annotations

from typing import Final

_SIGNS: Final = str.maketrans({"…": "~", "→": ">", "├": "|", "└": "`", "│": "|", "─": "-", "⏎": "/"})


def plain(text: str) -> str:
    """`text` with nothing but ASCII, in as many columns: our signs by likenesses, all else by `?`."""
    return text.translate(_SIGNS).encode("ascii", "replace").decode("ascii")
