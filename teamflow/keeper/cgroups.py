"""Kill level `cgroup`: one directory below the keeper's own v2 cgroup per running phase, reused when empty.

The keeper moves itself in, spawns and moves on; it is back home before anything is killed or the loop waits.
"""

import posix
import time

from . import marks, names
from . import proc_linux as proc
from .files import slurp

MYPY = False
if MYPY:
    from .job import Job

KILL = 9


class Unavailable(Exception):
    """No cgroup can be made here; the text says why."""


def own() -> "tuple[str, str]":
    """(directory, path below the mount's root) of this process's v2 cgroup; Unavailable."""
    path = None
    for line in _text("/proc/self/cgroup").splitlines():
        if line.startswith("0::"):
            path = line[3:]
    if path is None:
        raise Unavailable("no v2 cgroup in /proc/self/cgroup")
    for line in _text("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        if not right.startswith("cgroup2 "):
            continue
        fields = left.split(" ")
        root, mount = fields[3], _unescaped(fields[4])
        if root == "/":
            return (mount + path).rstrip("/"), path
        if path == root or path.startswith(root + "/"):
            return mount + path[len(root) :], path
    raise Unavailable("no v2 cgroup is mounted")


def _unescaped(path: str) -> str:
    """A path of mountinfo: blanks and backslashes are octal there."""
    parts = path.split("\\")
    return parts[0] + "".join(chr(int(part[:3], 8)) + part[3:] for part in parts[1:])


def _text(path: str) -> str:
    return (slurp(path) or b"").decode("utf-8", "surrogateescape")


class Slot:
    """One cgroup: its directory and two open files of it."""

    __slots__ = ("directory", "events", "procs")

    def __init__(self, directory: str) -> None:
        posix.mkdir(directory, 0o700)
        self.directory = directory
        self.procs = posix.open(directory + "/cgroup.procs", posix.O_WRONLY | posix.O_CLOEXEC)
        self.events = posix.open(directory + "/cgroup.events", posix.O_RDONLY | posix.O_CLOEXEC)

    @property
    def populated(self) -> bool:
        """Whether a process that is no zombie is in it or below it."""
        return b"populated 1" in posix.pread(self.events, 256, 0)

    def close(self) -> None:
        """Lets go of the open files."""
        posix.close(self.procs)
        posix.close(self.events)


class Cgroups:
    """The kill level `cgroup` of one run."""

    level = "cgroup"

    def __init__(self, run: str) -> None:
        """Makes the run's directory and tries everything once; Unavailable if something is refused."""
        home, self._below = own()
        self._name = names.cgroup_name(run)
        self.path = home + "/" + self._name
        self._free: "list[Slot]" = []
        self._made = 0
        self._away = False
        self._marks = marks.Marks()
        try:
            _write(home + "/cgroup.procs", b"0")  # the way back must be open before we leave
            self._home = posix.open(home + "/cgroup.procs", posix.O_WRONLY | posix.O_CLOEXEC)
            _clear(self.path)
            posix.mkdir(self.path, 0o700)
            slot = self._new()
            posix.stat(slot.directory + "/cgroup.kill")
            posix.write(slot.procs, b"0")
            posix.write(self._home, b"0")
            self._free.append(slot)
        except OSError as error:
            remove(self.path)
            raise Unavailable("%s: %s" % (home, error)) from None

    def _new(self) -> Slot:
        self._made += 1
        return Slot("%s/%d" % (self.path, self._made))

    def enter(self, job: "Job") -> None:
        """Before the spawn: what is spawned next is in the job's cgroup. OSError."""
        slot = self._free.pop() if self._free else self._new()
        try:
            posix.write(slot.procs, b"0")
        except OSError:
            slot.close()  # somebody removed it, so it is of no more use
            raise
        job.slot = slot
        self._away = True
        self._marks.wear(job.mark)

    def home(self) -> None:
        """After spawns, and before anything is killed."""
        if self._away:
            posix.write(self._home, b"0")
            self._away = False
            self._marks.drop()

    def leftovers(self, ended: "list[Job]") -> "list[Job]":
        """Those phases of which something goes on although the main process ended."""
        self.home()
        return [job for job in ended if job.slot and job.slot.populated]

    def empty(self, jobs: "list[Job]") -> "list[Job]":
        """Those phases of which nothing is left."""
        self.home()
        return [job for job in jobs if job.slot is None or not job.slot.populated]

    def signal(self, jobs: "list[Job]", number: int) -> None:
        """Signals every process of some phases."""
        self.home()
        for job in jobs:
            if job.slot:
                self._signal(job, job.slot, number)

    def _signal(self, job: "Job", slot: Slot, number: int) -> None:
        for pid, relative in self._members(slot.directory):
            if pid == job.pid and not job.ended:
                if not job.wrapped:
                    proc.signal_child(pid, number)
            else:
                proc.signal_in_cgroup(pid, relative, number)

    def _members(self, top: str) -> "list[tuple[int, str]]":
        """(pid, cgroup below the mount's root) of all in a cgroup and below it."""
        base = len(self.path)
        relative = (self._below.rstrip("/") + "/" + self._name) + top[base:]
        found = []
        for directory in tree(top):
            for pid in (slurp(directory + "/cgroup.procs") or b"").split():
                found.append((int(pid), relative))
        return [(pid, path) for pid, path in found if pid]

    def kill(self, jobs: "list[Job]") -> None:
        """SIGKILL to every process of some phases, forked meanwhile or not, and to what moved to another cgroup."""
        self.home()
        for job in jobs:
            if job.slot:
                _tell(job.slot.directory + "/cgroup.kill", b"1")
            if not job.ended:
                proc.signal_child(job.pid, KILL)
        for pid, mark in marks.marked({job.mark for job in jobs}, set()).items():
            marks.signal_marked(pid, mark, KILL)

    def freeze(self, job: "Job", *, on: bool) -> None:
        """Stops all of a phase where it is, or lets it go on."""
        self.home()
        if job.slot:
            _tell(job.slot.directory + "/cgroup.freeze", b"1" if on else b"0")

    def release(self, job: "Job") -> None:
        """The phase is over. A cgroup that cannot be emptied is not used again."""
        self.home()
        slot, job.slot = job.slot, None
        if slot is None:
            return
        if slot.populated:
            slot.close()
        else:
            self._free.append(slot)

    def sweep(self) -> None:
        """Now and then: nothing escapes from a phase that is over."""

    def reaped(self, pid: int) -> None:
        """A process that is nobody's main process was reaped."""

    def close(self) -> None:
        """Kills what is left and removes the directories."""
        self.home()
        for slot in self._free:
            slot.close()
        self._free = []
        remove(self.path)


def tree(top: str) -> "list[str]":
    """A cgroup and all below it, parents first."""
    found = [top]
    for directory in found:
        try:
            found.extend(entry.path for entry in posix.scandir(directory) if entry.is_dir(follow_symlinks=False))
        except OSError:
            continue
    return found


def remove(top: str) -> bool:
    """Kills all that is in a cgroup or below it and removes it; whether it is gone. Waits for nothing."""
    try:
        posix.stat(top)
    except OSError:
        return True
    events = slurp(top + "/cgroup.events") or b""
    if b"populated 1" in events:
        _tell(top + "/cgroup.kill", b"1")
    gone = True
    for directory in reversed(tree(top)):
        try:
            posix.rmdir(directory)
        except OSError:
            gone = False
    return gone


def _clear(path: str) -> None:
    """Removes what a keeper of the same run left; waits a moment for what it kills."""
    until = time.monotonic() + 1
    while not remove(path) and time.monotonic() < until:
        time.sleep(0.002)


def _tell(path: str, data: bytes) -> None:
    """Writes to a cgroup that may be gone, in which case nothing is in it."""
    try:
        _write(path, data)
    except OSError:
        pass


def _write(path: str, data: bytes) -> None:
    fd = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC)
    try:
        posix.write(fd, data)
    finally:
        posix.close(fd)
