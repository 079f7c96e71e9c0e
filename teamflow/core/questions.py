"""What an answer comes to, and which questions are open: the part of the fold that knows no step's status."""

from __future__ import annotations

import heapq
from typing import Final

from teamflow.core.outcome import Failed, FailureClass, Outcome, Succeeded
from teamflow.core.state import Question, RunState, StepState

APPROVE: Final = "approve"
REJECT: Final = "reject"
APPROVED: Final = "approved"
"""The text of an approval that was given, where its giver noted nothing."""


def outcome_of(question: Question) -> Outcome:
    """What the answer of an `ask` step comes to."""
    if question.answer is None:
        return Failed(FailureClass.TIMEOUT, "nobody answered in time")
    if question.about == "approval":
        if question.answer == APPROVE:
            return Succeeded(text=question.note or APPROVED, exit_code=None)
        note = f": {question.note}" if question.note else ""
        return Failed(FailureClass.REJECTED, f"rejected by {question.by}{note}")
    return Succeeded(text=question.answer, exit_code=None)


def withdraw(state: RunState, known: StepState) -> None:
    """The open question about a step, if there is one, needs no answer any more."""
    question = state.unanswered.get(known.question or 0)
    if question is not None:
        question.withdrawn = True
        close(state, question)


def close(state: RunState, question: Question) -> None:
    """It is no longer open."""
    del state.unanswered[question.number]
    prune_deadlines(state)


def prune_deadlines(state: RunState) -> None:
    """The head is the next deadline of an open question."""
    while state.deadlines and state.deadlines[0][1] not in state.unanswered:
        heapq.heappop(state.deadlines)


def move_deadlines(state: RunState, boot: str, *, at: float, mono: float) -> None:
    """Another boot has another clock: what is left of a deadline is then known by wall time alone."""
    for question in state.unanswered.values():
        if question.deadline is not None and question.boot != boot:
            question.boot = boot
            question.mono = mono + max(0.0, question.deadline - at)
    open_ones = [(q.mono, q.number) for q in state.unanswered.values() if q.mono is not None]
    state.deadlines = sorted(open_ones)
