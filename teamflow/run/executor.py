"""The loop of a run: facts in, `decide`, records appended and applied, then acted on. The only place that acts.

Order for every decision: append (not yet durable), apply, act. The next start does not wait for the disk: the keeper's
journal proves it. What is shown to people waits until it is durable. Retry, limits and order are decided in `policy/`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from teamflow.core.events import (
    AttemptEnded,
    AttemptStarted,
    Event,
    Now,
    PhaseEnded,
    Record,
    Reopened,
    RunEnded,
    RunnerStarted,
    StepEnded,
    StepsAdded,
)
from teamflow.core.plan import Json, Plan
from teamflow.core.redact import Redactor
from teamflow.core.requested import StopRequested
from teamflow.core.state import RunState
from teamflow.policy.decide import decide
from teamflow.ports import Clock, Exited, Started, Store, Target
from teamflow.run.acts import Acts
from teamflow.run.adoption import Adoption
from teamflow.run.followers import Followers
from teamflow.run.probes import Probes
from teamflow.run.roles import Attempts, Making, Opening, Others, Prober, Report
from teamflow.run.runlog import RunLog
from teamflow.run.tasks import Tasks

_LONGEST_SLEEP: Final = 60.0
"""Seconds until the clock is looked at again, however far off the next moment is."""


class Executor:
    """Drives one run until `RunEnded`. All methods belong to the loop's thread.

    `publish` is called with records once they are durable, in order; `tell` with a line about a disk that cannot be
    written, and with None when it can again.
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
        tell: Callable[[str | None], None],
        plans: dict[int, Plan] | None = None,
        stays: bool = False,
        starts: bool = True,
        redactor: Redactor | None = None,
        others: Others | None = None,
        making: Making | None = None,
    ) -> None:
        """`stays`: the end of the run is no reason to leave, only a stop is: something may open steps again.
        `starts` False: only what runs is stopped and halted. Nothing is begun, not even the next phase of an attempt or
        what an earlier session had decided, and nothing is looked up in the cache.
        """
        self.state = state
        self._log = RunLog(state, store=store, clock=clock, publish=publish, plans=plans, redactor=redactor)
        self.record: Final = self._log.record
        """Appends an event to the log and applies it."""
        self._target = target
        self._tell = tell
        self._attempts = attempts
        self._run = run
        self._stays = stays
        self.followers = Followers(state)
        self._withheld = False
        """Nothing new starts for now: what would may be about to change."""
        self._probes = Probes(state, prober)
        self._adoption = Adoption(state)
        self._starts = starts
        self._others = others
        self._tasks = Tasks(self.broken, after=self.wake)
        self._acts = Acts(
            state,
            target,
            attempts,
            self._adoption,
            record=self.record,
            conclude=self._conclude_later,
            spawn=self._tasks.spawn,
            starts=starts,
            others=others,
            making=making,
        )
        self._timer: asyncio.TimerHandle | None = None
        self._turn_due = False
        self._unwritable: set[str] = set()
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[RunEnded | None] = self._loop.create_future()
        self._abandoned: asyncio.Future[None] = self._loop.create_future()
        """Set when a signal comes while the end is being written."""
        self._until: Callable[[RunState], bool] | None = None

    # -- the life of a run -----------------------------------------------------------------------------------

    async def run(
        self,
        session: RunnerStarted,
        opening: Opening,
        *,
        until: Callable[[RunState], bool] | None = None,
        opened: Callable[[], None] = lambda: None,
    ) -> RunEnded | None:
        """Opens a session of the run, takes in what happened without a runner, and goes on to the end.

        `until`: leave as soon as it holds, without ending the run; what runs then stays with its keeper (None comes
        back). `opening` is asked what else has changed meanwhile (a new revision of the plan, cache hits); each event
        that it yields is recorded before it is asked for the next. `opened`: it is known how the run stands, so whoever
        wants something of it may come.
        """
        self._until = until
        self._adoption.rebooted = (last := self.state.runner) is not None and last.boot != session.boot
        self.record(session)
        await self._take_in()
        self.settle(opening)
        self._attempts.adopt(self._adoption.began)
        self._log.touch(self.state.running)
        for event in self._adoption.unsettled():
            self._acts.again(event)
        self._acts.adopted()
        opened()
        self.wake()
        try:
            ended = await self._done
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._tasks.cancel()
            self._attempts.close()
            self._log.store_now()
        for unclaimed in self._adoption.unclaimed():
            self._target.stop(*unclaimed, grace=0.0, cause="cancel")
        # Together: what the keeper did is in its journal, whatever becomes of the records.
        await asyncio.gather(self._log.flush(unless=self._abandoned), self._target.close())
        return ended

    def now(self) -> Now:
        return self._log.now()

    def settle(self, opening: Opening) -> None:
        """Records what has changed outside, at the beginning and whenever a watch sees something."""
        before = self.state.seq
        for event in opening(self.state):
            self._found(event)
            self._act(event)
        # What a start in the journal cannot prove (a revision, steps opened again) must be safe before there is one.
        if self.state.seq > before:
            self._log.hold()
        self.wake()

    def take(self, events: Iterable[Event], *, act: bool = True) -> None:
        """Records what somebody has asked for. `act` False: it is done already."""
        for event in events:
            self.record(event)
            if act:
                self._acts.act(event)
            if isinstance(event, Reopened):
                self._log.hold()  # The start of a step that it brings about does not prove it.
        self.wake()

    def leave(self, ended: RunEnded | None = None) -> None:
        """Lets go of the run as it is: its attempts stay with their keeper, and another runner goes on.

        `ended`: its end, where it has one, and nobody is to go on.
        """
        if not self._done.done():
            self._done.set_result(ended)

    def withhold(self, *, on: bool) -> None:
        """Whether nothing new may start for now."""
        self._withheld = on
        self.wake()

    async def _take_in(self) -> None:
        """What the journal has, from its beginning: what the log has no record of is decided again and recorded."""
        self._adoption.importing = True
        self._probes.pause()
        await self._target.open(self, after=0)
        self._turn(may_start=False)
        for entry in self._adoption.held_back():
            self._adoption.seen(entry)
            if isinstance(entry, Exited):
                await self._conclude(entry)
            else:
                self.take(self._adoption.missing(entry), act=False)
            self._turn(may_start=False)
        self._adoption.importing = False
        if self._starts:
            self._log.touch(self._probes.resume())

    @property
    def abandoned(self) -> bool:
        """Whether somebody would not wait until the end was written."""
        return self._abandoned.done()

    def stop(self, cause: str, *, reason: str, kill: bool = False) -> None:
        """SIGINT or SIGTERM: nothing new starts, what runs is interrupted; `kill`: without grace."""
        if self._done.done():
            if not self._abandoned.done():
                self._abandoned.set_result(None)
            return
        if self.state.ended is not None:
            self._done.set_result(self.state.ended)
            return
        self.record(StopRequested(cause, reason, kill))
        if kill:
            self._acts.kill_all()
        self.wake()

    @property
    def over(self) -> bool:
        """Whether it is being left: what is asked of it now is for whoever comes next."""
        return self._done.done()

    @property
    def resting(self) -> bool:
        """Whether the run has ended, and stays until something changes."""
        return self._stays and self.state.ended is not None

    # -- what the world says ---------------------------------------------------------------------------------

    def journal(self, entries: Sequence[Started | Exited]) -> None:
        """Journal entries of the keeper, in order."""
        if self._adoption.hold_back(entries):
            return
        for entry in entries:
            self._adoption.seen(entry)
            if isinstance(entry, Exited) and self._adoption.placed(entry):
                self._take_exit(entry)
        if self._log.stirred:
            self._turn(may_start=self._may_start)

    @property
    def _may_start(self) -> bool:
        # A run that is being stopped starts nothing, and may be left whatever the disk does.
        return self.state.stop is not None or not (self._unwritable or self._log.held or self._withheld)

    def _take_exit(self, exited: Exited) -> None:
        event = self._attempts.phase_ended(exited)
        if event is None:
            self._conclude_later(exited)
        else:
            self._take_end(event)

    def _conclude_later(self, *exits: Exited) -> None:
        self._tasks.spawn(self._conclude(*exits), f"conclude {exits[0].step}")

    async def _conclude(self, *exits: Exited) -> None:
        """Takes in ends of one attempt's phases, one after the other."""
        for exited in exits:
            if self._adoption.placed(exited):
                self._take_end(self._attempts.phase_ended(exited) or await self._attempts.conclude(exited))

    def _take_end(self, event: PhaseEnded | AttemptEnded) -> None:
        self._acts.heard(event.step)
        self.record(event)
        self._acts.act(event)
        if isinstance(event, PhaseEnded) and not self._adoption.importing:
            self._acts.phase(event)

    def keeper_lost(self, reason: str) -> None:
        self._adoption.keeper_lost()
        self.wake()

    def report(self, event: Report) -> None:
        """What a running attempt tells of itself; dropped when it is over."""
        known = self.state.steps.get(event.step)
        live = known.live if known is not None else None
        news = self._acts.news(event) if live is not None and live.number == event.attempt else None
        if news is not None:
            self.record(news)
            self._acts.act(news)
            self.wake()

    def disk_trouble(self, message: str | None) -> None:
        self.trouble("the keeper's journal", message)

    def trouble(self, what: str, message: str | None) -> None:
        """`what` cannot (None: can again) be written: it is said, and nothing new starts meanwhile."""
        (self._unwritable.discard if message is None else self._unwritable.add)(what)
        if message is not None or not self._unwritable:
            self._tell(message)
        self.wake()

    # -- the loop --------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something has changed: it is decided what follows, once this turn of the loop is over."""
        if not self._turn_due:
            self._turn_due = True
            self._loop.call_soon(self._scheduled_turn)

    def _scheduled_turn(self) -> None:
        self._turn_due = False
        if not self._adoption.importing:
            self._hear(None)
            self._turn(may_start=self._may_start)

    def _turn(self, *, may_start: bool) -> None:
        """Decides and acts until nothing more is to be decided now."""
        while not self._done.done():
            # What was decided in this turn may be what has to be safe first.
            may_start = may_start and (self.state.stop is not None or not self._log.held)
            decision = decide(self.state, self._log.take_changed(), self._log.now(), run=self._run, may_start=may_start)
            if decision.probes:
                self._probe(decision.probes)
            self._log.touch(decision.left)
            if decision.follow is not None:
                self.followers.expect(decision.follow.ripple, decision.follow.later)
            if not decision.events:
                self._set_timer(decision.wake_at)
                if self._until is not None and may_start and self._until(self.state):
                    self._done.set_result(None)
                return
            for event in decision.events:
                # What other runs have told may speak against a start: then it is decided anew.
                if not (isinstance(event, AttemptStarted) and self._hear(event)):
                    self._decided(event)

    def _hear(self, start: AttemptStarted | None) -> bool:
        """Whether other runs have told something new about what is wanted now."""
        news = self._others.news(start) if self._others is not None else ()
        for event in news:
            self.record(event)
        return bool(news)

    def _decided(self, event: Event) -> None:
        if not isinstance(event, StepEnded):
            self.record(event)
            self._act(event)
            if isinstance(event, (StepsAdded, Reopened)):
                # The start of a step that they bring about does not prove them.
                self._log.hold()
            return
        for follow in self.followers.of_run(event):
            self.record(follow)
        self.record(event)
        for follow in self.followers.of_end(event.step):
            self.record(follow)
            self._log.hold()

    def _found(self, event: Event) -> None:
        for follow in self.followers.of_found(event):
            self.record(follow)
            self._log.hold()
        self.record(event)

    def durable(self, seq: int) -> None:
        """The store has everything up to `seq`: it may be shown now."""
        if self._log.durable(seq):
            self.wake()

    def _act(self, event: Event) -> None:
        if not isinstance(event, RunEnded):
            self._acts.act(event)
        elif not self._stays or self.state.stop is not None or self.state.cancelled_by is not None:
            self._done.set_result(event)

    def _probe(self, step_ids: Iterable[str]) -> None:
        wanted = self._probes.take(step_ids)
        if wanted:
            self._tasks.spawn(self._look_up(wanted), name="probe")

    async def _look_up(self, step_ids: list[str]) -> None:
        for event in await self._probes.answers(step_ids):
            self._found(event)
        self._log.touch(step_ids)
        self.wake()

    def _set_timer(self, wake_at: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wake_at is not None:
            # The loop's clock stands still while the machine sleeps, and a question may wait for days.
            delay = min(max(0.0, wake_at - self._log.awaited(wake_at).mono), _LONGEST_SLEEP)
            self._timer = self._loop.call_later(delay, self.wake)

    def broken(self, error: BaseException) -> None:
        """A bug, wherever on the loop it showed: the run is left as it is, and nothing waits for what will not come."""
        if not self._done.done():
            self._done.set_exception(error)
