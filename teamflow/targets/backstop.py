"""Kills one attempt without its keeper's help, when the keeper did not do what it was told. Blocks: for a thread.

Finds what the attempt started by session, descent and mark; a process is signalled only after it was looked at again.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Final

from teamflow.keeper import names, proc
from teamflow.targets.entries import Open

_PAUSE: Final = 0.01
_QUIET: Final = 2
"""Looks in a row that find nothing: something may fork while we look."""


def kill_attempt(run_dir: str, step: str, attempt: int, begun: Open, *, deadline: float) -> bool:
    """SIGKILL to all of this attempt until nothing is found, for `deadline` seconds at most; whether it is gone."""
    if begun.boot != proc.boot_id():
        return True
    mark = names.marker(names.run_hash(os.path.realpath(run_dir)), step, attempt)
    until = time.monotonic() + deadline
    quiet = 0
    while quiet < _QUIET:
        found = _look(mark, begun)
        quiet = 0 if found else quiet + 1
        # Stopped first, so that none of them can start another one while its neighbour dies.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid, start in found.items():
                proc.signal(pid, start, number)
        if time.monotonic() > until:
            return not found
        if found:
            time.sleep(_PAUSE)
    return True


def _look(mark: str, begun: Open) -> dict[int, int]:
    """pid and start time of every living process of the attempt."""
    everyone = {found.pid: found for found in proc.processes()}
    below: dict[int, list[int]] = {}
    for found in everyone.values():
        below.setdefault(found.parent, []).append(found.pid)
    leader = everyone.get(begun.pid)
    led = leader is not None and proc.same(leader.start, begun.started)
    stack = [
        pid for pid, found in everyone.items() if (led and found.session == begun.pid) or proc.marker(found) == mark
    ]
    ours: dict[int, int] = {}
    while stack:
        pid = stack.pop()
        if pid not in ours:
            ours[pid] = everyone[pid].start
            stack.extend(below.get(pid, ()))
    return {pid: start for pid, start in ours.items() if everyone[pid].alive and pid != os.getpid()}
