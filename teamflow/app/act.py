"""Verbs that act on a run, from any terminal: asked of the runner that lives, else done here with the run's lock.

Decides who does it; what it comes to is decided by `policy/requests.py`, in both cases.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from teamflow.app.inspect import Inspected, answer_to
from teamflow.store.lock import Holder, RunLock, this_process
from teamflow.store.wake import wake

PATIENCE: Final = 5.0
"""Seconds in which a living runner answers."""

_TICK: Final = 0.02

OF_PROCESSES: Final = frozenset({"cancel", "pause", "resume", "relaunch"})
"""Verbs that concern what runs: without a runner they may take as long as a stop does."""

Told: TypeAlias = tuple[bool, str]
"""Whether it was done, and what to say."""

Alone: TypeAlias = Callable[[RunLock, "int | None"], Told]
"""Does it with the run's lock, without a runner. The second: the request that was left for one that has gone since."""


def act(
    inspected: Inspected,
    verb: str,
    args: str,
    *,
    by: str,
    environ: Mapping[str, str],
    alone: Alone,
    brief: bool = False,
) -> Told:
    """Does the verb on the run, or says why not. It may be somebody else's turn for a moment, so it is tried again.

    `brief`: without a runner it is done at once. Then no name is left in the lock, and who comes meanwhile waits.
    """
    run = inspected.row.number
    request: int | None = None
    deadline = time.monotonic() + PATIENCE
    while True:
        if inspected.gone:
            holder = Holder() if brief else this_process(since=time.time())
            lock = RunLock.acquire(inspected.layout, run, holder)
            if isinstance(lock, RunLock):
                try:
                    return _answered(inspected, request) or alone(lock, request)
                finally:
                    lock.release()
        elif request is None:
            request = inspected.database.insert_request(run, verb, args, expected_seq=None, at=time.time(), by=by)
            wake(inspected.layout, run, env=environ)
        answer = _answered(inspected, request)
        if answer is not None:
            return answer
        if time.monotonic() >= deadline:
            return False, _silent(inspected)
        time.sleep(_TICK)


def _answered(inspected: Inspected, request: int | None) -> Told | None:
    """What the log says to a request; a runner that has gone since may have answered it."""
    inspected.refresh()
    return None if request is None else answer_to(inspected, request)


def ask(inspected: Inspected, verb: str, args: str, *, by: str, environ: Mapping[str, str]) -> Told:
    """`act` for every verb of `policy/requests.py`."""

    def alone(lock: RunLock, request: int | None) -> Told:
        # Imported here: a living runner does it itself.
        from teamflow.app.alone import Verb, do_alone

        return do_alone(inspected, lock, Verb(verb, args, by), request=request, environ=environ)

    return act(inspected, verb, args, by=by, environ=environ, alone=alone, brief=verb not in OF_PROCESSES)


def _silent(inspected: Inspected) -> str:
    return (
        f"{inspected.holder} holds run {inspected.row.number} and has not answered within {PATIENCE:g} s\n"
        "  the request stays, and is answered when it goes on; `teamflow status` shows that"
    )
