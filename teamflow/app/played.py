"""A run whose agents are played: their engines, their people and its clock are those of a recording.

Everything else of the run is as ever: executor, keeper, store, retry, verify, outputs. It tells other runs nothing of
usage limits and of what was spent, and is told nothing (`wiring.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from teamflow.core.events import AttemptEnded, AttemptStarted, Event, QuestionAsked
from teamflow.core.invocation import Brief, Exit
from teamflow.core.leave import LeaveAsked
from teamflow.core.limited import EngineLimited, LimitLifted
from teamflow.core.outcome import Failed, FailureClass, Outcome, Stopped
from teamflow.core.plan import EngineDefinition, Json
from teamflow.core.questions import APPROVE, REJECT, TIMEOUT
from teamflow.core.state import Question, RunState
from teamflow.core.takes import ALWAYS, Answered, Recording, Take
from teamflow.engines.replay import ReplayEngine
from teamflow.policy.answering import ANSWER, Given
from teamflow.policy.requests import answer_args
from teamflow.ports import Engine
from teamflow.run.clock import LeapingClock, SystemClock
from teamflow.run.desk import Desk

_OWN = frozenset({"command", "person"})


class Table(Protocol):
    """As `run/roles.Engines`."""

    def engine(self, name: str, *, custom: EngineDefinition | None = None) -> Engine: ...

    def outcome_of(self, end: Exit, brief: Brief) -> Outcome: ...

    def outputs(self, text: str, schemas: Mapping[str, Json]) -> Mapping[str, Json] | Failed: ...


class PlayedEngines:
    """`run/roles.Engines`: agents are played, commands run."""

    def __init__(self, table: Table, recording: Recording, state: RunState) -> None:
        self._table = table
        self._recording = recording
        self._state = state

    def engine(self, name: str, *, custom: EngineDefinition | None = None) -> Engine:
        found = self._table.engine(name, custom=custom)
        return found if name in _OWN else self._played(found)

    def outcome_of(self, end: Exit, brief: Brief) -> Outcome:
        return self._table.outcome_of(end, brief)

    def outputs(self, text: str, schemas: Mapping[str, Json]) -> Mapping[str, Json] | Failed:
        return self._table.outputs(text, schemas)

    def _played(self, engine: Engine) -> ReplayEngine:
        return ReplayEngine(engine, self._recording, place=self._place)

    def _place(self, brief: Brief) -> int:
        """Which of the recorded attempts it is: one that was stopped here, or was lost with its keeper, has not played
        what it would have."""
        known = self._state.steps.get(brief.step) or self._state.removed.get(brief.step)
        place = 1
        for attempt in known.attempts if known is not None else ():
            if attempt.number >= brief.attempt:
                break
            place += 0 if self._cut_off(brief.step, attempt.outcome, place) else 1
        return place

    def _cut_off(self, step: str, outcome: Outcome | None, place: int) -> bool:
        match outcome:
            case Stopped():
                return True
            case Failed(failure=FailureClass.LOST):
                take = self._recording.take(step, place)
                return not (isinstance(take, Take) and take.result == outcome)
            case _:
                return False


class BarredEngines:
    """`run/roles.Engines` of a replay, for who does not know what is played in it: no agent is started there."""

    def __init__(self, table: Table, replay: str) -> None:
        self._table = table
        self._replay = replay

    def engine(self, name: str, *, custom: EngineDefinition | None = None) -> Engine:
        found = self._table.engine(name, custom=custom)
        return found if name in _OWN else _Barred(found, self._replay)

    def outcome_of(self, end: Exit, brief: Brief) -> Outcome:
        return self._table.outcome_of(end, brief)

    def outputs(self, text: str, schemas: Mapping[str, Json]) -> Mapping[str, Json] | Failed:
        return self._table.outputs(text, schemas)


class _Barred:
    """Reads what was begun of an attempt, and begins none."""

    def __init__(self, inner: Engine, replay: str) -> None:
        self.name = inner.name
        self.capabilities = inner.capabilities._replace(mcp=frozenset())
        self.session = inner.session
        self._reason = f"this run is a replay of {replay}: no agent works in it"

    def invoke(self, brief: Brief) -> Failed:
        return Failed(FailureClass.FATAL, self._reason)


def leaping_clock(recording: Recording, state: RunState) -> LeapingClock:
    """One that need not wait, and goes on where that of an earlier runner was."""
    now, ahead = SystemClock().now(), 0.0
    if state.runner is not None:
        same = state.runner.boot == now.boot
        ahead = max(0.0, state.mono - now.mono if same else state.updated - now.wall)
    unasked = recording.staged or any(answer.by == TIMEOUT for answer in recording.answers)
    return LeapingClock(unasked=unasked, ahead=ahead)


class PlayedPeople:
    """`run/roles.Others` of a replay: gives the answers of the recording as soon as they are asked for."""

    def __init__(self, recording: Recording, state: RunState) -> None:
        self._name = recording.name
        self._state = state
        self._answers = {(answer.step, answer.about, answer.nth): answer for answer in recording.answers}
        self._open = list(state.unanswered.values())
        """What an earlier runner has asked, and may not have lived to answer."""
        self.desk: Desk | None = None

    def news(self, start: AttemptStarted | None) -> Sequence[Event]:
        asked, self._open = self._open, []
        for question in asked:
            if question.number in self._state.unanswered:
                self._answer(question)
        return ()

    def tell(self, event: EngineLimited | LimitLifted | AttemptEnded | QuestionAsked | LeaveAsked) -> None:
        if isinstance(event, QuestionAsked | LeaveAsked):
            self._answer(self._state.questions[-1])

    def _answer(self, question: Question) -> None:
        if self.desk is None:
            return
        about = (question.step, question.about)
        before = (one for one in self._state.questions if one.number < question.number)
        nth = sum(1 for one in before if (one.step, one.about) == about)
        found = self._answers.get((*about, nth)) or self._answers.get((*about, ALWAYS))
        if found is not None and found.by != TIMEOUT:
            self.desk.grant("answer", answer_args(_given(question, found)), by=found.by or self._name)


def _given(question: Question, found: Answered) -> Given:
    if found.answer in (APPROVE, REJECT) and not question.options:
        return Given(question.number, found.answer, "", found.note)
    return Given(question.number, ANSWER, found.answer, found.note)
