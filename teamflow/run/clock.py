"""The real clock: boot id, seconds since boot (also while suspended), and wall time."""

from __future__ import annotations

import time

from teamflow.core.events import Now
from teamflow.store.boot import boot_id, since_boot


class SystemClock:
    def __init__(self) -> None:
        self._boot = boot_id()

    def now(self) -> Now:
        return Now(self._boot, since_boot(), time.time())
