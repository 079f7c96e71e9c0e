"""The loop of a run: facts in, `decide`, records appended and applied, then acted on. The only place that acts.

Order for every decision: append (not yet durable), apply, act. The next start does not wait for the disk: the keeper's
journal proves it. What is shown to people waits until it is durable. Retry, limits and order are decided in `policy/`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

from teamflow.core.events import (
    AttemptEnded,
    AttemptStarted,
    AttemptStopping,
    CancelRequested,
    Event,
    PhaseEnded,
    Record,
    Reopened,
    RequestAnswered,
    RunEnded,
    RunnerStarted,
    StepEnded,
    StopRequested,
)
from teamflow.core.fold import apply
from teamflow.core.plan import Json, Plan
from teamflow.core.state import ENDED, RunState, Status
from teamflow.policy.decide import decide
from teamflow.ports import Clock, Exited, Start, Started, Store, Target


class Attempts(Protocol):
    """What the executor needs to know about one attempt; `run/attempt.py` implements it."""

    def begin(self, attempt: AttemptStarted) -> Start | AttemptEnded:
        """The first phase to start, or why the attempt cannot even begin."""
        ...

    def phase_ended(self, exited: Exited) -> PhaseEnded | AttemptEnded | None:
        """What the end of a phase comes to; None when that takes a while (see `conclude`)."""
        ...

    async def conclude(self, exited: Exited) -> PhaseEnded | AttemptEnded:
        """The slow form of `phase_ended`: reads and digests files off the loop."""
        ...

    def phase(self, ended: PhaseEnded) -> Start:
        """The phase that follows."""
        ...

    def adopt(self) -> None:
        """Follows the output of attempts that another runner started."""
        ...

    def close(self) -> None: ...


class Prober(Protocol):
    async def probe(self, step_ids: Sequence[str]) -> list[Event]:
        """Looks the steps' cache keys up: `Cached` or `Admitted` for each."""
        ...


Opening: TypeAlias = Callable[[RunState], Iterable[Event]]


class Executor:
    """Drives one run until `RunEnded`. All methods belong to the loop's thread.

    `publish` is called with records once they are durable, in order. `trouble` tells of a disk that cannot be
    written (None: it can again); meanwhile nothing new starts.
    """

    def __init__(
        self,
        state: RunState,
        *,
        store: Store,
        target: Target,
        clock: Clock,
        attempts: Attempts,
        prober: Prober,
        run: Mapping[str, Json],
        publish: Callable[[Sequence[Record]], None],
        plans: dict[int, Plan] | None = None,
    ) -> None:
        self.state = state
        self._store = store
        self._target = target
        self._clock = clock
        self._attempts = attempts
        self._prober = prober
        self._run = run
        self._publish = publish
        self._plans = plans
        self._ripple: dict[str, list[str]] = {}
        """Dependency that may run again → ended steps that must follow if it does."""
        self._changed: dict[str, None] = {}
        self._unpublished: deque[Record] = deque()
        self._probing: set[str] = set()
        self._started: set[tuple[str, int, str]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._turn_due = False
        self._importing = False
        self._full: set[str] = set()
        """Which of store and target cannot write now."""
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[RunEnded | None] = self._loop.create_future()
        self._until: Callable[[RunState], bool] | None = None

    # -- the life of a run -----------------------------------------------------------------------------------

    async def run(
        self, session: RunnerStarted, opening: Opening, *, until: Callable[[RunState], bool] | None = None
    ) -> RunEnded | None:
        """Opens a session of the run, takes in what happened without a runner, and goes on to the end.

        `until`: leave as soon as it holds, without ending the run; what runs then stays with its keeper (None comes
        back). `opening` is asked what else has changed meanwhile (a new revision of the plan, cache hits); each event
        that it yields is recorded before it is asked for the next.
        """
        self._until = until
        self.record(session)
        self._importing = True
        await self._target.open(self, after=self.state.journal)
        self._importing = False
        for event in opening(self.state):
            self.record(event)
            self._act(event)
        self._attempts.adopt()
        self._restart_unproven()
        self._wake()
        try:
            ended = await self._done
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for task in self._tasks:
                task.cancel()
            self._attempts.close()
        await self._store.flush()
        await self._target.close()
        return ended

    def _restart_unproven(self) -> None:
        """A start that was decided but is not in the journal never happened: it is asked for (again)."""
        for step_id in sorted(self.state.running):
            live = self.state.steps[step_id].live
            if live is not None and not any(key[:2] == (step_id, live.number) for key in self._started):
                self._begin(AttemptStarted(step_id, live.number, live.cause, live.continues, live.reason))
            self._changed[step_id] = None

    def stop(self, cause: str, *, reason: str, kill: bool = False) -> None:
        """SIGINT or SIGTERM: nothing new starts, what runs is interrupted; `kill`: without grace."""
        if not self._done.done():
            self.record(StopRequested(cause, reason, kill))
            if kill:
                self._kill_all()
            self._wake()

    def cancel(self, steps: tuple[str, ...] | None, *, by: str, request: int) -> None:
        """Cancels steps (None: the run) for a request; the answer is a record, too."""
        problem = self._cancel_problem(steps)
        if problem is None:
            self.record(CancelRequested(steps, by))
            what = "the run" if steps is None else ", ".join(steps)
            self.record(RequestAnswered(request, ok=True, message=f"cancelling {what}"))
        else:
            self.record(RequestAnswered(request, ok=False, message=problem))
        self._wake()

    def refuse(self, request: int, message: str) -> None:
        """Answers a request that cannot be acted on."""
        self.record(RequestAnswered(request, ok=False, message=message))

    def _cancel_problem(self, steps: tuple[str, ...] | None) -> str | None:
        for step_id in steps or ():
            known = self.state.steps.get(step_id)
            if known is None:
                return f"there is no step {step_id}"
            if step_id not in self.state.open:
                return f"{step_id} has ended ({known.status.value})"
        return None

    # -- what the world says ---------------------------------------------------------------------------------

    def journal(self, entries: Sequence[Started | Exited]) -> None:
        """Journal entries of the keeper, in order."""
        for entry in entries:
            key = (entry.step, entry.attempt, entry.phase)
            if isinstance(entry, Started):
                self._started.add(key)
                if self._importing:
                    self._import_start(entry)
            else:
                self._started.add(key)
                self._take_exit(entry)
            if self._importing:
                self._turn(may_start=False)
        if not self._importing:
            self._turn(may_start=not self._full)

    def _import_start(self, entry: Started) -> None:
        """A start in the journal proves its decision; a crash may have lost the record of it."""
        known = self.state.steps.get(entry.step)
        if known is None or known.status is not Status.QUEUED or entry.attempt != len(known.attempts) + 1:
            return
        note = entry.note
        continues = note.get("continues")
        self.record(
            AttemptStarted(
                entry.step,
                entry.attempt,
                str(note.get("cause", "first")),
                continues if isinstance(continues, int) else None,
                str(note.get("reason", "")),
            )
        )

    def _take_exit(self, exited: Exited) -> None:
        known = self.state.steps.get(exited.step)
        live = known.live if known is not None else None
        if live is None or live.number != exited.attempt:
            return
        event = self._attempts.phase_ended(exited)
        if event is None:
            self._spawn(self._conclude(exited), name=f"conclude {exited.step}")
        else:
            self._take_end(event)

    async def _conclude(self, exited: Exited) -> None:
        self._take_end(await self._attempts.conclude(exited))
        self._wake()

    def _take_end(self, event: PhaseEnded | AttemptEnded) -> None:
        self.record(event)
        if isinstance(event, PhaseEnded):
            self._start(self._attempts.phase(event))

    def keeper_lost(self, reason: str) -> None:
        self._wake()

    def report(self, event: Event) -> None:
        """A fact from elsewhere (progress, a probe), if the state still has a place for it."""
        self.record(event)
        self._wake()

    def disk_trouble(self, message: str | None) -> None:
        """The target cannot (None: can again) write its journal: nothing new starts meanwhile."""
        self._note_trouble("target", message)

    def store_trouble(self, message: str | None) -> None:
        """The store cannot (None: can again) write: nothing new starts meanwhile."""
        self._note_trouble("store", message)

    def _note_trouble(self, who: str, message: str | None) -> None:
        if message is None:
            self._full.discard(who)
        else:
            self._full.add(who)
        self._wake()

    # -- the loop --------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if not self._turn_due:
            self._turn_due = True
            self._loop.call_soon(self._scheduled_turn)

    def _scheduled_turn(self) -> None:
        self._turn_due = False
        if not self._importing:
            self._turn(may_start=not self._full)

    def _turn(self, *, may_start: bool) -> None:
        """Decides and acts until nothing more is to be decided now."""
        while not self._done.done():
            changed = self._changed
            self._changed = {}
            decision = decide(self.state, changed, self._clock.now(), run=self._run, may_start=may_start)
            if decision.probes:
                self._probe(decision.probes)
            if not decision.events:
                self._set_timer(decision.wake_at)
                if self._until is not None and may_start and self._until(self.state):
                    self._done.set_result(None)
                return
            for event in decision.events:
                self.record(event)
                self._act(event)

    def record(self, event: Event) -> None:
        """Appends an event to the log and applies it."""
        now = self._clock.now()
        record = Record(self.state.seq + 1, now.wall, now.mono, event)
        for step_id in apply(self.state, record, plans=self._plans):
            self._changed[step_id] = None
        self._store.append((record,))
        self._unpublished.append(record)

    def durable(self, seq: int) -> None:
        """The store has everything up to `seq`: it may be shown now."""
        ready: list[Record] = []
        while self._unpublished and self._unpublished[0].seq <= seq:
            ready.append(self._unpublished.popleft())
        if ready:
            self._publish(ready)

    def expect_ripple(self, ripple: Mapping[str, Sequence[str]]) -> None:
        """`ripple`: ended step → dependencies; it is opened again once one of them has really been run."""
        for step_id, dependencies in ripple.items():
            for dependency in dependencies:
                self._ripple.setdefault(dependency, []).append(step_id)

    def _spread(self, dependency: str) -> None:
        for step_id in self._ripple.pop(dependency, ()):
            if self.state.steps[step_id].status in ENDED:
                self.record(Reopened((step_id,), "revision", {step_id: f"{dependency} ran again"}))

    def _act(self, event: Event) -> None:
        match event:
            case StepEnded(step=step, status="succeeded") if self._ripple:
                self._spread(step)
            case AttemptStarted():
                self._begin(event)
            case AttemptStopping(step=step, attempt=attempt, cause=cause):
                self._stop_attempt(step, attempt, cause)
            case RunEnded():
                self._done.set_result(event)
            case _:
                pass

    def _begin(self, event: AttemptStarted) -> None:
        start = self._attempts.begin(event)
        if isinstance(start, AttemptEnded):
            self.record(start)
        else:
            self._start(start)

    def _start(self, start: Start) -> None:
        self._target.start(start)
        live = self.state.steps[start.step].live
        if live is not None and live.stopping is not None:
            self._stop_attempt(start.step, start.attempt, live.stopping)

    def _stop_attempt(self, step: str, attempt: int, cause: str) -> None:
        stop = self.state.stop
        grace = 0.0 if stop is not None and stop.kill else self.state.steps[step].step.grace
        self._target.stop(step, attempt, grace=grace, cause=cause)

    def _kill_all(self) -> None:
        """After a second Ctrl-C: everything that runs is ended without grace."""
        for step_id in self.state.running:
            live = self.state.steps[step_id].live
            if live is not None:
                self._target.stop(step_id, live.number, grace=0.0, cause=live.stopping or "interrupt")

    def _probe(self, step_ids: Iterable[str]) -> None:
        wanted = [step_id for step_id in step_ids if step_id not in self._probing]
        if wanted:
            self._probing.update(wanted)
            self._spawn(self._probe_task(wanted), name="probe")

    async def _probe_task(self, step_ids: list[str]) -> None:
        events = await self._prober.probe(step_ids)
        self._probing.difference_update(step_ids)
        for event in events:
            self.record(event)
        self._changed.update(dict.fromkeys(step_ids))
        self._wake()

    def _set_timer(self, wake_at: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wake_at is not None:
            delay = max(0.0, wake_at - self._clock.now().mono)
            self._timer = self._loop.call_later(delay, self._wake)

    def _spawn(self, work: Coroutine[None, None, None], *, name: str) -> None:
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self._done.done():
            self._done.set_exception(error)
