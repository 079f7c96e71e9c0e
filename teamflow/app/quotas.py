"""Usage limits of engines, over all runs on this machine: what one meets, the others know before they start anything.

Over `machine.db`, so it is advice: a run that cannot read or write it goes by what it meets itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing

from teamflow.core.events import Event, Now
from teamflow.core.limited import USAGE, EngineLimit, EngineLimited, LimitLifted, engine_of, left
from teamflow.core.plan import EngineDefinition
from teamflow.core.state import RunState
from teamflow.store.errors import StoreError
from teamflow.store.machine import NAME, Machine, SharedLimit, machine_directory

_OWN_ACCOUNTS = frozenset({"command", "scripted"})
"""Engines that have no account that runs could share."""

_ANOTHER = "another run"

_END = 1e11
"""Unix: what is said to be later is a damaged row."""

_BUSY = 0.5
"""Seconds: the loop waits meanwhile, and what is not known is found out by asking the engine."""


class MachineLimits:
    """Usage limits, as `run/roles.Others` has them, for one run."""

    def __init__(
        self,
        state: RunState,
        environ: Mapping[str, str],
        *,
        root: str,
        now: Callable[[], Now],
        warn: Callable[[str], None],
    ) -> None:
        """`root`: the project's directory, absolute."""
        self._root = root
        self._state = state
        self._environ = environ
        self._now = now
        self._warn = warn
        directory = machine_directory(environ)
        self._path = None if directory is None else f"{directory}/{NAME}"
        self._seen: tuple[int, int, int] | None = None
        self._asked: frozenset[str] = frozenset()

    def news(self) -> Sequence[Event]:
        """What other runs have met of the engines that this one would start now, and it does not know yet."""
        engines = self._engines()
        if not engines:
            return ()
        stamp = self._stamp()
        if stamp is None or (stamp == self._seen and engines <= self._asked):
            return ()
        self._seen, self._asked = stamp, engines
        try:
            machine = Machine.open(self._environ, busy=_BUSY)
            if machine is None:
                return ()
            with closing(machine):
                told = {limit.engine: limit for limit in machine.limits()}
        except StoreError as error:
            self._warn(f"usage limits that other runs have met are not known: {error}")
            return ()
        found = ((engine, told.get(self._account(engine))) for engine in sorted(engines))
        events = (self._event(engine, limit) for engine, limit in found if limit is not None)
        return [event for event in events if event is not None]

    def tell(self, event: EngineLimited | LimitLifted) -> None:
        """What this run has met, for the others."""
        if engine_of(event.engine) in _OWN_ACCOUNTS or (isinstance(event, EngineLimited) and event.why != USAGE):
            return
        now = self._now()
        account = self._account(event.engine)
        if isinstance(event, EngineLimited):
            limit = SharedLimit(account, event.boot, event.mono, event.until, event.reason, now.wall)
        else:
            limit = SharedLimit(account, now.boot, now.mono, now.wall, f"lifted by {event.by}", now.wall, lifted=True)
        try:
            machine = Machine.open(self._environ, busy=_BUSY)
            if machine is not None:
                with closing(machine):
                    machine.note_limit(limit)
        except StoreError as error:
            self._warn(f"other runs are not told of the usage limit of {event.engine}: {error}")

    def _engines(self) -> frozenset[str]:
        """Those that a step would start on now."""
        waiting = (self._state.steps[step_id].step.accounts for step_id in self._state.on_limit)
        queued = (engines for engines, queue in self._state.ready.items() if queue)
        names = frozenset(name for engines in (*queued, *waiting) for name in engines)
        return frozenset(name for name in names if engine_of(name) not in _OWN_ACCOUNTS)

    def _account(self, engine: str) -> str:
        """What a limit of it counts for: an engine of the team file's own is the program that it starts; a variant with
        a login of its own is this project's."""
        definition: EngineDefinition | None = self._state.plan.engines.get(engine)
        if definition is None:
            return engine
        if definition.engine:
            return f"{engine}={self._root}"
        program = definition.command[0]
        return f"{engine}={os.path.join(self._root, program) if '/' in program else program}"

    def _event(self, engine: str, told: SharedLimit) -> Event | None:
        known = self._state.limited.get(engine)
        if told.lifted:
            return LimitLifted(engine, _ANOTHER) if known is not None and known.seen < told.seen else None
        if not all(isinstance(moment, float) and abs(moment) < _END for moment in (told.mono, told.until, told.seen)):
            return None
        if told.seen <= self._state.lifted.get(engine, 0.0):
            return None
        now = self._now()
        there = left(EngineLimit(USAGE, told.boot, told.mono, told.until, told.reason, 0, told.seen, 0), now)
        here = left(known, now) if known is not None and known.why == USAGE else 0.0
        if there <= here + 1.0:
            return None
        return EngineLimited(engine, USAGE, told.boot, told.mono, told.until, told.reason)

    def _stamp(self) -> tuple[int, int, int] | None:
        """Changes whenever the file does; None: there is none."""
        try:
            found = os.stat(self._path) if self._path is not None else None
        except OSError:
            return None
        return None if found is None else (found.st_ino, found.st_size, found.st_mtime_ns)
