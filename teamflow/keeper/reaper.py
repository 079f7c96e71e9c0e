"""Kills what a dead keeper left behind. For the runner, the next verb in the project, and the next keeper of the run.

What counts as left behind: the run's cgroup, if `keeper.json` is of this boot; processes that the journal says were
started and not ended, with their sessions and descendants; whatever carries a mark of the run. Never anything that only
looks like it: a process is signalled through a pidfd after its start time was read again.
"""

import _signal  # type: ignore[import-not-found]  # importing signal costs 3 ms
import fcntl
import posix
import time

from . import cgroups, journal, names, proc, wire
from .files import slurp

MYPY = False
if MYPY:
    from typing import Any

PAUSE = 0.01
HANDOVER = 0.5  # seconds that a lock without a keeper may be held
QUIET = 2  # looks in a row that find nothing


class Reaped:
    """What became of it. killed: pids that got SIGKILL. gone: whether nothing is left. why: a sentence if not."""

    __slots__ = ("gone", "killed", "why")

    def __init__(self, killed: "list[int]", *, gone: bool, why: str = "") -> None:
        self.killed = killed
        self.gone = gone
        self.why = why

    def __repr__(self) -> str:
        return "Reaped(killed=%r, gone=%r, why=%r)" % (self.killed, self.gone, self.why)


def reap(run_dir: str, *, deadline: float = 5.0) -> Reaped:
    """Kills all that is left of a run whose keeper is dead, in at most `deadline` seconds.

    Does nothing while a keeper lives. Holds the keeper's lock meanwhile, so that none begins. Of a run directory
    that is not there nothing is known, so nothing is left.
    """
    try:
        fd = posix.open(run_dir + "/keeper.lock", posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return Reaped([], gone=True)
    except OSError as error:
        return Reaped([], gone=False, why="%s/keeper.lock: %s" % (run_dir, error.strerror))
    try:
        if not take(fd, run_dir):
            return Reaped([], gone=False, why="the keeper of %s lives" % run_dir)
        return reap_held(run_dir, deadline=deadline)
    finally:
        posix.close(fd)


def take(fd: int, run_dir: str) -> bool:
    """Takes the lock of a keeper, open as `fd`; False if the keeper lives.

    A keeper that was killed in the middle of a start leaves the lock to a child, for the moment until that has become
    the program that it shall be. Only then are all children to be found.
    """
    until = time.monotonic() + HANDOVER
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            about = _about(run_dir)
        keeper = proc.process(about.get("pid", 0)) if about.get("boot") == proc.boot_id() else None
        if (keeper and keeper.alive and proc.same(keeper.start, about.get("start", 0))) or time.monotonic() > until:
            return False
        time.sleep(0.001)


def reap_held(run_dir: str, *, deadline: float) -> Reaped:
    """The same by whoever holds the keeper's lock."""
    until = time.monotonic() + deadline
    run, boot = names.run_hash(_real(run_dir)), proc.boot_id()
    about = _about(run_dir)
    killed: "list[int]" = []
    cgroup = about.get("cgroup")
    of_this_boot = bool(boot) and about.get("boot") == boot
    group_gone = True
    if of_this_boot and type(cgroup) is str and cgroup.rpartition("/")[2] == names.cgroup_name(run):
        group_gone = _clear_group(cgroup, killed, until)
    hunt = _Hunt(run, _open_starts(run_dir, boot))
    rest = hunt.run(until)
    killed += [pid for pid in hunt.killed if pid not in killed]
    if rest or not group_gone:
        return Reaped(killed, gone=False, why="processes that do not die: %s" % (sorted(rest) or cgroup))
    try:
        posix.unlink(run_dir + "/keeper.json")
    except OSError:
        pass
    return Reaped(killed, gone=True)


def reap_attempt(run_dir: str, pid: int, start: int, *, deadline: float = 2.0) -> Reaped:
    """Kills one phase past a keeper that lives but did not stop it, in at most `deadline` seconds.

    pid, start: of its main process, as in the journal of this boot, which must have them. The keeper is left alone.
    """
    until = time.monotonic() + deadline
    run = names.run_hash(_real(run_dir))
    for entry in journal.read(slurp(run_dir + "/keeper.journal", 1 << 40) or b""):
        if entry["e"] == "start" and pid and (entry["pid"], entry["start"]) == (pid, start):
            break
    else:
        return Reaped([], gone=False, why="the journal knows of no process %d" % pid)
    if entry["boot"] != proc.boot_id():
        return Reaped([], gone=True)
    hunt = _Hunt(run, {pid: start}, mark=names.limit_mark(run, entry["mark"]))
    if proc.PORTABLE:
        hunt.marker = names.marker(run, entry["step"], entry["attempt"])
    rest = hunt.run(until)
    return Reaped(hunt.killed, gone=not rest, why="processes that do not die: %s" % sorted(rest) if rest else "")


def _real(run_dir: str) -> str:
    """The path that the keeper made the run's name of."""
    import os.path

    return os.path.realpath(run_dir)


def _about(run_dir: str) -> "dict[str, Any]":
    try:
        return wire.decode((slurp(run_dir + "/keeper.json") or b"").strip())
    except wire.Malformed:
        return {}


def _open_starts(run_dir: str, boot: str) -> "dict[int, int]":
    """pid -> start time of all phases that were started in this boot and not ended."""
    left: "dict[tuple[str, int, str], tuple[int, int]]" = {}
    for entry in journal.read(slurp(run_dir + "/keeper.journal", 1 << 40) or b""):
        name = (entry["step"], entry["attempt"], entry["phase"])
        if entry["e"] == "start" and entry["pid"] and boot and entry["boot"] == boot:
            left[name] = (entry["pid"], entry["start"])
        elif entry["e"] in ("exit", "lost"):
            left.pop(name, None)
    return dict(left.values())


def _clear_group(path: str, killed: "list[int]", until: float) -> bool:
    """Kills and removes a cgroup and all below it; whether it is gone."""
    for directory in cgroups.tree(path):
        for pid in (slurp(directory + "/cgroup.procs") or b"").split():
            killed.append(int(pid))
    while True:
        try:
            if cgroups.remove(path):
                return True
        except OSError:
            pass
        if time.monotonic() > until:
            return False
        time.sleep(PAUSE)


class _Hunt:
    """Looks for processes of a run, or only of one start of it, and kills them until several looks find none."""

    def __init__(self, run: str, starts: "dict[int, int]", mark: "int | None" = None) -> None:
        self._run = run
        self._starts = starts
        self._mark = mark
        self._mine = posix.getpid()
        self.killed: "list[int]" = []
        self.marker = ""  # what carries this is hunted as well, where there are no marks
        self._known: "dict[int, int]" = {}  # pid -> start of all that ever were found

    def run(self, until: float) -> "set[int]":
        """Hunts till the time is up; what is left then."""
        quiet = 0
        while True:
            found = self._look()
            quiet = 0 if found else quiet + 1
            if quiet == QUIET:
                return set()
            for signal in (_signal.SIGSTOP, _signal.SIGKILL):
                for pid, start in found.items():
                    if proc.signal(pid, start, signal) and signal == _signal.SIGKILL and pid not in self.killed:
                        self.killed.append(pid)
            if time.monotonic() > until:
                return set(found)
            if found:
                time.sleep(PAUSE if quiet else 0.001)

    def _look(self) -> "dict[int, int]":
        """pid -> start of living processes of the run."""
        all_of_them = {found.pid: found for found in proc.processes()}
        below: "dict[int, list[int]]" = {}
        for found in all_of_them.values():
            below.setdefault(found.parent, []).append(found.pid)
        leaders = {
            pid
            for pid, start in self._starts.items()
            if pid in all_of_them and proc.same(all_of_them[pid].start, start)
        }
        stack = [pid for pid, found in all_of_them.items() if found.pid in leaders or self._is_ours(found, leaders)]
        ours: "dict[int, int]" = {}
        while stack:
            pid = stack.pop()
            if pid not in ours and pid != self._mine:
                ours[pid] = all_of_them[pid].start
                stack.extend(below.get(pid, ()))
        self._known.update(ours)
        return {pid: start for pid, start in ours.items() if all_of_them[pid].alive}

    def _is_ours(self, found: proc.Process, leaders: "set[int]") -> bool:
        if proc.same(self._known.get(found.pid, -1), found.start):
            return True
        # A session is known to be ours by its living leader only: numbers of sessions are used again too.
        if found.session in leaders:
            return True
        mark = proc.limit_mark(found.pid)
        if self._mark is not None:
            return mark == self._mark or (self.marker != "" and proc.marker(found) == self.marker)
        if names.carries_run(self._run, mark):
            return True
        return (proc.marker(found) or "").startswith(self._run + ":")
