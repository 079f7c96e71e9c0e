"""The team's hooks around a run: a target around the run's own, which starts them beside the steps, through the keeper.

Each is an outward effect, and done once: a call is started when the record that it tells of is durable, under a key
made of that record's number, so the keeper's journal says which were begun before a crash. They run one after the
other, in the order of the records, and decide nothing; only `before_run` does, by its end, before anything starts.
Which record leads to which hook is decided in `policy/hooks.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from teamflow.core.events import Record
from teamflow.core.invocation import Brief
from teamflow.core.outcome import Failed, Outcome, Stopped, Succeeded
from teamflow.core.plan import Command, Plan
from teamflow.core.requested import StopRequested
from teamflow.core.state import RunState
from teamflow.core.status import Status
from teamflow.policy.hooks import BEFORE_RUN, Announcer, Call, declared_calls, stops_all, variables
from teamflow.ports import Exited, Input, Start, Started, Target, TargetEvents
from teamflow.run.calling import GRACE, PHASE, Calling, brief_of, step_of

TIMEOUT: Final = 60.0
"""Seconds that a hook may take which is told of something."""

BEFORE_RUN_TIMEOUT: Final = 600.0
"""Seconds for that which makes things ready."""

PATIENCE: Final = 300.0
"""Seconds that the end of a run waits for all that is still to be told."""

_LOOK: Final = 0.1


class Hooks:
    """Implements `ports.Target` for the executor, over the real one. All methods belong to the loop's thread.

    `first`: what must succeed before anything starts, if nothing has begun. `past`: the records of earlier sessions;
    None for a new run. `warn` is told of a hook that failed, once per event. `given_up`: nobody waits any more.
    `stays_for`: whether what is left to tell is waited for although the run has not ended.
    """

    def __init__(
        self,
        state: RunState,
        target: Target,
        calling: Calling,
        *,
        warn: Callable[[str], None],
        first: Command | None = None,
        past: Callable[[], Iterable[Record]] | None = None,
        plans: Mapping[int, Plan],
        given_up: Callable[[], bool] = lambda: False,
        stays_for: bool = False,
    ) -> None:
        self._state = state
        self._target = target
        self._calling = calling
        self._warn = warn
        self._first = first
        self._past = past
        self._plans = plans
        self._given_up = given_up
        self._stays_for = stays_for
        self._announcer = Announcer.at(state, calling.run)
        self._told = self._durable = state.seq
        self._queue: deque[Call] = deque()
        self._known: set[tuple[str, int]] = set()
        """Calls that have been started, by this runner or another."""
        self._running: dict[tuple[str, int], Brief] = {}
        self._ends: dict[tuple[str, int], Outcome] = {}
        """Of `before_run`."""
        self._warned: set[str] = set()
        self._begun = False
        """The journal has entries of steps."""
        self._open = self._closed = False
        self._stirred = asyncio.Event()
        self.refusal = ""
        """Why nothing may start."""

    # -- the target ------------------------------------------------------------------------------------------

    async def open(self, events: TargetEvents, *, after: int) -> None:
        self._events = events
        await self._target.open(self, after=after)
        self._open = True
        if self._past is not None and any(plan.hooks for plan in self._plans.values()):
            records = (record for record in self._past() if record.seq <= self._told)
            self._queue.extendleft(reversed(list(declared_calls(records, self._plans, run=self._calling.run))))
        if self._first is not None:
            await self._before_run(self._first)
        self._next()

    def environment(self, name: str, variables: Mapping[str, str]) -> None:
        self._target.environment(name, variables)

    def start(self, request: Start) -> None:
        self._target.start(request)

    def stop(self, step: str, attempt: int, *, grace: float, cause: str, soft: float = 0.0) -> None:
        self._target.stop(step, attempt, grace=grace, cause=cause, soft=soft)

    def freeze(self, step: str, attempt: int, *, on: bool) -> None:
        self._target.freeze(step, attempt, on=on)

    def hold(self, step: str, attempt: int, *, on: bool) -> None:
        self._target.hold(step, attempt, on=on)

    def send(self, step: str, attempt: int, given: Input) -> None:
        self._target.send(step, attempt, given)

    async def close(self) -> None:
        """Tells what is left to tell, within bounds. Of a run that somebody lets go of, the next runner does it."""
        if self._state.ended is not None or self._stays_for:
            await self._until(self._idle, PATIENCE)
            self._closed = True
            if self._running:
                for step, seq in self._running:
                    self._target.stop(step, seq, grace=0.0, cause="interrupt")
                await self._until(lambda: not self._running, GRACE, patient=True)
        self._closed = True
        await self._target.close()

    # -- what the target says --------------------------------------------------------------------------------

    def journal(self, entries: Sequence[Started | Exited]) -> None:
        others = [entry for entry in entries if entry.phase != PHASE]
        if others:
            self._begun = True
            self._events.journal(others)
        if len(others) < len(entries):
            for entry in entries:
                if entry.phase == PHASE:
                    self._take(entry)
            self._stirred.set()
            self._next()

    def keeper_lost(self, reason: str) -> None:
        self._events.keeper_lost(reason)

    def disk_trouble(self, message: str | None) -> None:
        self._events.disk_trouble(message)

    def _take(self, entry: Started | Exited) -> None:
        key = (entry.step, entry.attempt)
        self._known.add(key)
        if isinstance(entry, Started):
            self._running.setdefault(key, brief_of(key, None))
            return
        brief = self._running.pop(key, None) or brief_of(key, None)
        outcome = self._calling.outcome_of(entry.end, brief)
        event = entry.step.rpartition("/")[2]
        if event == BEFORE_RUN:
            self._ends[key] = outcome
        elif self._open:
            self._complain(event, entry.attempt, outcome)

    def _complain(self, event: str, seq: int, outcome: Outcome) -> None:
        """One line per event of what did not work: it has no say in the run, and may fail a thousand times."""
        if isinstance(outcome, Failed | Stopped) and event not in self._warned and not self._closed:
            self._warned.add(event)
            reason = self._calling.redacted(outcome.reason) if isinstance(outcome, Failed) else "it was stopped"
            self._warn(f"hook {event}: {reason} (log: {self._calling.log((step_of(event), seq))})")

    # -- what is told ----------------------------------------------------------------------------------------

    def observe(self, records: Sequence[Record]) -> None:
        """Told every record once it is durable."""
        for record in records:
            self._queue.extend(self._announcer.calls(record))
            if stops_all(record.event):
                kill = isinstance(record.event, StopRequested) and record.event.kill
                self._stop_before_run(grace=0.0 if kill else GRACE)
        self._durable = max(self._durable, records[-1].seq)
        self._stirred.set()
        self._next()

    def _next(self) -> None:
        """Starts the next one, unless one runs."""
        while self._queue and self._open and not self._running and not self._closed:
            call = self._queue.popleft()
            command = self._state.plan.hook(call.event)
            if command is not None and (step_of(call.event), call.seq) not in self._known:
                self._start(call, command, TIMEOUT)

    def _start(self, call: Call, command: Command, timeout: float) -> None:
        key = (step_of(call.event), call.seq)
        self._known.add(key)
        prepared = self._calling.prepare(call, command, timeout=timeout)
        if isinstance(prepared, Failed):
            self._ends[key] = prepared
            if call.event != BEFORE_RUN:
                self._complain(call.event, call.seq, prepared)
            return
        self._running[key], start = prepared
        self._target.start(start)

    # -- before the run --------------------------------------------------------------------------------------

    async def _before_run(self, command: Command) -> None:
        """Starts it, or waits for the one that a runner before has started. `refusal` says why it did not succeed."""
        step = step_of(BEFORE_RUN)
        if self._has_begun() or any(isinstance(end, Succeeded) for end in self._ends.values()):
            return
        key = next((key for key in self._running if key[0] == step), None)
        if key is None:
            if self._stopping():
                return
            key = (step, self._state.seq)
            self._start(Call(BEFORE_RUN, key[1], variables()), command, BEFORE_RUN_TIMEOUT)
        await self._until(lambda: key in self._ends, None)
        outcome = self._ends.get(key)
        if isinstance(outcome, Failed) and not self._stopping():
            reason = self._calling.redacted(outcome.reason)
            self.refusal = f"hook {BEFORE_RUN}: {reason} (log: {self._calling.log(key)})"
        elif isinstance(outcome, Stopped) and not self._stopping():
            self.refusal = f"hook {BEFORE_RUN} was ended from outside ({outcome.cause})"

    def _has_begun(self) -> bool:
        """Whether anything of the run was done already: then it is too late for what comes before it."""
        waits = (Status.PENDING, Status.QUEUED)
        return self._begun or any(known.attempts or known.status not in waits for known in self._state.steps.values())

    def _stopping(self) -> bool:
        return self._state.stop is not None or self._state.cancelled_by is not None

    def _stop_before_run(self, *, grace: float) -> None:
        for step, seq in self._running:
            if step == step_of(BEFORE_RUN):
                self._target.stop(step, seq, grace=grace, cause="interrupt")

    # -- waiting ---------------------------------------------------------------------------------------------

    def _idle(self) -> bool:
        if self._queue or self._running:
            return False
        return self._durable >= self._state.seq or not any(plan.hooks for plan in self._plans.values())

    async def _until(self, done: Callable[[], bool], seconds: float | None, *, patient: bool = False) -> None:
        """Returns when it is so, the time is over, or nobody waits any more (unless `patient`)."""
        loop = asyncio.get_running_loop()
        end = None if seconds is None else loop.time() + seconds
        while not done() and (end is None or loop.time() < end) and (patient or not self._given_up()):
            self._stirred.clear()
            try:
                await asyncio.wait_for(self._stirred.wait(), _LOOK)
            except TimeoutError:
                continue
