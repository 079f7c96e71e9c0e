"""What a decision does to the world: an attempt is begun, stopped, frozen. Knows the target, and decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Final, Protocol

from teamflow.core.events import (
    AttemptEnded,
    AttemptStarted,
    AttemptStopping,
    Event,
    MessageDelivered,
    PhaseEnded,
    QuestionAnswered,
    QuestionAsked,
    StepFrozen,
    StepThawed,
)
from teamflow.core.leave import LeaveAsked, LeaveWithdrawn
from teamflow.core.limited import EngineLimited, LimitLifted
from teamflow.core.outcome import Stopped
from teamflow.core.phases import AGENT
from teamflow.core.requested import MessageSent
from teamflow.core.state import RunState
from teamflow.core.work import WorkspaceReady
from teamflow.ports import Exited, Start, Target
from teamflow.run.adoption import Adoption
from teamflow.run.leave import Leave
from teamflow.run.roles import Attempts, Listening, Making, Others, Report

SOFT: Final = 2.0
"""Seconds that an agent which was told to end its turn has before the first signal."""


class Conclude(Protocol):
    """Takes in ends of one attempt's phases, later."""

    def __call__(self, *exits: Exited) -> None: ...


class Acts:
    """Belongs to the loop's thread. `record`: of what could not even be started."""

    def __init__(
        self,
        state: RunState,
        target: Target,
        attempts: Attempts,
        adoption: Adoption,
        *,
        record: Callable[[Event], None],
        conclude: Conclude,
        starts: bool = True,
        others: Others | None,
        spawn: Callable[[Coroutine[None, None, None], str], None],
        making: Making | None,
    ) -> None:
        """`spawn` does something named beside the loop. `making`: of runs whose steps may have workspaces of their own.
        `starts` False: nothing is begun, not even what an earlier session has decided."""
        self._state = state
        self._target = target
        self._attempts = attempts
        self._talks = attempts.talks
        self.leave = Leave(state, target, attempts.talks)
        self._adoption = adoption
        self._record = record
        self._conclude = conclude
        self._starts = starts
        self._idle: set[str] = set()
        """Steps with an attempt of which nothing runs, because it was not begun here."""
        self._others = others
        self._making = making
        self._spawn = spawn

    def act(self, event: Event) -> None:
        """Does what a decision says, once it is recorded; most say nothing to be done."""
        match event:
            case AttemptStarted():
                self._begin(event)
            case AttemptStopping(step=step, attempt=attempt, cause=cause):
                self._stop(step, attempt, cause)
            case StepFrozen(step=step, attempt=attempt) | StepThawed(step=step, attempt=attempt):
                self._target.freeze(step, attempt, on=isinstance(event, StepFrozen))
                self._tell(step)
            case MessageSent(steps=steps):
                self._tell(*steps)
            case LeaveAsked() | LeaveWithdrawn() | QuestionAnswered():
                self._tell(*self.leave.act(event))
                if isinstance(event, LeaveAsked) and self._others is not None:
                    self._others.tell(event)
            case EngineLimited() | LimitLifted() | AttemptEnded() | QuestionAsked():
                # The step may be gone by now, where its end was all that kept it in the plan.
                if isinstance(event, AttemptEnded) and self._making is not None:
                    self._making.given(event.step)
                if self._others is not None:
                    self._others.tell(event)
            case _:
                pass

    def again(self, event: AttemptStopping | StepFrozen | AttemptStarted | PhaseEnded | AttemptEnded) -> None:
        """What was decided in an earlier session and may not have been done."""
        match event:
            case PhaseEnded():
                self.phase(event)
            case AttemptEnded():
                self._record(event)
            case _:
                self.act(event)

    def phase(self, ended: PhaseEnded) -> None:
        """Begins the phase that follows."""
        if self._starts:
            self.start(self._attempts.phase(ended))
        else:
            self._idle.add(ended.step)

    def start(self, start: Start | AttemptEnded) -> None:
        """A phase of an attempt, or the end of one that cannot be."""
        if isinstance(start, AttemptEnded):
            self._record(start)
            self.act(start)
            return
        self._target.start(start)
        live = self._state.steps[start.step].live
        if live is not None and live.stopping is not None:
            self._stop(start.step, start.attempt, live.stopping)
        elif live is not None and live.frozen_at is not None:
            # The phase before ended just when it was frozen.
            self._target.freeze(start.step, start.attempt, on=True)
        else:
            self._tell(start.step)

    def kill_all(self) -> None:
        """After a second Ctrl-C: everything that runs is ended without grace."""
        for step_id in self._state.running:
            lacks = self._making is not None and self._making.lacks(step_id)
            if (live := self._state.steps[step_id].live) is not None and not lacks:
                self._target.stop(step_id, live.number, grace=0.0, cause=live.stopping or "interrupt")

    def adopted(self) -> None:
        """What agents of an earlier session were told, and perhaps have not heard; they ignore what they have."""
        for step_id in sorted(self._state.running):
            known = self._state.steps[step_id]
            live = known.live
            if live is None:
                continue
            for number in range(self._talks.heard(step_id) + live.told_from, known.heard):
                self._talks.tell(step_id, number)
            self._tell(step_id)
            self.leave.adopted(step_id)

    def news(self, event: Report) -> Event | None:
        """What is to be recorded of what an attempt tells of itself; None: nothing."""
        if isinstance(event, Listening):
            self._tell(event.step)
            return None
        return self.leave.news(event)

    def heard(self, step_id: str) -> None:
        """Before an attempt ends: a runner that was killed may have handed over what nobody has recorded, and the end
        of its output may hold what nobody was told."""
        known = self._state.steps[step_id]
        live = known.live
        for warned in self._talks.late(step_id, live.number) if live is not None else ():
            if (news := self.leave.news(warned)) is not None:
                self._record(news)
        if live is None or known.heard >= len(known.messages) or live.stopping is not None or known.frozen:
            return
        heard = live.told_from + self._talks.heard(step_id)
        if heard > known.heard:
            self._record(MessageDelivered(step_id, live.number, heard))

    def _tell(self, *step_ids: str) -> None:
        """Hands live agents what they have not heard; what cannot be handed over waits for their next turn."""
        for step_id in step_ids:
            known = self._state.steps[step_id]
            live = known.live
            while known.heard < len(known.messages) and live is not None:
                if known.frozen or live.stopping is not None or not self._talks.hears(step_id, known.heard):
                    break
                number = known.heard
                self._record(MessageDelivered(step_id, live.number, number + 1))
                self._talks.tell(step_id, number)

    def _begin(self, event: AttemptStarted) -> None:
        if not self._starts:
            self._idle.add(event.step)
            return
        if self._making is not None and self._making.lacks(event.step):
            self._spawn(self._make(event, self._making), f"make the workspace of {event.step}")
            return
        self._begun(event)

    async def _make(self, event: AttemptStarted, making: Making) -> None:
        made = await making.make(event.step, event.attempt)
        live = self._state.steps[event.step].live
        if live is not None and live.stopping is not None:
            made = AttemptEnded(event.step, event.attempt, Stopped(live.stopping), "")
        self._record(made)
        making.given(event.step)
        if isinstance(made, WorkspaceReady):
            self._begun(event)
        else:
            self.act(made)

    def _begun(self, event: AttemptStarted) -> None:
        start = self._attempts.begin(event)
        self.start(start)
        ends = self._adoption.ends_of(event.step, event.attempt) if isinstance(start, Start) else ()
        if ends:
            self._conclude(*ends)

    def _stop(self, step: str, attempt: int, cause: str) -> None:
        if step in self._idle:
            self._idle.discard(step)
            live = self._state.steps[step].live
            self._record(AttemptEnded(step, attempt, Stopped(cause), (live.phase if live is not None else "") or AGENT))
            return
        if self._making is not None and self._making.lacks(step):
            # Nothing runs yet: it ends as soon as nobody works on its workspace any more.
            self._making.freed()
            return
        stop = self._state.stop
        grace = 0.0 if stop is not None and stop.kill else self._state.steps[step].step.grace
        soft = SOFT if grace > 0 and self._talks.interrupt(step) else 0.0
        self._target.stop(step, attempt, grace=grace, cause=cause, soft=soft)
