"""The fold's rules for questions to people. A question numbers itself by its place in the log.

Used by `core/fold.py` only. An `ask` step's attempt begins with its question and ends with the
answer; no process belongs to it, and it takes no slot.
"""

from __future__ import annotations

import heapq
from typing import Final

from teamflow.core.attempts import AttemptState
from teamflow.core.events import QuestionAnswered, QuestionAsked, Record
from teamflow.core.fold_budget import budget_answered
from teamflow.core.fold_leave import leave_answered
from teamflow.core.fold_step import asking_dependents, check, hold_back
from teamflow.core.guarding import GUARD
from teamflow.core.leave import PERMISSION
from teamflow.core.outcome import Failed, Succeeded
from teamflow.core.questions import close, outcome_of, prune_deadlines
from teamflow.core.shell import excerpt
from teamflow.core.state import Question, RunState
from teamflow.core.status import IllegalTransition, Status

_REASON: Final = 200
"""Characters of a question that stand as the reason why its step waits."""


def question_asked(state: RunState, record: Record, event: QuestionAsked) -> list[str]:
    known = state.steps[event.step]
    check(known, QuestionAsked, Status.WAITING)
    if known.live is not None:
        raise IllegalTransition(f"{event.step}: an attempt still runs")
    question = Question(event, number=len(state.questions) + 1, asked=record.at)
    state.questions.append(question)
    state.unanswered[question.number] = question
    if question.mono is not None:
        heapq.heappush(state.deadlines, (question.mono, question.number))
    prune_deadlines(state)
    known.question = question.number
    hold_back(state, known, reason=excerpt(question.text, width=_REASON), on="person", by="question")
    if question.own:
        number = len(known.attempts) + 1
        begun = AttemptState(
            number=number,
            began=record.seq,
            cause=known.next_cause,
            continues=None,
            reason="",
            started=record.at,
            mono=record.mono,
        )
        known.attempts.append(begun)
    return [event.step, *asking_dependents(state, event.step)]


def question_answered(state: RunState, record: Record, event: QuestionAnswered) -> list[str]:
    question = state.unanswered.get(event.question)
    if question is None:
        raise IllegalTransition(f"question {event.question} is not open")
    known = state.steps[question.step]
    check(known, QuestionAnswered, Status.WAITING)
    question.answered = record.at
    question.answer = event.answer
    question.by = event.by
    question.note = event.note
    if question.about == PERMISSION:
        return leave_answered(state, record, event, question)
    close(state, question)
    state.answers[question.number] = question
    if question.about == GUARD:
        known.guarded_from = len(known.attempts)
    if question.scope:
        budget_answered(state, known, question)
    if question.own and known.live is not None:
        known.live.ended = record.at
        known.live.outcome = outcome = outcome_of(question)
        known.text = outcome.text if isinstance(outcome, Succeeded | Failed) else None
    return [question.step]
