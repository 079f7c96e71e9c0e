"""Which kill level this machine allows, what all have in common, and the PID namespace on request.

Together with what is behind `proc` this is all that differs from system to system; the loop above knows only the
methods that all levels share.
"""

import _signal  # type: ignore[import-not-found]  # importing signal costs 3 ms
import posix

from . import proc

MYPY = False
if MYPY:
    from typing import Union

    from .cgroups import Cgroups
    from .groups import Groups
    from .job import Job
    from .walk import Walk

    Containment = Union[Cgroups, Walk, Groups]

INIT = b'trap : INT TERM; "$@"; exit $?'  # caught, so that children have the defaults; not ignored, which they inherit
FORCE = b"TEAMFLOW_KILL_LEVEL"


class Impossible(Exception):
    """The forced kill level cannot be had here; the text says why."""


def choose(run: str, jobs: "dict[int, Job]") -> "Containment":
    """The best kill level, or the one that the environment forces; Impossible."""
    forced = posix.environ.get(FORCE, b"")
    if posix.environ.get(proc.FORCE, b"") not in proc.KNOWN:
        raise Impossible("TEAMFLOW_KEEPER_PLATFORM is not known; there is only `portable`, for tests")
    levels = (b"groups",) if proc.PORTABLE else (b"cgroup", b"walk")
    if forced and forced not in levels:
        known = " and ".join(map(bytes.decode, levels))
        raise Impossible("TEAMFLOW_KILL_LEVEL is %r; here there is %s" % (forced.decode("utf-8", "replace"), known))
    if proc.PORTABLE:
        from .groups import Groups

        return Groups(run, jobs)
    if forced != b"walk":
        from .cgroups import Cgroups, Unavailable

        try:
            return Cgroups(run)
        except Unavailable as error:
            if forced:
                raise Impossible("TEAMFLOW_KILL_LEVEL=cgroup: " + str(error)) from None
    from .walk import Walk

    return Walk(run, jobs)


def kill_strays() -> int:
    """SIGKILL to all living descendants of this process; how many there were.

    For when no phase is left, so that whatever is there escaped from one.
    """
    below: "dict[int, list[proc.Process]]" = {}
    for found in proc.processes():
        below.setdefault(found.parent, []).append(found)
    stack = [posix.getpid()]
    count = 0
    for signal in (_signal.SIGSTOP, _signal.SIGKILL):
        stack = [posix.getpid()]
        while stack:
            for found in below.get(stack.pop(), ()):
                stack.append(found.pid)
                if found.alive:
                    count += signal == _signal.SIGKILL
                    proc.signal(found.pid, found.start, signal)
    return count


class Namespaces:
    """PID namespaces by `unshare`; what works is found out once, when the first is asked for."""

    def __init__(self) -> None:
        self._prefix: "list[bytes] | None" = None
        self._why = ""

    def wrap(self, argv: "list[bytes]") -> "list[bytes]":
        """argv as the second process of a namespace; Impossible.

        The first is a shell that waits: the first process of a namespace ignores every signal that it does not handle,
        and has to reap.
        """
        if self._prefix is None and not self._why:
            self._probe()
        if self._prefix is None:
            raise Impossible("no PID namespace can be made here: " + self._why)
        return [*self._prefix, b"/bin/sh", b"-c", INIT, b"sh", *argv]

    def _probe(self) -> None:
        program = b"/usr/bin/unshare"
        rest = [b"--pid", b"--fork", b"--kill-child", b"--mount-proc", b"--"]
        user = [b"--user", b"--map-current-user"]
        # Root keeps its rights over other users' files without a user namespace, so that is tried first.
        for options in [[], user] if posix.getuid() == 0 else [user]:
            argv = [program, *options, *rest]
            code = _try([*argv, b"/bin/true"])
            if code == 0:
                self._prefix = argv
                return
            self._why = "unshare ended with %s" % code


def _try(argv: "list[bytes]") -> "int | str":
    """Runs a program in silence to its end; its exit code, negative for a signal, or why it did not start."""
    null = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
    try:
        actions = [(posix.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)]
        pid = posix.posix_spawn(argv[0], argv, {b"PATH": b"/usr/bin:/bin"}, file_actions=actions)
        return posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
    except OSError as error:
        return str(error)
    finally:
        posix.close(null)
