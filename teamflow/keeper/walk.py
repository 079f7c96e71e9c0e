"""Kill level `walk`: whose a process is, where there is no cgroup to say it. Kills by stopping, looking again, killing.

All that the keeper started, and all that this started, are descendants of the keeper, because it is a subreaper; the
question is only of which phase. In this order: the main process that it descends from, the soft RLIMIT_LOCKS that it
inherited (`names.limit_mark`), the marker in its environment, its session, an open log, that only one phase is there.
"""

import _signal  # type: ignore[import-not-found]  # importing signal costs 3 ms
import posix
import time

from . import marks, names
from . import proc_linux as proc

MYPY = False
if MYPY:
    from .job import Job

PATIENCE = 0.05  # seconds of looking again in one kill; the next one goes on
GONE = 0  # a number that no phase has: its phase is over


class Walk:
    """The kill level `walk`. `jobs` is the keeper's own table of phases that are not over, by number."""

    level = "walk"
    path = None

    def __init__(self, run: str, jobs: "dict[int, Job]") -> None:
        self._run = run
        self._jobs = jobs
        self._pid = posix.getpid()
        self._marks = marks.Marks()
        self._children = proc.children_file()
        self._orphans: "dict[int, int | None]" = {}

    def enter(self, job: "Job") -> None:
        """Before the spawn: what is spawned next carries the job's mark."""
        self._marks.wear(job.mark)

    def home(self) -> None:
        """After spawns, and before anything is killed."""
        self._marks.drop()

    def leftovers(self, ended: "list[Job]") -> "list[Job]":
        """Those phases of which something goes on although the main process ended."""
        self._adopt()
        owners = set(self._orphans.values())
        if GONE in owners:
            self._kill_gone()
        return [job for job in ended if job.number in owners]

    def _adopt(self) -> None:
        """Looks at children that are nobody's main process and were not seen before."""
        mains = {job.pid for job in self._jobs.values() if not job.ended}
        for pid in self._child_pids():
            if pid not in mains and pid not in self._orphans:
                found = proc.process(pid)
                if found and found.alive and found.parent == self._pid:
                    self._orphans[pid] = self._owner(found)

    def _child_pids(self) -> "list[int]":
        if self._children is not None:
            data = b""
            while True:
                part = posix.pread(self._children, 1 << 16, len(data))
                if not part:
                    return [int(pid) for pid in data.split()]
                data += part
        return [found.pid for found in proc.processes() if found.parent == self._pid]

    def _owner(self, found: proc.Process) -> "int | None":
        """The number of the phase that an orphan belongs to, GONE if that one is over, None if nothing tells."""
        limit = proc.limit_mark(found.pid)
        if names.carries_run(self._run, limit):
            number = limit & 0xFFFFFF
            return number if number in self._jobs else GONE
        known = [job for job in self._jobs.values() if job.known.get(found.pid) == found.start]
        known = known or self._by_marker(found)
        known = known or [job for job in self._jobs.values() if job.pid == found.session]
        known = known or self._by_log(found.pid)
        if not known and len(self._jobs) == 1:
            known = list(self._jobs.values())
        return known[0].number if known else None

    def _by_marker(self, found: proc.Process) -> "list[Job]":
        text = proc.marker(found)
        return [job for job in self._jobs.values() if text == names.marker(self._run, job.step, job.attempt)]

    def _by_log(self, pid: int) -> "list[Job]":
        logs = {}
        for job in self._jobs.values():
            for fd in (job.log_fd, job.err_fd):
                if fd >= 0:
                    stat = posix.fstat(fd)
                    logs[(stat.st_dev, stat.st_ino)] = job
        found = proc.has_open(pid, set(logs))
        return [logs[found]] if found else []

    def _members(self, jobs: "list[Job]") -> "list[tuple[Job, proc.Process]]":
        """All living processes of some phases, as far as one look shows them."""
        wanted = {job.number: job for job in jobs}
        return [(wanted[number], found) for number, found in self._look() if number in wanted]

    def _look(self) -> "list[tuple[int | None, proc.Process]]":
        """(number of the phase, process) of all living descendants of the keeper."""
        below: "dict[int, list[proc.Process]]" = {}
        for found in proc.processes():
            below.setdefault(found.parent, []).append(found)
        mains = {job.pid: job for job in self._jobs.values() if not job.ended}
        result = []
        for top in below.get(self._pid, ()):
            job = mains.get(top.pid)
            number = job.number if job else self._orphans.get(top.pid)
            if number is None:
                number = self._orphans[top.pid] = self._owner(top)
            stack = [top]
            while stack:
                found = stack.pop()
                stack.extend(below.get(found.pid, ()))
                if found.alive:
                    result.append((number, found))
                    if number and not job:
                        job = self._jobs.get(number)
                    if job:
                        job.known[found.pid] = found.start
        return result

    def empty(self, jobs: "list[Job]") -> "list[Job]":
        """Those phases of which nothing is left."""
        self.home()
        left = {job.number for job, _ in self._members(jobs)}
        worn = set(marks.marked({job.mark for job in jobs}, set()).values())
        return [job for job in jobs if job.number not in left and job.mark not in worn]

    def signal(self, jobs: "list[Job]", number: int) -> None:
        """Signals every process of some phases."""
        for job, found in self._members(jobs):
            if found.pid == job.pid and not job.ended:
                if not job.wrapped:
                    proc.signal_child(found.pid, number)
            else:
                proc.signal(found.pid, found.start, number)

    def kill(self, jobs: "list[Job]") -> None:
        """Stops all of some phases until no new process is found, then kills it; to be repeated until all are empty."""
        mains = [job for job in jobs if not job.ended]
        for job in mains:
            if job.wrapped:
                proc.signal_child(job.pid, _signal.SIGKILL)  # takes the whole namespace along
        for pid, start in self._stop(jobs).items():
            proc.signal(pid, start, _signal.SIGKILL)
        for job in mains:
            proc.signal_child(job.pid, _signal.SIGKILL)

    def _stop(self, jobs: "list[Job]") -> "dict[int, int]":
        """pid -> start time of all that was stopped."""
        self.home()
        stopped: "dict[int, int]" = {}
        strangers: "set[int]" = set()
        wanted = {job.mark for job in jobs}
        until = time.monotonic() + PATIENCE
        while True:
            before = len(stopped)
            for pid, mark in marks.marked(wanted, strangers).items():
                if pid not in stopped and marks.signal_marked(pid, mark, _signal.SIGSTOP):
                    stopped[pid] = proc.start_time(pid)
            for _, found in self._members(jobs):
                if stopped.get(found.pid) != found.start and proc.signal(found.pid, found.start, _signal.SIGSTOP):
                    stopped[found.pid] = found.start
            if len(stopped) == before or time.monotonic() > until:
                return stopped

    def freeze(self, job: "Job", *, on: bool) -> None:
        """Stops all of a phase where it is, or lets it go on."""
        if on:
            self._stop([job])
        else:
            self.signal([job], _signal.SIGCONT)

    def _kill_gone(self) -> None:
        """Orphans of phases that are over."""
        for number, found in self._look():
            if number == GONE:
                proc.signal(found.pid, found.start, _signal.SIGKILL)

    def release(self, job: "Job") -> None:
        """The phase is over; what turns up of it later is killed on sight."""
        for pid, number in list(self._orphans.items()):
            if number == job.number:
                self._orphans[pid] = GONE

    def sweep(self) -> None:
        """Now and then: nothing escapes from a phase that is over."""

    def reaped(self, pid: int) -> None:
        """A process that is nobody's main process was reaped."""
        self._orphans.pop(pid, None)

    def close(self) -> None:
        """Nothing stays behind."""
