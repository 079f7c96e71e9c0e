"""Linux behind the seam of `proc`: /proc, pidfds, epoll, and what only the levels `cgroup` and `walk` use.

Decides nothing. Every reader gives None or an empty answer for a process that is gone or hidden: between two looks
anything can end.
"""

import _signal  # type: ignore[import-not-found]  # importing signal costs 3 ms
import errno
import posix
import time

from . import names
from .files import slurp

MYPY = False
if MYPY:
    import select
    from typing import Any, Callable

TICKS_NS = 1_000_000_000 // posix.sysconf("SC_CLK_TCK")
BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime() -> float:
    """Seconds since boot, suspend included; never set back."""
    return time.clock_gettime(BOOTTIME)


def moment() -> int:
    """Now, in the unit of start times: field 22 of /proc/PID/stat."""
    return time.clock_gettime_ns(BOOTTIME) // TICKS_NS


def birth(pid: int, before: int) -> int:
    """The start time of a child that was just started; before: the moment at which it was not there yet."""
    # Between two looks at the clock that show the same tick: no need to read it from /proc.
    return before if moment() == before else start_time(pid)


def same(start: int, other: int) -> bool:
    """Whether two start times are of one process."""
    return start == other


def poller(wakeup: int) -> "select.epoll":
    """What waits for file descriptors; wakeup: the one that can be read when a child has ended."""
    import select

    return select.epoll()


def boot_id() -> str:
    """This boot's id, "" where the kernel tells none."""
    return (slurp("/proc/sys/kernel/random/boot_id") or b"").decode().strip()


class Process:
    """One line of /proc/PID/stat: parent, session, state letter and start time in clock ticks."""

    __slots__ = ("parent", "pid", "session", "start", "state")

    def __init__(self, stat: bytes) -> None:
        fields = stat[stat.rindex(b")") + 2 :].split()
        self.pid = int(stat[: stat.index(b" ")])
        self.state = fields[0].decode()
        self.parent = int(fields[1])
        self.session = int(fields[3])
        self.start = int(fields[19])

    @property
    def alive(self) -> bool:
        """Not a zombie."""
        return self.state not in ("Z", "X", "x")


def process(pid: int) -> "Process | None":
    """One process, zombies included."""
    stat = slurp("/proc/%d/stat" % pid, 4096)
    return Process(stat) if stat else None


def start_time(pid: int) -> int:
    """Field 22 of /proc/PID/stat, 0 if there is no such process."""
    found = process(pid)
    return found.start if found else 0


def pids() -> "list[int]":
    """All process ids, the newest (likely the highest) first, so that one that keeps forking is met early."""
    return sorted((int(name) for name in posix.listdir("/proc") if name.isdigit()), reverse=True)


def processes() -> "list[Process]":
    """All processes."""
    return [found for found in map(process, pids()) if found]


def children_file() -> "int | None":
    """An fd whose contents are the pids of this process's children; None where the kernel does not tell."""
    try:
        return posix.open("/proc/thread-self/children", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return None


def limit_mark(pid: int) -> int:
    """The soft RLIMIT_LOCKS of a process, -1 if unlimited or unknown."""
    text = slurp("/proc/%d/limits" % pid, 8192) or b""
    at = text.find(b"Max file locks")
    if at < 0:
        return -1
    soft = text[at + 14 :].split(None, 1)[0]
    return int(soft) if soft.isdigit() else -1


def marker(found: Process) -> "str | None":
    """The value of names.MARKER in the environment that a process was started with."""
    wanted = names.MARKER.encode() + b"="
    for item in (slurp("/proc/%d/environ" % found.pid) or b"").split(b"\0"):
        if item.startswith(wanted):
            return item[len(wanted) :].decode("utf-8", "surrogateescape")
    return None


def has_open(pid: int, files: "set[tuple[int, int]]") -> "tuple[int, int] | None":
    """The first of some files, given as (device, inode), that a process has open."""
    base = "/proc/%d/fd" % pid
    try:
        fds = posix.listdir(base)
    except OSError:
        return None
    for fd in fds:
        try:
            stat = posix.stat(base + "/" + fd)
        except OSError:
            continue
        if (stat.st_dev, stat.st_ino) in files:
            return (stat.st_dev, stat.st_ino)
    return None


def signal(pid: int, start: int, number: int) -> bool:
    """Signals a process only if it is still the one that began at `start` (clock ticks); whether it was."""
    return guarded(pid, number, lambda: start_time(pid) == start)


def signal_in_cgroup(pid: int, cgroup: str, number: int) -> bool:
    """Signals a process only if it is in this cgroup (path below the mount) or one below it."""

    def there() -> bool:
        text = slurp("/proc/%d/cgroup" % pid) or b""
        for line in text.decode("utf-8", "surrogateescape").splitlines():
            if line.startswith("0::"):
                return line[3:] == cgroup or line[3:].startswith(cgroup + "/")
        return False

    return guarded(pid, number, there)


def guarded(pid: int, number: int, is_it: "Callable[[], bool]") -> bool:
    """A pidfd pins the process before it is looked at, so that the signal cannot reach its pid's next owner."""
    try:
        fd = posix.pidfd_open(pid)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            return False
        return is_it() and _send(pid, number)
    except AttributeError:
        return is_it() and _send(pid, number)
    try:
        if not is_it():
            return False
        _signal.pidfd_send_signal(fd, number)
    except OSError:
        return False
    finally:
        posix.close(fd)
    return True


def signal_child(pid: int, number: int) -> None:
    """Signals a child that was not waited for, so that its number is still its own. It may have other rights by now."""
    _send(pid, number)


def _send(pid: int, number: int) -> bool:
    try:
        posix.kill(pid, number)
    except OSError:
        return False
    return True


def be_subreaper() -> bool:
    """Makes orphans of this process's descendants its children; whether the kernel agreed."""
    return _prctl(36, 1) == 0


def _prctl(option: int, value: int) -> int:
    words = (option, value, 0, 0, 0)
    try:
        import _ctypes  # a third of the cost of ctypes

        this: "Any" = None  # the program itself, which the stubs do not know of
        return int(_ctypes.call_function(_ctypes.dlsym(_ctypes.dlopen(this, 0), "prctl"), words))
    except (ImportError, AttributeError, OSError):
        import ctypes

        return int(ctypes.CDLL(None).prctl(*words))
