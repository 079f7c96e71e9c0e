"""How long work takes, told in other work that is done beside it: a bound in seconds would be one on the machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Made = TypeVar("Made")


def million() -> float:
    """Seconds of processor time for a million rounds of a loop that does nothing: some 10 ms."""
    begun = time.process_time()
    for _ in range(1_000_000):
        pass
    return time.process_time() - begun


def measured(work: Callable[[], Made]) -> tuple[Made, float]:
    """What `work` gives, and how many millions of such rounds it takes, by the slower of those before and after it."""
    before = million()
    begun = time.process_time()
    made = work()
    spent = time.process_time() - begun
    return made, spent / max(before, million())
