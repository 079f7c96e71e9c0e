"""The phases of a run: started, ended, stopped and watched over. Knows the journal, but no socket and no loop.

Each method that acts is given `now` (boottime, seconds). `due` is when `tick` has to be called at the latest.
"""

import _signal  # type: ignore[import-not-found]  # importing signal costs 3 ms
import posix
import sys
import time

from . import feed, ladder, limits, names, proc, spawn, wire
from .containment import Impossible, Namespaces
from .environments import Environments
from .job import Job, Request, key, raw
from .openfiles import OpenFiles

MYPY = False
if MYPY:
    from typing import Any, Callable

    from .containment import Containment
    from .intents import Intents
    from .journal import Journal

MAXRSS = 1024 if sys.platform == "darwin" else 1  # bytes there, KiB everywhere else
NEVER = float("inf")
GIVE_UP = 10.0  # seconds of SIGKILL after which a leftover counts as the kernel's


class Phases:
    """All phases of one keeper.

    jobs: those that are not over, by number. refuse: (errno, reason) for starts while none may be made. faults: lines
    for the keeper's log. fed: feeds that have begun or ended to wait for room since the caller last emptied it.
    """

    def __init__(
        self, run: str, journal: "Journal", intents: "Intents", boot: str, jobs: "dict[int, Job]",
        containment: "Containment",
    ) -> None:  # fmt: skip
        self.jobs = jobs
        self.refuse: "tuple[int, str] | None" = None
        self.faults: "list[str]" = []
        self.fed: "list[feed.Feed]" = []
        self.due = NEVER
        self.children = False  # whether processes are left to be waited for
        self.follow: "Callable[[int], None] | None" = None  # is told of each process that was started
        self._run = run
        self._journal = journal
        self._intents = intents
        self._boot = boot
        self._contain = containment
        self.sweep = containment.sweep
        self._namespaces = Namespaces()
        self._inside = False
        self._seen = {(entry["step"], entry["attempt"], entry["phase"]) for entry in journal.past}
        journal.past = []
        self._count = journal.seq
        self._by_pid: "dict[int, Job]" = {}
        self.environments = Environments(run)
        self.asked: "list[tuple[Job, Request]]" = []  # what `launch` starts
        self._null = posix.open("/dev/null", posix.O_RDONLY | posix.O_CLOEXEC)
        self._files = OpenFiles(self._null)
        self._ignored = spawn.ignored_signals()

    # -- starting

    def ask(self, message: "dict[str, Any]") -> None:
        """Takes what `launch` is to start, once; Malformed if it says nothing that could be."""
        name = key(message)
        if name in self._seen:
            return
        request = Request(message)
        self._seen.add(name)
        self._count += 1
        job = Job(request, self._count, names.limit_mark(self._run, self._count))
        self.asked.append((job, request))

    def launch(self, now: float) -> None:
        """Starts all that was asked for, once it is written down."""
        if not self.asked:
            return
        asked, self.asked = self.asked, []
        try:
            self._intents.write([self._noted(self._entry("intent", job, now), request) for job, request in asked])
        except OSError as error:
            for job, request in asked:
                self._failed(job, request, now, error)
            return
        for job, request in asked:
            self._start(job, request, now)

    def _start(self, job: Job, request: Request, now: float) -> None:
        fds: "list[int]" = []
        try:
            if self.refuse:
                raise spawn.Cannot(*self.refuse)
            fallback, base = self._launch(job, request, fds)
        except (spawn.Cannot, OSError) as error:
            for fd in fds:
                posix.close(fd)
            self._failed(job, request, now, error)
            return
        self._started(job, request, now, fallback=fallback, base=base)

    def _launch(self, job: Job, request: Request, fds: "list[int]") -> "tuple[bool, tuple[int, int]]":
        """(whether the fallback was run, sizes of the logs before); what is opened for the keeper goes into `fds`."""
        env = self.environments.of(request)
        argv, fallback = request.argv, request.fallback
        if job.wrapped:
            try:
                argv = self._namespaces.wrap(argv)
                fallback = self._namespaces.wrap(fallback) if fallback else None
            except Impossible as error:
                raise spawn.Cannot(0, str(error)) from None
        self._files.make_room(len(self.jobs))
        job.log_fd = out = err = spawn.open_log(request.log)
        fds.append(out)
        if request.err is not None:
            job.err_fd = err = spawn.open_log(request.err)
            fds.append(err)
        for path, data in request.files:
            spawn.write_file(path, data)
        base = (posix.fstat(out).st_size, posix.fstat(err).st_size if err != out else 0)
        stdin = self._null
        if request.stdin is not None:
            stdin, job.feed = _pipe(request)
        try:
            self._inside = True
            spawn.enter(request.cwd)
            self._contain.enter(job)
            lent = self._files.lend((stdin, out, err))
            before = proc.moment()
            job.pid, fell = spawn.spawn_or_fallback(argv, fallback, env, lent, self._ignored)
            job.start = proc.birth(job.pid, before)
        except (spawn.Cannot, OSError):
            if job.feed:
                job.feed.close()
            self._contain.release(job)
            raise
        finally:
            self._files.take_back()
            if stdin != self._null:
                posix.close(stdin)
        return fell, base

    def home(self) -> None:
        """After starts: back to where the keeper belongs, holding nobody's directory."""
        self._contain.home()
        if self._inside:
            posix.chdir("/")
            self._inside = False

    def _started(self, job: Job, request: Request, now: float, *, fallback: bool, base: "tuple[int, int]") -> None:
        self.jobs[job.number] = job
        self._by_pid[job.pid] = job
        if self.follow:
            self.follow(job.pid)
        entry = self._entry("start", job, now)
        entry["pid"] = job.pid
        entry["start"] = job.start
        entry["boot"] = self._boot
        entry["log_offset"] = base[0]
        entry["mark"] = job.number
        if fallback:
            entry["fallback"] = True
        self._journal.add(self._noted(entry, request))
        if request.timeout is not None or request.idle is not None or request.log_limit is not None:
            fds = (job.log_fd,) if job.err_fd < 0 else (job.log_fd, job.err_fd)
            job.limits = limits.Limits(request, fds, sum(base), now)
            job.look = job.limits.due
            self.due = min(self.due, job.look)
        if job.feed and request.stdin is not None:
            job.feed.put(request.stdin, eof=request.stdin_eof)
            self.fed.append(job.feed)

    def _failed(self, job: Job, request: Request, now: float, error: "spawn.Cannot | OSError") -> None:
        entry = self._entry("fail", job, now)
        if isinstance(error, spawn.Cannot):
            entry["errno"], entry["error"] = error.number, error.text
        else:
            entry["errno"], entry["error"] = error.errno or 0, str(error)
        self._journal.add(self._noted(entry, request))

    def _noted(self, entry: "dict[str, Any]", request: Request) -> "dict[str, Any]":
        if request.note is not None:
            entry["note"] = request.note
        return entry

    def _entry(self, kind: str, job: Job, now: float) -> "dict[str, Any]":
        return {
            "e": kind, "step": job.step, "attempt": job.attempt, "phase": job.phase,
            "t": round(now, 4), "at": round(time.time(), 3),
        }  # fmt: skip

    # -- ending

    def reap(self, now: float) -> None:
        """Takes the exit of every process that ended; adopted orphans too."""
        ended = []
        self.children = True
        while True:
            try:
                pid, status, usage = posix.wait4(-1, posix.WNOHANG)
            except ChildProcessError:
                self.children = False
                break
            if pid == 0:
                break
            job = self._by_pid.pop(pid, None)
            if job is None:
                self._contain.reaped(pid)
                continue
            job.ended = True
            if job.halted:
                self._contain.freeze(job, on=False)
            self._exited(job, status, usage, now)
            ended.append(job)
        if ended:
            self._clear(ended, now)

    def _clear(self, ended: "list[Job]", now: float) -> None:
        left = self._contain.leftovers(ended) if self.children or self._contain.level != "walk" else []
        for job in ended:
            if job in left:
                if not job.killed:
                    job.rungs = ladder.leftover(now, job.rungs)
                job.look = self.due = now
            else:
                self._over(job)

    def _exited(self, job: Job, status: int, usage: "Any", now: float) -> None:
        result = posix.waitstatus_to_exitcode(status)
        entry = self._entry("exit", job, now)
        entry["code"] = result if result >= 0 else None
        entry["signal"] = -result if result < 0 else None
        entry["cause"] = job.cause
        entry["log_size"] = posix.fstat(job.log_fd).st_size
        entry["err_size"] = posix.fstat(job.err_fd).st_size if job.err_fd >= 0 else None
        entry["rusage"] = {
            "utime": round(usage.ru_utime, 6), "stime": round(usage.ru_stime, 6), "maxrss": usage.ru_maxrss // MAXRSS,
        }  # fmt: skip
        if job.limits:
            job.limits.sizes()
            if job.limits.truncated:
                entry["truncated"] = True
        self._journal.add(entry)
        if job.feed:
            job.feed.close()
            self.fed.append(job.feed)

    def _over(self, job: Job) -> None:
        self._contain.release(job)
        posix.close(job.log_fd)
        if job.err_fd >= 0:
            posix.close(job.err_fd)
        del self.jobs[job.number]

    # -- stopping

    def stop(self, step: str, attempt: int, grace: "float | None", cause: str, now: float, soft: float) -> None:
        """Begins to stop an attempt, or hastens it; `grace` in seconds, None for its own."""
        for job in self.jobs.values():
            if job.step == step and job.attempt == attempt:
                self._stop(job, grace, cause, now, soft)

    def stop_all(self, grace: "float | None", cause: str, now: float) -> None:
        """Begins to stop everything."""
        for job in self.jobs.values():
            self._stop(job, grace, cause, now)

    def _stop(self, job: Job, grace: "float | None", cause: str, now: float, soft: float = 0.0) -> None:
        if job.halted:
            self._contain.freeze(job, on=False)
        job.go_on(now)
        if job.ended:
            job.rungs = ladder.hasten(job.rungs, now, ladder.LEFTOVER_GRACE if grace is None else grace)
        else:
            job.stop(now, grace, cause, soft)
        job.look = self.due = now

    def still(self, step: str, attempt: int, now: float, why: str, *, on: bool) -> None:
        """Halts the deadlines of an attempt, or lets them go on once no reason is left; `freeze` halts its processes,
        too. One that is being stopped is left alone."""
        for job in self.jobs.values():
            if job.step != step or job.attempt != attempt or job.ended or job.rungs or job.killed:
                continue
            if on == (why in job.still):
                continue
            if why == "freeze":
                self._contain.freeze(job, on=on)
            if on:
                job.hold(now, why)
            else:
                job.go_on(now, why)
                self.due = now

    # -- watching

    def tick(self, now: float) -> None:
        """Does what is due: rungs of ladders, limits, leftovers.

        For all phases at once, because a look at all processes of the machine is dear.
        """
        due = [job for job in self.jobs.values() if job.look <= now]
        ended = [job for job in due if job.ended]
        for job in self._contain.empty(ended) if ended else ():
            self._over(job)
        todo: "dict[str, list[Job]]" = {ladder.INT: [], ladder.TERM: [], ladder.KILL: []}
        for job in due:
            if job.number in self.jobs:
                for stage in self._stages(job, now):
                    todo[stage].append(job)
        for stage, jobs in todo.items():
            if jobs:
                self._carry_out(jobs, stage, now)
        for job in due:
            if job.number in self.jobs:
                self._after(job, now)
        self.due = min([job.look for job in self.jobs.values()], default=NEVER)

    def _stages(self, job: Job, now: float) -> "tuple[str, ...]":
        """What has to be done to a phase now."""
        if not job.ended and job.limits and not job.rungs and not job.killed:
            cause = job.limits.check(now)
            if cause:
                job.stop(now, None, cause)
        stages, job.rungs = ladder.due(job.rungs, now)
        if job.killed and not job.rungs:
            return (ladder.KILL,)
        return stages

    def _carry_out(self, jobs: "list[Job]", stage: str, now: float) -> None:
        if stage == ladder.INT:
            self._contain.signal(jobs, _signal.SIGINT)
        elif stage == ladder.TERM:
            self._contain.signal(jobs, _signal.SIGTERM)
            self._contain.signal(jobs, _signal.SIGCONT)
        else:
            for job in jobs:
                job.killed = job.killed or now
            self._contain.kill(jobs)

    def _after(self, job: Job, now: float) -> None:
        job.look = self._next_look(job, now)
        if job.ended and job.killed and now - job.killed > GIVE_UP:
            self.faults.append("%s attempt %d: what is left of it does not die" % (job.step, job.attempt))
            self._over(job)

    def _next_look(self, job: Job, now: float) -> float:
        look = job.rungs[0][0] if job.rungs else NEVER
        if job.killed:
            look = min(look, now + min(max(now - job.killed, 0.01), 0.5))
        elif job.ended:
            look = min(look, now + 0.05)
        elif job.limits and not job.rungs:
            look = min(look, job.limits.due)
        return look

    # -- stdin

    def input(self, message: "dict[str, Any]") -> "str | None":
        """Records and writes one input; the code of an error, None if it was taken or is known; Malformed."""
        step, attempt, number = message.get("step"), message.get("attempt"), message.get("n")
        data, offset, eof = message.get("data", ""), message.get("offset"), message.get("eof") is True
        if type(number) is not int or type(data) is not str:
            raise wire.Malformed("n and data are not an integer and a string")
        for job in self.jobs.values():
            if job.step == step and job.attempt == attempt and job.feed and not job.ended:
                break
        else:
            return "no_stdin"
        if number <= job.feed.last:
            return None
        if not job.feed.open:
            return "no_stdin"
        try:
            data_bytes = raw(data)
            at = offset if type(offset) is int else posix.fstat(job.log_fd).st_size
            job.feed.record(number, at, data, eof=eof, note=str(message.get("note") or ""))
        except ValueError:
            raise wire.Malformed("data does not stand for bytes") from None
        except feed.Full:
            return "input_full"
        except OSError:
            return "in_log"
        job.feed.put(data_bytes, eof=eof)
        self.fed.append(job.feed)
        return None

    @property
    def running(self) -> int:
        """How many phases' main processes are alive."""
        return len(self._by_pid)


def _pipe(request: Request) -> "tuple[int, feed.Feed]":
    """(reading end for the child, feed of the writing end)."""
    reading, writing = posix.pipe()
    return reading, feed.Feed(writing, request.in_log or feed.in_log(request.log))
