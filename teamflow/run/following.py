"""The sessions of running attempts, each with the file that it is fed from: opened, followed, read to their end.

What they tell of themselves goes on as it may be recorded: redacted, and only as much of it as matters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from teamflow.core.events import ProgressReported, Warned
from teamflow.core.invocation import Brief, Exit
from teamflow.core.leave import LeaveWithdrawn
from teamflow.core.outcome import Outcome, Succeeded, Usage
from teamflow.core.permissions import Verdict
from teamflow.core.redact import Redactor
from teamflow.core.spending import SpendingTold
from teamflow.core.state import RunState
from teamflow.policy.budget import worth_telling
from teamflow.ports import Clock, Engine, Input, Target
from teamflow.run.brief import told
from teamflow.run.equipping import asked_at
from teamflow.run.place import Place
from teamflow.run.roles import Report
from teamflow.run.stalls import Stalls
from teamflow.run.tail import Tail
from teamflow.run.talk import Talk, messages_in, read_inputs
from teamflow.run.watch import Watch

LINGER: Final = 10.0
"""Seconds that an agent has to end after its work is done."""
FINISHED: Final = "finished"
"""Why it is ended otherwise."""


class Following:
    """By step and attempt; implements `run/roles.Talks`. `finish` may be called from another thread, once it is
    `stop`ped."""

    def __init__(
        self,
        state: RunState,
        place: Place,
        *,
        clock: Clock,
        redactor: Redactor,
        report: Callable[[Report], None],
        say: Callable[[str, str], None],
        target: Target,
    ) -> None:
        self._target = target
        self._leaving: dict[tuple[str, int], asyncio.TimerHandle] = {}
        """Attempts whose work is done and that have yet to end, with when they are made to."""
        self._state = state
        self._place = place
        self._clock = clock
        self._redactor = redactor
        self._report = report
        self._say = say
        self._open: dict[tuple[str, int], Tail] = {}
        self._late: dict[tuple[str, int], list[Warned]] = {}
        self.began: Callable[[str, int], int | None] = lambda step, attempt: None
        """After how many bytes of its log an attempt's agent phase began; None: nobody knows yet."""

    def has(self, step: str, attempt: int) -> bool:
        return (step, attempt) in self._open

    def open(self, engine: Engine, brief: Brief, *, adopted: bool = False) -> None:
        """Follows what the attempt prints, unless that is done already. `adopted`: it may have printed much, and was
        perhaps told things; that is caught up with first."""
        step, attempt = brief.step, brief.attempt
        if self.has(step, attempt):
            return
        tail = self._open[step, attempt] = self._tail(engine, brief)
        if adopted:
            tail.catch_up()
            self._withdraw(brief, tail.talk)
            if tail.talk.over:
                self._see_off(step, attempt)
        tail.follow(asyncio.get_running_loop())

    def _withdraw(self, brief: Brief, talk: Talk) -> None:
        """Questions that nobody waits for any more: withdrawn, or answered by a runner that was killed before it could
        record that."""
        live = self._state.steps[brief.step].live
        for request in list(live.asking) if live is not None else ():
            if request not in talk.open:
                self._report(LeaveWithdrawn(brief.step, brief.attempt, request))

    def hears(self, step_id: str, number: int) -> bool:
        talk = self._talk(step_id)
        return talk is not None and talk.can_tell(told(self._state.steps[step_id].messages[number]))

    def tell(self, step_id: str, number: int) -> None:
        if (talk := self._talk(step_id)) is not None:
            talk.tell(told(self._state.steps[step_id].messages[number]))

    def heard(self, step_id: str) -> int:
        live = self._state.steps[step_id].live
        return 0 if live is None else messages_in(self._past(step_id, live.number))

    def answer(self, step_id: str, request: str, verdict: Verdict) -> None:
        if (talk := self._talk(step_id)) is not None:
            talk.answer(request, verdict)

    def interrupt(self, step_id: str) -> bool:
        talk = self._talk(step_id)
        return talk is not None and talk.interrupt()

    def _talk(self, step_id: str) -> Talk | None:
        """Of a step's live attempt, where it is followed; what is said in it may be answered soon."""
        live = self._state.steps[step_id].live
        tail = self._open.get((step_id, live.number)) if live is not None else None
        if tail is None:
            return None
        tail.hasten()
        return tail.talk

    def _past(self, step_id: str, attempt: int) -> tuple[Input, ...]:
        return read_inputs(f"{self._place.stem(step_id, attempt)}.in.log")

    def stop(self, step: str, attempt: int) -> None:
        if (timer := self._leaving.pop((step, attempt), None)) is not None:
            timer.cancel()
        tail = self._open.get((step, attempt))
        if tail is not None:
            tail.stop()

    def finish(self, engine: Engine, brief: Brief, step: str, attempt: int, end: Exit) -> Outcome:
        """What the attempt came to, all that it printed considered."""
        tail = self._open.pop((step, attempt), None) or self._tail(engine, brief)
        tail.finish(end.log_start, end.log_end)
        if tail.late:
            self._late[step, attempt] = tail.late
        outcome = tail.close(end)
        outcome = asked_at(outcome, brief) if brief.base_url else outcome
        if isinstance(outcome, Succeeded) and outcome.text and not tail.said:
            self._say(step, outcome.text)
        return outcome if tail.model is None else outcome._replace(model=self._redactor.text(tail.model))

    def late(self, step_id: str, attempt: int) -> Sequence[Warned]:
        told = self._late.pop((step_id, attempt), ()) if self._late else ()
        return [event._replace(text=self._redactor.text(event.text)) for event in told]

    def spent(self, step: str, attempt: int) -> Usage | None:
        """What the attempt has told of its cost so far."""
        tail = self._open.get((step, attempt))
        return tail.usage if tail is not None else None

    def close(self) -> None:
        for timer in self._leaving.values():
            timer.cancel()
        for tail in self._open.values():
            tail.stop()

    def _tail(self, engine: Engine, brief: Brief) -> Tail:
        step, attempt = brief.step, brief.attempt
        known = self._state.steps[step].step
        awake = partial(self._awake, step)
        watch = None if known.guards is None else Watch(known.guards, begun=awake())
        return Tail(
            self._place.log(step, attempt),
            Talk(engine.session(brief), partial(self._send, step, attempt), self._past(step, attempt)),
            step=step,
            attempt=attempt,
            report=self._told,
            say=self._say,
            begins=lambda: self.began(step, attempt),
            watch=watch,
            stalls=Stalls(engine.capabilities, begun=awake(), idle=known.idle_timeout),
            stalled=partial(self._stalled, step, attempt),
            now=awake,
            redact=self._redactor.text,
        )

    def _send(self, step: str, attempt: int, given: Input) -> None:
        self._target.send(step, attempt, given)
        if given.end:
            self._see_off(step, attempt)

    def _see_off(self, step: str, attempt: int) -> None:
        """Its work is done, and it was told so: it has to end, by itself or not."""
        if (step, attempt) not in self._leaving:
            loop = asyncio.get_running_loop()
            self._leaving[step, attempt] = loop.call_later(LINGER, self._stalled, step, attempt, FINISHED)

    def _stalled(self, step: str, attempt: int, cause: str) -> None:
        self._target.stop(step, attempt, grace=self._state.steps[step].step.grace, cause=cause)

    def _awake(self, step: str) -> float:
        """Seconds since boot, but for those in which the attempt was halted where it is."""
        now, live = self._clock.now().mono, self._state.steps[step].live
        if live is None:
            return now
        return now - live.still_for - (max(0.0, now - live.still_at) if live.still_at is not None else 0.0)

    def _told(self, event: Report) -> None:
        if isinstance(event, ProgressReported | Warned):
            event = event._replace(text=self._redactor.text(event.text))
        if not isinstance(event, SpendingTold) or self._matters(event):
            self._report(event)

    def _matters(self, event: SpendingTold) -> bool:
        known = self._state.steps[event.step]
        live = known.live
        return (
            live is not None and live.number == event.attempt and worth_telling(self._state, known, live, event.usage)
        )
