"""Processes, clocks and waiting, as the system under the keeper has them: the seam between Linux and all others.

Behind it lies either `proc_linux` (/proc, pidfds, epoll) or `proc_ps` (ps, sysctl, kqueue or poll); both have what is
named here, with the same meaning, and the rest of the keeper asks no further. What `proc_linux` has beyond that
belongs to the kill levels `cgroup` and `walk`, which are Linux's.
"""

import posix
import sys

FORCE = b"TEAMFLOW_KEEPER_PLATFORM"
KNOWN = (b"", b"portable")
PORTABLE = sys.platform != "linux" or posix.environ.get(FORCE, b"") == b"portable"

MYPY = False
if MYPY or not PORTABLE:
    from .proc_linux import (
        Process,
        be_subreaper,
        birth,
        boot_id,
        boottime,
        limit_mark,
        marker,
        moment,
        poller,
        process,
        processes,
        same,
        signal,
        signal_child,
        start_time,
    )
else:
    from .proc_ps import (
        Process,
        be_subreaper,
        birth,
        boot_id,
        boottime,
        limit_mark,
        marker,
        moment,
        poller,
        process,
        processes,
        same,
        signal,
        signal_child,
        start_time,
    )

__all__ = (
    "FORCE",
    "KNOWN",
    "PORTABLE",
    "Process",
    "be_subreaper",
    "birth",
    "boot_id",
    "boottime",
    "limit_mark",
    "marker",
    "moment",
    "poller",
    "process",
    "processes",
    "same",
    "signal",
    "signal_child",
    "start_time",
)
