"""Ctrl-C that would get lost. Python raises KeyboardInterrupt wherever it is, and drops it in a finalizer or in the
callback of a weak reference, of which the import system has one; then it is raised again a moment later.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

_LATER: Final = 0.01
"""Seconds, so that the callback has come to its end."""


def keep_interrupts() -> None:
    """From now on, in this process; a hook that somebody else has set is left alone."""
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _dropped


def _dropped(unraisable: sys.UnraisableHookArgs) -> None:
    if not isinstance(unraisable.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    # Imported here: it happens to few.
    import signal

    signal.signal(signal.SIGALRM, _again)
    signal.setitimer(signal.ITIMER_REAL, _LATER)


def _again(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
