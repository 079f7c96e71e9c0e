"""The mark of the levels `cgroup` and `walk`: a soft RLIMIT_LOCKS, which is inherited (`names`): put on, looked for."""

from . import names
from . import proc_linux as proc

MYPY = False
if MYPY:
    from typing import Callable


def marked(marks: "set[int]", strangers: "set[int]") -> "dict[int, int]":
    """pid -> mark of living processes with one of some marks, the newest first.

    Remembers in `strangers` who has none of them, so that the next look with the same set is quick.
    """
    found = {}
    for pid in proc.pids():
        if pid in strangers:
            continue
        mark = proc.limit_mark(pid)
        if mark not in marks:
            strangers.add(pid)
            continue
        seen = proc.process(pid)
        if seen and seen.alive:
            found[pid] = mark
    return found


class Marks:
    """Puts marks on this process, which its children inherit. Where the hard limit is too low it puts none."""

    __slots__ = ("_hard", "_set", "_worn")

    def __init__(self) -> None:
        self._set: "Callable[[int, tuple[int, int]], None] | None" = None
        self._hard = 0
        self._worn = False

    def wear(self, mark: int) -> None:
        """What is started from now on carries this mark."""
        if self._set is None:
            import resource  # not at the start of the program: perhaps nothing ever runs

            self._set = resource.setrlimit
            self._hard = resource.getrlimit(names.RLIMIT_LOCKS)[1]
        if self._hard == -1:
            self._set(names.RLIMIT_LOCKS, (mark, -1))
            self._worn = True

    def drop(self) -> None:
        """This process must not be taken for one of those that it started."""
        if self._worn and self._set is not None:
            self._set(names.RLIMIT_LOCKS, (-1, -1))
            self._worn = False


def signal_marked(pid: int, mark: int, number: int) -> bool:
    """Signals a process only if it carries this soft RLIMIT_LOCKS; whether it did."""
    return proc.guarded(pid, number, lambda: proc.limit_mark(pid) == mark)
