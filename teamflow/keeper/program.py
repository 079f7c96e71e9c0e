"""The keeper as a program: arguments, the lock, the socket, what is written about it, and its exit code."""

import _signal  # type: ignore[import-not-found]  # importing signal costs 3 ms
import fcntl
import posix
import sys

from . import containment, faults, intents, link, loop, names, proc, wire
from .files import slurp
from .intents import Intents
from .journal import Journal
from .phases import Phases

MYPY = False
if MYPY:
    from typing import Any

USAGE = """usage: keeper RUN_DIR SOCKET_PATH [--linger S] [--orphan-after S|none] [--listen-fd N] [--ready-fd N]
see docs/keeper-protocol.md
"""
OK, FAULT, WRONG, TWIN = 0, 1, 2, 3
PROTOCOL = 1


class Wrong(Exception):
    """Arguments or settings that cannot be followed."""


def main(arguments: "list[str]") -> int:
    """Runs a keeper to its end; its exit code."""
    run_dir = ""
    try:
        run_dir, path, options = _arguments(arguments)
        return _keep(run_dir, path, options)
    except (Wrong, containment.Impossible) as error:
        sys.stderr.write("keeper: %s\n" % error)
        return WRONG
    except BaseException:  # noqa: BLE001 (the edge of the process: the last place that can say what happened)
        import traceback

        text = traceback.format_exc()
        if run_dir:
            faults.note(run_dir, text)
        sys.stderr.write(text)
        return FAULT


def _arguments(arguments: "list[str]") -> "tuple[str, str, loop.Options]":
    options = loop.Options()
    plain = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            plain.append(word)
            continue
        if word not in ("--linger", "--orphan-after", "--listen-fd", "--ready-fd") or not rest:
            raise Wrong("%s is not understood\n%s" % (word, USAGE))
        _set(options, word, rest.pop(0))
    if len(plain) != 2:
        raise Wrong("RUN_DIR and SOCKET_PATH are wanted\n" + USAGE)
    try:
        # What getcwd says is the real path, whatever links led there: the run's name is made of it.
        here = posix.getcwd()
        posix.chdir(plain[0])
        run_dir = posix.getcwd()
    except OSError as error:
        raise Wrong("cannot enter RUN_DIR %s: %s" % (plain[0], error.strerror)) from None
    path = plain[1] if plain[1].startswith("/") else here + "/" + plain[1]
    posix.chdir("/")
    return run_dir, path, options


def _set(options: loop.Options, word: str, value: str) -> None:
    try:
        if word == "--linger":
            options.linger = float(value)
        elif word == "--orphan-after":
            options.orphan_after = loop.NEVER if value == "none" else float(value)
        elif word == "--listen-fd":
            options.listen_fd = int(value)
        else:
            options.ready_fd = int(value)
    except ValueError:
        raise Wrong("%s %s: not a number" % (word, value)) from None


def _keep(run_dir: str, path: str, options: loop.Options) -> int:
    _three_files()
    lock = _lock(run_dir)
    if lock is None:
        sys.stderr.write("keeper: another keeper holds %s/keeper.lock\n" % run_dir)
        return TWIN
    if posix.getsid(0) != posix.getpid():
        try:
            posix.setsid()
        except OSError:
            pass  # a group leader of somebody else's session: signals to that group reach us, nothing worse
    run = names.run_hash(run_dir)
    boot = proc.boot_id()
    journal = Journal(run_dir)
    _close_past(run_dir, journal)
    jobs: "dict[int, Any]" = {}
    contain = containment.choose(run, jobs)
    try:
        listener = _listener(path, options)
        wakeup = _signals()
        phases = Phases(run, journal, Intents(run_dir, journal), boot, jobs, contain)
        welcome = {"op": "welcome", "pid": posix.getpid(), "level": contain.level, "boot": boot, "protocol": PROTOCOL}
        work = loop.Loop(run_dir, options, phases, journal, listener, wakeup, welcome)
        _handle(work, run_dir)
        _announce(run_dir, path, run, boot, contain)
        _let_go(options)
        proc.be_subreaper()
        journal.save_ballast()
        work.run()
        _remove(path)
        _remove(run_dir + "/keeper.json")
    finally:
        contain.close()
    journal.close()
    return OK


def _three_files() -> None:
    """Makes sure that what we open gets none of the numbers 0, 1, 2."""
    for fd in (0, 1, 2):
        try:
            posix.fstat(fd)
        except OSError:
            posix.open("/dev/null", posix.O_RDWR)


def _lock(run_dir: str) -> "int | None":
    fd = posix.open(run_dir + "/keeper.lock", posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        from . import reaper

        if not reaper.take(fd, run_dir):
            posix.close(fd)
            return None
    return fd


def _close_past(run_dir: str, journal: Journal) -> None:
    """Kills what a keeper that died left, and writes that its open phases are lost, also those that it may have begun.

    One that ended in order left no `keeper.json`.
    """
    left = {}
    begun = {(intent["step"], intent["attempt"], intent["phase"]): intent for intent in intents.past(run_dir)}
    for entry in journal.past:
        name = (entry["step"], entry["attempt"], entry["phase"])
        begun.pop(name, None)
        if entry["e"] == "start":
            left[name] = entry
        else:
            left.pop(name, None)
    if not left and not begun and slurp(run_dir + "/keeper.json") is None:
        return
    import time

    from . import reaper

    reaper.reap_held(run_dir, deadline=5.0)
    unseen = {"pid": 0, "start": 0, "boot": proc.boot_id(), "log_offset": 0, "mark": 0}
    for name, intent in begun.items():
        journal.add({**intent, "e": "start", **unseen})
        journal.past.append(intent)
        left[name] = intent
    for step, attempt, phase in left:
        t, at = round(proc.boottime(), 4), round(time.time(), 3)
        journal.add({"e": "lost", "step": step, "attempt": attempt, "phase": phase, "t": t, "at": at})
    journal.flush()


def _listener(path: str, options: loop.Options) -> "Any":
    if options.listen_fd < 0:
        listener = link.listen(path)
    else:
        import _socket

        listener = _socket.socket(fileno=options.listen_fd)
        posix.set_inheritable(options.listen_fd, False)  # noqa: FBT003
    listener.setblocking(False)  # noqa: FBT003
    return listener


def _signals() -> int:
    """An fd that can be read whenever a signal came in."""
    reading, writing = posix.pipe()
    posix.set_blocking(reading, False)
    posix.set_blocking(writing, False)
    _signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    _signal.signal(_signal.SIGHUP, _signal.SIG_IGN)
    _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    _signal.signal(_signal.SIGPIPE, _signal.SIG_IGN)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    return reading


def _handle(work: loop.Loop, run_dir: str) -> None:
    def nothing(number: int, frame: object) -> None:
        """The byte in the pipe says it all."""

    def terminate(number: int, frame: object) -> None:
        work.terminate = True

    def dump(number: int, frame: object) -> None:
        faults.note(run_dir, faults.stack(frame))

    _signal.signal(_signal.SIGCHLD, nothing)
    _signal.signal(_signal.SIGTERM, terminate)
    _signal.signal(_signal.SIGUSR1, dump)


def _announce(run_dir: str, path: str, run: str, boot: str, contain: "containment.Containment") -> None:
    about = {
        "pid": posix.getpid(), "start": proc.start_time(posix.getpid()), "boot": boot, "level": contain.level,
        "cgroup": contain.path, "run": run, "socket": path, "protocol": PROTOCOL,
    }  # fmt: skip
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC
    fd = posix.open(run_dir + "/keeper.json.new", flags, 0o600)
    posix.write(fd, wire.line(about))
    posix.close(fd)
    posix.rename(run_dir + "/keeper.json.new", run_dir + "/keeper.json")


def _let_go(options: loop.Options) -> None:
    """A pipe of the runner's, kept open, would make whoever reads it wait for us."""
    null = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
    for fd in (0, 1, 2):
        posix.dup2(null, fd)
    posix.close(null)
    if options.ready_fd >= 0:
        posix.write(options.ready_fd, b"\n")
        posix.close(options.ready_fd)


def _remove(path: str) -> None:
    try:
        posix.unlink(path)
    except OSError:
        pass
