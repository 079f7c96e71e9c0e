"""The fold's rules for leave that a running agent asks for. Used by `core/fold*.py` only.

While an answer is waited for the step is `waiting` on a person, with its attempt alive. There may be several requests
of one attempt; what is open when it ends is withdrawn.
"""

from __future__ import annotations

from teamflow.core.attempts import AttemptState
from teamflow.core.events import QuestionAnswered, QuestionAsked, Record
from teamflow.core.leave import PERMISSION, LeaveAsked, LeaveWithdrawn
from teamflow.core.questions import close
from teamflow.core.shell import excerpt
from teamflow.core.state import Question, RunState, StepState
from teamflow.core.status import IllegalTransition, Status
from teamflow.core.transitions import TRANSITIONS

_REASON = 200
"""Characters of a request that stand as the reason why its step waits."""


def leave_asked(state: RunState, record: Record, event: LeaveAsked) -> list[str]:
    known = state.steps[event.step]
    if Status.WAITING not in TRANSITIONS.get((known.status, LeaveAsked), ()):
        raise IllegalTransition(f"{event.step}: {known.status} asks for no leave")
    live = known.running(event.attempt)
    if event.request in live.asking or event.request in live.verdicts:
        raise IllegalTransition(f"{event.step}: {event.request} was asked before")
    asked = QuestionAsked(event.step, PERMISSION, event.text)
    question = Question(asked, number=len(state.questions) + 1, asked=record.at)
    question.request = event.request
    state.questions.append(question)
    state.unanswered[question.number] = question
    live.asking[event.request] = question.number
    settle(state, known, live, mono=record.mono)
    return [event.step]


def leave_answered(state: RunState, record: Record, event: QuestionAnswered, question: Question) -> list[str]:
    """What a person has said to such a question."""
    known = state.steps[question.step]
    live = known.live
    if live is None or live.asking.get(question.request) != question.number:
        raise IllegalTransition(f"question {question.number}: nobody waits for it")
    del live.asking[question.request]
    live.verdicts[question.request] = question.number
    close(state, question)
    settle(state, known, live, mono=record.mono)
    return [question.step]


def leave_withdrawn(state: RunState, record: Record, event: LeaveWithdrawn) -> list[str]:
    known = state.steps[event.step]
    live = known.running(event.attempt)
    number = live.asking.pop(event.request, None)
    if number is None:
        raise IllegalTransition(f"{event.step}: {event.request} is not open")
    _withdraw(state, number)
    settle(state, known, live, mono=record.mono)
    return [event.step]


def no_longer_asking(state: RunState, known: StepState, live: AttemptState, *, mono: float) -> None:
    """The attempt is about to be ended, or has ended: nobody waits for an answer any more."""
    for number in live.asking.values():
        _withdraw(state, number)
    live.asking = {}
    settle(state, known, live, mono=mono)


def settle(state: RunState, known: StepState, live: AttemptState, *, mono: float) -> None:
    """The status of a step with a live attempt, by what that waits for; and its clock, which stands still meanwhile."""
    still = live.frozen_at is not None or bool(live.asking)
    if still and live.still_at is None:
        live.still_at = mono
    elif not still and live.still_at is not None:
        live.still_for += max(0.0, mono - live.still_at)
        live.still_at = None
    step_id = known.step.id
    (state.asking.add if live.asking else state.asking.discard)(step_id)
    if live.frozen_at is not None:
        known.status = Status.WAITING
        known.waiting_on, known.waiting_by = "pause", "user"
    elif live.asking:
        question = state.questions[next(iter(live.asking.values())) - 1]
        known.status, known.reason = Status.WAITING, excerpt(question.text.partition("\n")[0], width=_REASON)
        known.waiting_on, known.waiting_by = "person", PERMISSION
        known.question = question.number
    else:
        known.status, known.reason = Status.RUNNING, live.reason
        known.waiting_on = known.waiting_by = None
    clock_work(state, mono)


def clock_work(state: RunState, mono: float) -> None:
    """Counts the time during which at least one attempt is at work: those that are halted, or wait for a person, are
    not."""
    at_work = len(state.running) > len(state.frozen | state.asking)
    if at_work and state.active_since is None:
        state.active_since = mono
    elif not at_work and state.active_since is not None:
        state.active += max(0.0, mono - state.active_since)
        state.active_since = None


def _withdraw(state: RunState, number: int) -> None:
    question = state.unanswered.get(number)
    if question is not None:
        question.withdrawn = True
        close(state, question)
