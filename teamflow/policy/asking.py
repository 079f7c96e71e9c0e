"""Questions to people: when one is asked, what its answer leads to, when its time is up.

Pure. A question takes no slot; while it is open, other branches go on. What is asked about has ended: when it is about
to be done again, the question is withdrawn, and asked anew afterwards. Refuses to know how people are reached, and
what they may say (`policy/answering.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.events import Event, Now, QuestionAnswered, QuestionAsked, Reopened, StepEnded
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.plan import Ask, Deferred, Json
from teamflow.core.questions import TIMEOUT, answer_words, noted
from teamflow.core.state import Question, RunState, StepState
from teamflow.core.status import ENDED
from teamflow.policy.context import step_context

GO_ON = "go on"
STOP = "stop"


def ask_step(state: RunState, known: StepState, now: Now, *, run: Mapping[str, Json]) -> Event:
    """The question of an `ask` step that is its turn."""
    step = known.step
    ask = step.ask or Ask()
    try:
        text = _text(state, known, run)
    except ValueError as error:
        return StepEnded(step.id, "failed", f"ask: {error}", failure=FailureClass.START)
    about = "question" if ask.options else "approval"
    asked = QuestionAsked(step.id, about, text, ask.options, ask.default)
    if step.timeout is None:
        return asked
    return asked._replace(boot=now.boot, mono=now.mono + step.timeout, deadline=now.wall + step.timeout)


def _text(state: RunState, known: StepState, run: Mapping[str, Json]) -> str:
    """Raises ValueError (TemplateError is one) for what cannot be rendered."""
    prompt = known.step.prompt
    if not isinstance(prompt, Deferred):
        return prompt or ""
    # Imported here: most runs ask nothing that depends on results, and jinja2 is slow to import.
    from teamflow.team.template import render_text

    context = step_context(state, known.step, run=run, attempt=len(known.attempts) + 1)
    return render_text(prompt.template, context)


def may_go_on(step_id: str, text: str, *, about: str) -> QuestionAsked:
    """Asks whether a step that a limit or a guard holds back may go on. about: budget | guard."""
    return QuestionAsked(step_id, about, text, (GO_ON, STOP))


def yes_or_no(state: RunState) -> list[Question]:
    """The open questions that yes or no answers; the one that has been open longest first."""
    return [one for one in state.unanswered.values() if not one.options or one.options == (GO_ON, STOP)]


RETRY, RELAUNCH, SKIP, FAIL = "retry", "relaunch", "skip", "fail"
AFTER_FAILURE: Final = (RETRY, RELAUNCH, SKIP, FAIL)
"""What may follow a failure, for somebody to choose."""


def escalated(known: StepState, ended: StepEnded) -> Event:
    """The end of a step, or the question what is to follow, where it is about to fail and somebody is to be asked."""
    if ended.status != "failed" or not known.step.escalates:
        return ended
    outcome = known.attempts[-1].outcome if known.attempts else None
    failure = ended.failure or (outcome.failure if isinstance(outcome, Failed) else None)
    return QuestionAsked(ended.step, "failure", ended.reason, AFTER_FAILURE, failure=failure)


def _after_failure(question: Question) -> Event:
    """What somebody has chosen for a step that has failed."""
    step_id, by = question.step, question.by
    match question.answer:
        case "retry" | "relaunch" as cause:
            return Reopened((step_id,), cause, {step_id: f"{by} lets it be tried again{noted(question)}"})
        case "skip":
            return StepEnded(step_id, "skipped", f"skipped by {by}{noted(question)}: {question.text}", own=True)
        case _:
            return StepEnded(step_id, "failed", question.text, failure=question.failure)


def newest(state: RunState, known: StepState) -> Question | None:
    """The last question about a step."""
    return None if known.question is None else state.questions[known.question - 1]


def asks_what_follows(state: RunState, known: StepState) -> bool:
    """Whether the step has failed, and somebody is asked what is to follow."""
    question = newest(state, known)
    return known.waiting_on == "person" and question is not None and question.about == "failure" and question.open


def still_asks(state: RunState, known: StepState) -> Event | None:
    """What ends the waiting of a step for a person without an answer, or although there is one; None: nothing."""
    question = newest(state, known)
    if known.waiting_on != "person" or question is None:
        return None
    step_id = known.step.id
    if question.open and state.stop is not None and state.stop.cause == "fail_fast":
        return StepEnded(step_id, "cancelled", state.stop.reason)
    # Of a step that left the plan and came back the question, or what was answered, holds no more.
    gone = question.number not in state.unanswered and question.number not in state.answers
    why = known.stale or outdated(state, known) or ("it is in the plan again" if gone else "")
    return Reopened((step_id,), "revision", {step_id: why}) if why else None


def next_answer(state: RunState) -> Event | None:
    """What an answer leads to; None while there is none. It has to wait while what it is about is looked up again, and
    while its step is paused."""
    for number in sorted(state.answers):
        question = state.questions[number - 1]
        known = state.steps[question.step]
        if known.pause is not None:
            continue
        if not question.own:
            return _after_holding(known, question)
        if all(state.steps[edge.on].status in ENDED for edge in known.step.edges):
            return _after_ask(known, question)
    return None


def _after_holding(known: StepState, question: Question) -> Event:
    """Of a step that was held back."""
    step_id = known.step.id
    if question.about == "failure":
        return _after_failure(question)
    if question.answer == GO_ON or question.scope == "run":
        # Who says that a run may spend no more has said nothing against this step.
        said = "lets it go on" if question.answer == GO_ON else "says that no more is to be spent"
        return Reopened((step_id,), "resume", {step_id: f"{question.by} {said}"})
    reason = f"stopped by {question.by}{noted(question)}"
    return StepEnded(step_id, "failed", reason, failure=FailureClass.REJECTED)


def outdated(state: RunState, known: StepState) -> str:
    """Why what the question of an `ask` step is about no longer stands; empty when it does.

    A dependency that is only looked up again may be found as it was.
    """
    question = newest(state, known)
    if question is None or not question.own:
        return ""
    for edge in known.step.edges:
        on = state.steps[edge.on]
        if on.status not in ENDED and (on.live is not None or (on.attempts and on.admitted)):
            return f"{edge.on} runs again"
    return ""


def _after_ask(known: StepState, question: Question) -> StepEnded:
    """The end of an `ask` step, which the outcome of its attempt settles."""
    step_id, outcome = known.step.id, known.attempts[-1].outcome
    if isinstance(outcome, Failed):
        return StepEnded(step_id, "failed", outcome.reason)
    return StepEnded(step_id, "succeeded", answer_words(question))


def times_up(state: RunState, now: Now) -> QuestionAnswered | None:
    """The answer of the question whose deadline has passed: its default, if it has one."""
    if not state.deadlines or state.deadlines[0][0] > now.mono:
        return None
    question = state.questions[state.deadlines[0][1] - 1]
    return QuestionAnswered(question.number, question.default, TIMEOUT)
