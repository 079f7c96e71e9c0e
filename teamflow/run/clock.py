"""The real clock: boot id, seconds since boot (also while suspended), and wall time."""

from __future__ import annotations

import time

from teamflow.core.events import Now


class SystemClock:
    def __init__(self) -> None:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            self._boot = file.read().strip()

    def now(self) -> Now:
        return Now(self._boot, time.clock_gettime(time.CLOCK_BOOTTIME), time.time())
