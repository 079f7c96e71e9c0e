"""One process from start to end, as the kernel accounts for it; and two of them in turn.

Decides no bound. The ratio of two contestants is taken round by round, and the order changes from round to round, so
that a machine that is faster in one minute than in the next favours neither.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """Of one process and all that it waited for: seconds of wall clock, seconds of user and system time."""

    wall: float
    cpu: float


class Failure(Exception):
    """A measured process did not do what it was measured for."""


def timed(argv: Sequence[str], *, cwd: Path, environ: Mapping[str, str], log: Path) -> Cost:
    """Runs a program to its end; its stdout goes nowhere, its stderr to `log`. Raises Failure unless it exits 0."""
    started = time.perf_counter()
    pid = spawn(argv, cwd=cwd, environ=environ, log=log)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - started
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        words = log.read_text(errors="replace")[-2000:]
        raise Failure(f"{' '.join(argv)} in {cwd} ended with {code}:\n{words}")
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def spawn(argv: Sequence[str], *, cwd: Path, environ: Mapping[str, str], log: Path) -> int:
    """Starts a program in `cwd`; its pid. Not `subprocess`: what it does before the start would be measured, too."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    ]
    here = Path.cwd()
    os.chdir(cwd)
    try:
        return os.posix_spawn(argv[0], list(argv), environ, file_actions=actions)
    finally:
        os.chdir(here)


class Duel(NamedTuple):
    """What two contestants took, round by round."""

    ours: tuple[Cost, ...]
    theirs: tuple[Cost, ...]

    @property
    def ratios(self) -> list[float]:
        return [mine.wall / other.wall for mine, other in zip(self.ours, self.theirs, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios."""
        return statistics.median(self.ratios)

    @property
    def cpu_ratio(self) -> float | None:
        """None where no CPU time was measured."""
        ratios = [a.cpu / b.cpu for a, b in zip(self.ours, self.theirs, strict=True) if b.cpu]
        return statistics.median(ratios) if ratios else None


def duel(ours: Callable[[], Cost], theirs: Callable[[], Cost], *, rounds: int) -> Duel:
    """Both in turn, the one that begins changing from round to round."""
    pairs: list[tuple[Cost, Cost]] = []
    for number in range(rounds):
        if number % 2:
            other = theirs()
            pairs.append((ours(), other))
        else:
            pairs.append((ours(), theirs()))
    return Duel(tuple(mine for mine, _ in pairs), tuple(other for _, other in pairs))


def seconds(costs: Sequence[Cost]) -> float:
    return statistics.median(cost.wall for cost in costs)


def peak_memory(pid: int) -> float | None:
    """The most that a living process ever held, in MB (2**20 bytes); None when it is gone.

    Not `ru_maxrss`: that also counts what its parent held when it was forked.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return None
