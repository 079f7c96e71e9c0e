"""Which boot this is, how long ago it was, and when a process began: what makes pids and durations comparable.

Read from /proc. Where there is none, the keeper's seam knows (`keeper/proc.py`), which is not imported for less.
"""

from __future__ import annotations

import os
import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Counts on while the machine sleeps: so does CLOCK_MONOTONIC on macOS."""


def since_boot() -> float:
    """Seconds since boot (or some moment before it), suspend included; comparable within one boot."""
    return time.clock_gettime(_CLOCK)


def boot_id() -> str:
    """Empty where the system tells none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        from teamflow.keeper import proc

        return proc.boot_id()


def start_of(pid: int) -> int:
    """The start time of a process; -1 when there is none. With the boot it tells a process from a later one's pid."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        if os.path.exists("/proc/self/stat"):
            return -1
    from teamflow.keeper import proc

    return proc.start_time(pid) or -1
