"""How many files the keeper may have open: as many as it can get, for a live phase takes some of them.

What it starts has the limit that the keeper was given itself: programs that still use `select` break beyond 1024.
"""

import fcntl
import posix

MYPY = False
if MYPY:
    from typing import Callable

    Three = tuple[int, int, int]

PER_PHASE = 5  # its logs, its stdin, its cgroup
SPARE = 48  # all else: the journal, connections, what is read for a moment
OPEN_MAX = 10240  # what systems take whose hard limit is infinite only by name


class OpenFiles:
    """The limit of this process, which is raised when it is needed. `lend` before a spawn, `take_back` after it."""

    __slots__ = ("_given", "_hard", "_low", "_null", "_set", "_wide")

    def __init__(self, null: int) -> None:
        """null: an fd of /dev/null."""
        self._null = null
        self._set: "Callable[[int], None] | None" = None
        self._given = self._hard = 0
        self._wide = 0  # what it was raised to, 0 while the given limit is enough
        self._low: "Three | None" = None

    def make_room(self, phases: int) -> None:
        """Before one phase more than these. Where no more can be had, starts will fail sooner or later."""
        if self._set is None:
            self._learn()
        if self._wide or self._given >= (phases + 1) * PER_PHASE + SPARE:
            return
        self._wide = self._given
        for wish in (self._hard, OPEN_MAX):
            if wish > self._given and self._try(wish):
                self._wide = wish
                # Who spawns may only name files below the limit of the moment.
                self._low = (_copy(self._null), _copy(self._null), _copy(self._null))
                return

    def lend(self, fds: "Three") -> "Three":
        """The limit is as it was given, and these files have numbers below it, which are given back."""
        if self._low is None:
            return fds
        for at in (0, 1, 2):
            posix.dup2(fds[at], self._low[at], False)  # noqa: FBT003
        self._try(self._given)
        return self._low

    def take_back(self) -> None:
        """The limit is ours again, and nothing is held by other numbers: a reader that ended must be seen to."""
        if self._low is not None:
            self._try(self._wide)
            for low in self._low:
                posix.dup2(self._null, low, False)  # noqa: FBT003

    def _learn(self) -> None:
        import resource  # not at the start of the program: perhaps nothing ever runs

        which, setrlimit = resource.RLIMIT_NOFILE, resource.setrlimit
        given, hard = resource.getrlimit(which)
        endless = resource.RLIM_INFINITY
        self._given = 1 << 62 if given == endless else given
        self._hard = OPEN_MAX if hard == endless else hard
        self._set = lambda soft: setrlimit(which, (soft, hard))

    def _try(self, soft: int) -> bool:
        try:
            if self._set is not None:
                self._set(soft)
        except (OSError, ValueError):
            return False
        return True


def _copy(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
