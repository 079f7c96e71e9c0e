"""What an answer comes to, and which questions are open: the part of the fold that knows no step's status."""

from __future__ import annotations

import heapq
from typing import Final

from teamflow.core.events import Now, QuestionAsked, Record
from teamflow.core.outcome import Failed, FailureClass, Outcome, Stopped, Succeeded
from teamflow.core.state import Question, RunState, StepState
from teamflow.core.status import Status

APPROVE: Final = "approve"
REJECT: Final = "reject"
TIMEOUT: Final = "timeout"
"""Who answers when nobody does."""

APPROVED: Final = "approved"
"""The text of an approval that was given, where its giver noted nothing."""

_DONE: Final = {APPROVE: "approved", REJECT: "rejected"}


def asked_by(record: Record, state: RunState) -> Question | None:
    """The question that a record asks; None: it asks none."""
    if not isinstance(record.event, QuestionAsked):
        return None
    step, at = record.event.step, record.at
    return next((one for one in reversed(state.questions) if one.step == step and one.asked == at), None)


def outcome_of(question: Question) -> Outcome:
    """What the answer of an `ask` step comes to."""
    if question.answer is None:
        return Failed(FailureClass.TIMEOUT, "nobody answered in time")
    if question.about == "approval":
        if question.answer == APPROVE:
            return Succeeded(text=question.note or APPROVED, exit_code=None)
        return Failed(FailureClass.REJECTED, answer_words(question), text=question.note or None)
    return Succeeded(text=question.answer, exit_code=None)


def noted(question: Question) -> str:
    """What was noted with the answer, as the end of a line; its first line, where there are several."""
    first, more, _ = question.note.strip().partition("\n")
    return f": {first}{' …' if more else ''}" if first else ""


def said_words(question: Question, answer: str | None) -> str:
    """`approved`, `rejected`, `answered staging`."""
    if not question.options and answer in _DONE:
        return _DONE[answer]
    return f"answered {answer}"


def answer_words(question: Question) -> str:
    """What has been answered, and by whom: `approved by ana@box: looks good`."""
    if question.by == TIMEOUT:
        default = f": {question.answer} is the default" if question.answer is not None else ""
        return f"nobody answered in time{default}"
    return f"{said_words(question, question.answer)} by {question.by}{noted(question)}"


def question_id(run: int, number: int) -> str:
    """How people name a question: `12.1`."""
    return f"{run}.{number}"


def withdraw(state: RunState, known: StepState, *, at: float, cause: str = "withdrawn") -> None:
    """The open question about a step, if there is one, needs no answer any more; the attempt that it is ends. An answer
    that nobody has acted on holds no more."""
    state.answers.pop(known.question or 0, None)
    question = state.unanswered.get(known.question or 0)
    if question is not None:
        question.withdrawn = True
        close(state, question)
    live = known.live
    if known.status is Status.WAITING and live is not None and not known.at_work:
        live.ended = at
        live.outcome = Stopped(cause)


def close(state: RunState, question: Question) -> None:
    """It is no longer open."""
    del state.unanswered[question.number]
    prune_deadlines(state)


def prune_deadlines(state: RunState) -> None:
    """The head is the next deadline of an open question."""
    while state.deadlines and state.deadlines[0][1] not in state.unanswered:
        heapq.heappop(state.deadlines)


def time_left(question: Question, now: Now) -> float:
    """Seconds until the deadline, which it must have; 0 when it has passed. On another boot only the wall clock tells,
    and if that was set back, nobody gets more time than there was."""
    if question.mono is None or question.deadline is None:
        raise ValueError(f"question {question.number} has no deadline")
    if question.boot == now.boot:
        return max(0.0, question.mono - now.mono)
    return min(max(0.0, question.deadline - now.wall), question.deadline - question.asked)


def move_deadlines(state: RunState, boot: str, *, at: float, mono: float) -> None:
    """Another boot has another clock: what is left of a deadline is then known by wall time alone."""
    for question in state.unanswered.values():
        if question.deadline is not None and question.boot != boot:
            question.mono = mono + time_left(question, Now(boot, mono, at))
            question.boot = boot
    open_ones = [(q.mono, q.number) for q in state.unanswered.values() if q.mono is not None]
    state.deadlines = sorted(open_ones)
