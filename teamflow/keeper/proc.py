"""What Linux tells about processes: /proc, process ids that cannot be mistaken, clocks. Decides nothing.

Every reader gives None or an empty answer for a process that is gone or hidden: between two looks anything can end.
"""

import _signal  # type: ignore[import-not-found]  # importing signal costs 3 ms
import errno
import posix
import time

from . import names

MYPY = False
if MYPY:
    from typing import Any, Callable

TICKS_NS = 1_000_000_000 // posix.sysconf("SC_CLK_TCK")
BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime() -> float:
    """Seconds since boot, suspend included; never set back."""
    return time.clock_gettime(BOOTTIME)


def boot_ticks() -> int:
    """Now, in the unit of field 22 of /proc/PID/stat."""
    return time.clock_gettime_ns(BOOTTIME) // TICKS_NS


def slurp(path: str, limit: int = 1 << 20) -> "bytes | None":
    """Contents of a /proc or cgroup file, None if it cannot be read."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return None
    try:
        parts = []
        while limit > 0:
            part = posix.read(fd, min(limit, 1 << 16))
            if not part:
                break
            parts.append(part)
            limit -= len(part)
        return b"".join(parts)
    except OSError:
        return None
    finally:
        posix.close(fd)


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


def marked(marks: "set[int]", strangers: "set[int]") -> "dict[int, int]":
    """pid -> mark of living processes with one of some marks, the newest first.

    Remembers in `strangers` who has none of them, so that the next look with the same set is quick.
    """
    found = {}
    for pid in pids():
        if pid in strangers:
            continue
        mark = limit_mark(pid)
        if mark not in marks:
            strangers.add(pid)
            continue
        seen = process(pid)
        if seen and seen.alive:
            found[pid] = mark
    return found


class Marks:
    """Puts marks on this process, which its children inherit. Where the hard limit is too low it puts none."""

    __slots__ = ("_hard", "_set", "_worn")

    def __init__(self) -> None:
        self._set: "Callable[[int, tuple[int, int]], None] | None" = None
        self._hard = 0
        self._worn = False

    def wear(self, mark: int) -> None:
        """What is started from now on carries this mark."""
        if self._set is None:
            import resource  # not at the start of the program: perhaps nothing ever runs

            self._set = resource.setrlimit
            self._hard = resource.getrlimit(names.RLIMIT_LOCKS)[1]
        if self._hard == -1:
            self._set(names.RLIMIT_LOCKS, (mark, -1))
            self._worn = True

    def drop(self) -> None:
        """This process must not be taken for one of those that it started."""
        if self._worn and self._set is not None:
            self._set(names.RLIMIT_LOCKS, (-1, -1))
            self._worn = False


def marker(pid: int) -> "str | None":
    """The value of names.MARKER in the environment that a process was started with."""
    wanted = names.MARKER.encode() + b"="
    for item in (slurp("/proc/%d/environ" % pid) or b"").split(b"\0"):
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
    return _guarded(pid, number, lambda: start_time(pid) == start)


def signal_marked(pid: int, mark: int, number: int) -> bool:
    """Signals a process only if it carries this soft RLIMIT_LOCKS; whether it did."""
    return _guarded(pid, number, lambda: limit_mark(pid) == mark)


def signal_in_cgroup(pid: int, cgroup: str, number: int) -> bool:
    """Signals a process only if it is in this cgroup (path below the mount) or one below it."""

    def there() -> bool:
        text = slurp("/proc/%d/cgroup" % pid) or b""
        for line in text.decode("utf-8", "surrogateescape").splitlines():
            if line.startswith("0::"):
                return line[3:] == cgroup or line[3:].startswith(cgroup + "/")
        return False

    return _guarded(pid, number, there)


def _guarded(pid: int, number: int, same: "Callable[[], bool]") -> bool:
    """A pidfd pins the process before it is looked at, so that the signal cannot reach its pid's next owner."""
    try:
        fd = posix.pidfd_open(pid)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            return False
        return same() and _send(pid, number)
    except AttributeError:
        return same() and _send(pid, number)
    try:
        if not same():
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
