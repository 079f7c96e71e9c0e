"""What is behind the seam of `proc` where there is no /proc: the programs ps and sysctl.

Weaker than Linux's in three ways that callers know of: nothing pins a process between a look and a signal, so a start
time is compared with the last look; start times count whole seconds since 1970, and a second more or less is the same
(Linux's own ps works them out anew each time); no mark but the environment tells whose a process is.
"""

import errno
import posix
import sys
import time

from . import names
from .answers import answer

MYPY = False
if MYPY:
    from .polling import Poller

WITH_ENVIRONMENT = b"E" if sys.platform == "darwin" else b"e"
COLUMNS = (b"pid", b"ppid", b"pgid", b"sess", b"stat", b"lstart", b"command")
MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
BOOTS = (b"kern.bootsessionuuid", b"kern.boot_id", b"kernel.random.boot_id", b"kern.boottime")  # the surest first
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
WANTED = b" " + names.MARKER.encode() + b"="
TOLERANCE = 2  # seconds
FRESH = 0.5  # seconds for which a look may stand for the next one


def boottime() -> float:
    """Seconds since some moment before boot; never set back, and on where that is known while the machine sleeps."""
    return time.clock_gettime(CLOCK)


def moment() -> int:
    """Now, in the unit of start times: seconds since 1970."""
    return int(time.time())


def birth(pid: int, before: int) -> int:
    """The start time of a child that was just started; before: the moment at which it was not there yet."""
    return before if 0 <= moment() - before < TOLERANCE else start_time(pid) or before


def same(start: int, other: int) -> bool:
    """Whether two start times are of one process."""
    return -TOLERANCE <= start - other <= TOLERANCE


def boot_id() -> str:
    """This boot's id, "" where the kernel tells none."""
    if _known.boot is None:
        _known.boot = ""
        for name in BOOTS:
            told = answer([b"sysctl", b"-n", name]).decode("ascii", "replace").strip()
            if told:
                _known.boot = boot_of(told)
                break
    return _known.boot


def boot_of(told: str) -> str:
    """What sysctl says, or of `{ sec = 1763625600, usec = 0 } Thu Nov 20 08:00:00 2025` the seconds."""
    return told.partition("sec = ")[2].partition(",")[0] if "sec = " in told else told


class Process:
    """One line of ps: parent, group, session (or group again), state and start time in seconds since 1970."""

    __slots__ = ("group", "look", "parent", "pid", "session", "start", "state", "text")

    def __init__(self, line: bytes, look: "Look") -> None:
        """ValueError, IndexError for what is no such line."""
        words = line.split(None, 10)
        self.pid, self.parent, self.group = int(words[0]), int(words[1]), int(words[2])
        told = words[3]  # macOS tells of no session; a phase's main process leads a group just as well
        self.session = int(told) if told.isdigit() and told != b"0" else self.group
        self.state = words[4].decode()[:1]
        self.start = _seconds(words[5:10])
        self.text = b" " + words[10] if len(words) > 10 else b""  # command line and environment
        self.look = look

    @property
    def alive(self) -> bool:
        """Not a zombie."""
        return self.state != "Z"


class Look:
    """What one call of ps told, and when it had told it."""

    def __init__(self, *which: bytes) -> None:
        """which: words that choose processes."""
        self.found: "dict[int, Process]" = {}
        self._plain: "dict[int, bytes] | None" = None
        for line in _ps(WITH_ENVIRONMENT, COLUMNS, *which):
            try:
                process = Process(line, self)
            except (ValueError, IndexError):
                continue
            self.found[process.pid] = process
        self.at = time.monotonic()

    def plain(self, pid: int) -> bytes:
        """The command line of a process without its environment; asked once, for all of whom it matters."""
        if self._plain is None:
            self._plain = {}
            suspects = b",".join(b"%d" % found.pid for found in self.found.values() if WANTED in found.text)
            for line in _ps(b"", (b"pid", b"command"), b"-p", suspects) if suspects else ():
                number, _, text = line.strip().partition(b" ")
                self._plain[int(number)] = b" " + text.strip()
        return self._plain.get(pid, b"")


class Known:
    """What need not be asked again: this boot's id, and for a moment the last look."""

    __slots__ = ("boot", "look")

    def __init__(self) -> None:
        self.boot: "str | None" = None
        self.look: "Look | None" = None


_known = Known()


def process(pid: int) -> "Process | None":
    """One process, zombies included."""
    return Look(b"-p", b"%d" % pid).found.get(pid)


def processes() -> "list[Process]":
    """All processes, the newest (likely the highest) first; OSError if ps does not tell."""
    _known.look = Look(b"-A")
    if posix.getpid() not in _known.look.found:
        raise OSError(errno.ENOENT, "ps does not tell of processes")
    return sorted(_known.look.found.values(), key=lambda found: -found.pid)


def start_time(pid: int) -> int:
    """Seconds since 1970, 0 if there is no such process."""
    found = process(pid)
    return found.start if found else 0


def limit_mark(pid: int) -> int:
    """There are no marks."""
    return -1


def marker(found: Process) -> "str | None":
    """The value of names.MARKER in the environment that a process was started with, as far as ps tells it.

    What stands in the command line alone is somebody who looks for it.
    """
    count = found.text.count(WANTED)
    plain = found.look.plain(found.pid) if count else b""
    if not plain or count <= plain.count(WANTED):
        return None
    return found.text.rpartition(WANTED)[2].partition(b" ")[0].decode("utf-8", "surrogateescape")


def signal(pid: int, start: int, number: int) -> bool:
    """Signals a process only if it began at `start` by a look that is not old; whether it did."""
    look = _known.look
    if look and time.monotonic() - look.at < FRESH:
        found = look.found.get(pid) or process(pid)
    else:
        # Of all: who signals one is about to signal many, and a ps for each takes longer than they do to fork.
        look = _known.look = Look(b"-A")
        found = look.found.get(pid)
    return found is not None and same(found.start, start) and send(pid, number)


def signal_child(pid: int, number: int) -> None:
    """Signals a child that was not waited for, so that its number is still its own."""
    send(pid, number)


def send(pid: int, number: int) -> bool:
    """Signals a process, or with a negative number its group; whether there was one that we may signal."""
    try:
        posix.kill(pid, number)
    except OSError:
        return False
    return True


def be_subreaper() -> bool:
    """There is no such thing: orphans go to process 1."""
    return False


def poller(wakeup: int) -> "Poller":
    """What waits for file descriptors; wakeup: the one that can be read when a child has ended."""
    from . import polling

    return polling.best(wakeup)


def _seconds(words: "list[bytes]") -> int:
    """Seconds since 1970 of weekday, month, day, time and year, in whatever order; ValueError."""
    import calendar

    date = [0, 0, 0]
    clock = [0, 0, 0]
    for word in words:
        if b":" in word:
            clock = [int(part) for part in word.split(b":")]
        elif word.isdigit():
            date[0 if len(word) == 4 else 2] = int(word)
        elif word in MONTHS:
            date[1] = MONTHS.index(word) + 1
    if 0 in date:
        raise ValueError("no date: %r" % words)
    return calendar.timegm((*date, *clock))


def _ps(how: bytes, columns: "tuple[bytes, ...]", *which: bytes) -> "list[bytes]":
    """Lines of ps. Each column is an option of its own: some take all behind a `=` for a heading."""
    asked = [word for name in columns for word in (b"-o", name + b"=")]
    return answer([b"ps", how + b"ww", *asked, *which]).splitlines()
