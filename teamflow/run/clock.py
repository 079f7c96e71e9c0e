"""The real clock: boot id, seconds since boot (also while suspended), and wall time; and one that need not wait."""

from __future__ import annotations

import time

from teamflow.core.events import Now
from teamflow.store.boot import boot_id, since_boot


class SystemClock:
    def __init__(self) -> None:
        self._boot = boot_id()

    def now(self) -> Now:
        return Now(self._boot, since_boot(), time.time())


class LeapingClock(SystemClock):
    """Waits for nothing: what is only waited for is there at once, and everything after it later by as much."""

    def __init__(self, *, unasked: bool = False, ahead: float = 0.0) -> None:
        """`unasked`: what is asked and not answered at once is answered by nobody. `ahead`: seconds that have been
        leaped over before."""
        super().__init__()
        self._ahead = ahead
        self.unasked = unasked

    def now(self) -> Now:
        now = super().now()
        return now._replace(mono=now.mono + self._ahead, wall=now.wall + self._ahead)

    def leap(self, moment: float) -> None:
        """`moment`: seconds since boot, by this clock."""
        self._ahead += max(0.0, moment - self.now().mono)
