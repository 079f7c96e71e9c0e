"""Kill level `groups`: process groups, for systems that have neither cgroups nor subreapers.

A phase leads a group (and a session) of its own, which the kernel signals as one. What has left it is found by its
living ancestors, by having been seen before, by its session and its environment, as far as ps tells of them. What has
left the group, lost its parents unseen and hides its environment is not found: docs/operations.md says so.
"""

import _signal  # type: ignore[import-not-found]  # importing signal costs 3 ms
import posix
import time

from . import ladder, names, proc_ps

MYPY = False
if MYPY:
    from .job import Job

PATIENCE = 0.3  # seconds of looking again in one kill; the next one goes on
PAUSE = 0.2  # seconds between looks that only wait for an end: a look costs 10 ms
UNBROKEN = 2.0  # seconds between looks after which a number of a group may be another's
FAREWELL = 1.0  # seconds that the last of all is hunted when the keeper ends
GONE = 0  # a number that no phase has: its phase is over


class Groups:
    """The kill level `groups`. `jobs` is the keeper's own table of phases that are not over, by number."""

    level = "groups"
    path = None

    def __init__(self, run: str, jobs: "dict[int, Job]") -> None:
        self._run = run
        self._jobs = jobs
        self._mine = (posix.getpid(), posix.getpgrp())
        self._groups: "dict[int, set[int]]" = {}  # of phases, by number: those besides the one that they lead
        self._emptied: "set[int]" = set()  # phases whose own group was seen without a member: its number is free again
        self._looked = 0.0
        self._unsure = False  # something has ended since the last look at all
        self._told: "dict[int, float]" = {}  # pid -> when what escaped from a phase that is over got its SIGTERM

    def enter(self, job: "Job") -> None:
        """Before the spawn: there is nothing to do."""

    def home(self) -> None:
        """After spawns: there is nothing to do."""

    def leftovers(self, ended: "list[Job]") -> "list[Job]":
        """Those phases of which something goes on, in their group, although the main process ended."""
        self._unsure = True
        return [job for job in ended if self._has_group(job)]

    def empty(self, jobs: "list[Job]") -> "list[Job]":
        """Those phases of which nothing is left."""
        some = [job for job in jobs if job.known or self._has_group(job)]
        if some and time.monotonic() - self._looked > PAUSE:
            some = self._inhabited(some)
        return [job for job in jobs if job not in some]

    def _has_group(self, job: "Job") -> bool:
        """Whether a group of a phase that has ended has members."""
        if _lives(job.pid) and job.number not in self._emptied:
            return True
        self._emptied.add(job.number)
        return any(map(_lives, self._groups.get(job.number, ())))

    def _inhabited(self, jobs: "list[Job]") -> "list[Job]":
        try:
            owners = {job.number for job, _ in self._members(jobs)}
        except OSError:
            return jobs  # the kernel says that there is something, and nobody says that it is dead
        return [job for job in jobs if job.number in owners]

    def _members(self, jobs: "list[Job]") -> "list[tuple[Job, proc_ps.Process]]":
        """All living processes of some phases, as far as one look shows them; OSError if nothing can be seen."""
        wanted = {job.number: job for job in jobs}
        return [(wanted[number], found) for number, found in self._look() if number in wanted]

    def _others(self, jobs: "list[Job]") -> "list[tuple[Job, proc_ps.Process]]":
        """The same without what a phase's own group has; nothing if nothing can be seen."""
        try:
            found = self._members(jobs)
        except OSError:
            return []
        return [(job, one) for job, one in found if one.group != job.pid or (job.wrapped and one.pid != job.pid)]

    def _look(self) -> "list[tuple[int, proc_ps.Process]]":
        """(number of the phase, process) of all living processes that are a phase's."""
        if time.monotonic() - self._looked > UNBROKEN:
            self._groups.clear()
        all_of_them = proc_ps.processes()
        self._looked = time.monotonic()
        owners = _Owners(all_of_them, self._mine[0])
        jobs = self._jobs.values()
        groups = {group: number for number, led in self._groups.items() for group in led}
        groups.update((job.pid, job.number) for job in jobs if job.number not in self._emptied)
        seen = {pid: (job.number, start) for job in jobs for pid, start in job.known.items()}
        for job in jobs:
            if not job.ended:
                owners.claim(job.pid, job.number)
        for found in all_of_them:
            owners.claim(found.pid, groups.get(found.group, groups.get(found.session)))
            number, start = seen.get(found.pid, (None, 0))
            if proc_ps.same(start, found.start):
                owners.claim(found.pid, number)
        for found in all_of_them:
            if found.pid not in owners.numbers:
                owners.claim(found.pid, self._by_marker(found))
        result = [(owners.numbers[found.pid], found) for found in all_of_them if found.pid in owners.numbers]
        for number, found in result:
            self._remember(number, found)
        return [(number, found) for number, found in result if found.alive]

    def _sight(self) -> "list[tuple[int, proc_ps.Process]]":
        """A look that may fail: the next one will do."""
        try:
            return self._look()
        except OSError:
            return []

    def _remember(self, number: int, found: proc_ps.Process) -> None:
        job = self._jobs.get(number)
        if job is None:
            return
        if found.pid != job.pid:
            job.known[found.pid] = found.start
        if found.group not in (0, 1, job.pid, self._mine[1]):
            self._groups.setdefault(number, set()).add(found.group)

    def _by_marker(self, found: proc_ps.Process) -> "int | None":
        """The newest phase of the attempt that it says it is of; GONE if none is left; None: it is of another run."""
        text = proc_ps.marker(found)
        if text is None or not text.startswith(self._run + ":"):
            return None
        numbers = [job.number for job in self._jobs.values() if text == names.marker(self._run, job.step, job.attempt)]
        return max(numbers, default=GONE)

    def signal(self, jobs: "list[Job]", number: int) -> None:
        """Signals every process of some phases."""
        others = self._others(jobs)
        for job in jobs:
            # What wraps a namespace is left alone: it passes nothing on, and would end without its phase.
            if not job.wrapped:
                self._to_group(job, number)
        for _, found in others:
            proc_ps.send(found.pid, number)

    def _to_group(self, job: "Job", number: int) -> None:
        if job.number not in self._emptied:
            proc_ps.send(-job.pid, number)

    def kill(self, jobs: "list[Job]") -> None:
        """Stops all of some phases until no new process is found, then kills it; to be repeated until all are empty."""
        for job in jobs:
            if job.wrapped and not job.ended:
                proc_ps.signal_child(job.pid, _signal.SIGKILL)  # takes the whole namespace along
        stopped = self._stop(jobs)
        for job in jobs:
            self._to_group(job, _signal.SIGKILL)
            if not job.ended:
                proc_ps.signal_child(job.pid, _signal.SIGKILL)
        for pid, start in stopped.items():
            proc_ps.signal(pid, start, _signal.SIGKILL)

    def _stop(self, jobs: "list[Job]") -> "dict[int, int]":
        """pid -> start time of all that was stopped besides the groups of the phases themselves."""
        stopped: "dict[int, int]" = {}
        until = time.monotonic() + PATIENCE
        while True:
            for job in jobs:
                self._to_group(job, _signal.SIGSTOP)
            fresh = [found for _, found in self._others(jobs) if found.pid not in stopped]
            for found in fresh:
                proc_ps.send(found.pid, _signal.SIGSTOP)
                stopped[found.pid] = found.start
            if not fresh or time.monotonic() > until:
                return stopped

    def freeze(self, job: "Job", *, on: bool) -> None:
        """Stops all of a phase where it is, or lets it go on."""
        if on:
            self._stop([job])
        else:
            self._to_group(job, _signal.SIGCONT)
            self.signal([job], _signal.SIGCONT)

    def release(self, job: "Job") -> None:
        """The phase is over; what turns up of it later is ended by `sweep`."""
        self._groups.pop(job.number, None)
        self._emptied.discard(job.number)

    def reaped(self, pid: int) -> None:
        """A process that is nobody's main process was reaped."""

    def sweep(self) -> None:
        """Now and then: ends what escaped from phases that are over."""
        if not self._unsure and not self._told:
            return
        self._unsure = False
        now = time.monotonic()
        gone = [found for number, found in self._sight() if number == GONE]
        self._told = {found.pid: self._told.get(found.pid, now) for found in gone}
        for found in gone:
            told = self._told[found.pid]
            if told == now:
                proc_ps.send(found.pid, _signal.SIGTERM)
                proc_ps.send(found.pid, _signal.SIGCONT)
            elif now - told >= ladder.LEFTOVER_GRACE:
                proc_ps.send(found.pid, _signal.SIGKILL)

    def close(self) -> None:
        """Kills what is left of the run."""
        until = time.monotonic() + FAREWELL
        while self._unsure or self._told:
            left = self._sight()
            for _, found in left:
                proc_ps.send(found.pid, _signal.SIGKILL)
            if not left or time.monotonic() > until:
                return


def _lives(group: int) -> bool:
    """Whether a group has members, perhaps only zombies."""
    try:
        posix.kill(-group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class _Owners:
    """Whose each process is: number of the phase by pid, which children inherit."""

    def __init__(self, all_of_them: "list[proc_ps.Process]", keeper: int) -> None:
        self.numbers: "dict[int, int]" = {}
        self._keeper = keeper
        self._below: "dict[int, list[int]]" = {}
        for found in all_of_them:
            self._below.setdefault(found.parent, []).append(found.pid)

    def claim(self, pid: int, number: "int | None") -> None:
        """What is somebody's already stays his, with all below it."""
        stack = [pid] if number is not None else []
        while stack:
            pid = stack.pop()
            if pid not in self.numbers and pid != self._keeper and number is not None:
                self.numbers[pid] = number
                stack.extend(self._below.get(pid, ()))
