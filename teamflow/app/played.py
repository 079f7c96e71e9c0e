"""A run whose agents are played: their engines, their people and its clock are those of a recording.

Everything else of the run is as ever: executor, keeper, store, retry, verify, outputs. It tells other runs nothing of
usage limits and of what was spent, and is told nothing (`wiring.py`).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from teamflow.core.events import AttemptEnded, AttemptStarted, Event, QuestionAsked
from teamflow.core.invocation import Brief, Exit
from teamflow.core.leave import LeaveAsked
from teamflow.core.limited import EngineLimited, LimitLifted
from teamflow.core.outcome import Failed, Outcome
from teamflow.core.plan import EngineDefinition, Json
from teamflow.core.questions import APPROVE, REJECT, TIMEOUT
from teamflow.core.state import Question, RunState
from teamflow.core.takes import ALWAYS, Answered, Recording
from teamflow.engines.replay import ReplayEngine, base_of
from teamflow.policy.answering import ANSWER, Given
from teamflow.policy.requests import answer_args
from teamflow.ports import Engine
from teamflow.run.clock import LeapingClock
from teamflow.run.desk import Desk

_OWN = frozenset({"command", "person"})


class Table(Protocol):
    """As `run/roles.Engines`."""

    def engine(self, name: str, *, custom: EngineDefinition | None = None) -> Engine: ...

    def outcome_of(self, end: Exit, brief: Brief) -> Outcome: ...

    def outputs(self, text: str, schemas: Mapping[str, Json]) -> Mapping[str, Json] | Failed: ...


class PlayedEngines:
    """`run/roles.Engines`: agents are played, commands run."""

    def __init__(self, table: Table, recording: Recording) -> None:
        self._table = table
        self._recording = recording
        self._bases: dict[tuple[str, int], int] = {}

    def engine(self, name: str, *, custom: EngineDefinition | None = None) -> Engine:
        found = self._table.engine(name, custom=custom)
        return found if name in _OWN else ReplayEngine(found, self._recording, begins=self._begins)

    def outcome_of(self, end: Exit, brief: Brief) -> Outcome:
        return self._table.outcome_of(end, brief)

    def outputs(self, text: str, schemas: Mapping[str, Json]) -> Mapping[str, Json] | Failed:
        return self._table.outputs(text, schemas)

    def _begins(self, brief: Brief) -> int:
        """Where the agent's part of an attempt's log begins: at its end, as long as the agent has not been started;
        what was started by an earlier runner has it noted."""
        key = (brief.step, brief.attempt)
        if key not in self._bases:
            noted = _noted(f"{brief.stem}.replay")
            self._bases[key] = _size(f"{brief.stem}.log") if noted is None else noted
        return self._bases[key]


def _noted(path: str) -> int | None:
    try:
        with open(path, encoding="utf-8") as file:
            return base_of(file.read())
    except OSError:
        return None


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def leaping_clock(recording: Recording) -> LeapingClock:
    """One that need not wait."""
    return LeapingClock(unasked=recording.staged or any(answer.by == TIMEOUT for answer in recording.answers))


class PlayedPeople:
    """`run/roles.Others` of a replay: gives the answers of the recording as soon as they are asked for."""

    def __init__(self, recording: Recording, state: RunState) -> None:
        self._name = recording.name
        self._state = state
        self._answers = {(answer.step, answer.about, answer.nth): answer for answer in recording.answers}
        self._asked: Counter[tuple[str, str]] = Counter()
        self.desk: Desk | None = None

    def news(self, start: AttemptStarted | None) -> Sequence[Event]:
        return ()

    def tell(self, event: EngineLimited | LimitLifted | AttemptEnded | QuestionAsked | LeaveAsked) -> None:
        if not isinstance(event, QuestionAsked | LeaveAsked) or self.desk is None:
            return
        question = self._state.questions[-1]
        about = (question.step, question.about)
        nth, self._asked[about] = self._asked[about], self._asked[about] + 1
        found = self._answers.get((*about, nth)) or self._answers.get((*about, ALWAYS))
        if found is not None and found.by != TIMEOUT:
            self.desk.grant("answer", answer_args(_given(question, found)), by=found.by or self._name)


def _given(question: Question, found: Answered) -> Given:
    if found.answer in (APPROVE, REJECT) and not question.options:
        return Given(question.number, found.answer, "", found.note)
    return Given(question.number, ANSWER, found.answer, found.note)
