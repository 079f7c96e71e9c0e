"""Questions to people: when one is asked, what its answer leads to, when its time is up.

Pure. A question takes no slot; while it is open, other branches go on. Refuses to know how people are reached.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.events import Event, Now, QuestionAnswered, QuestionAsked, Reopened, StepEnded
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded
from teamflow.core.plan import ASK, Ask, Deferred, Json
from teamflow.core.state import Question, RunState, StepState
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

    return render_text(prompt.template, step_context(state, known.step, run=run))


def may_go_on(step_id: str, text: str, *, about: str) -> QuestionAsked:
    """Asks whether a step that a limit or a guard holds back may go on. about: budget | guard."""
    return QuestionAsked(step_id, about, text, (GO_ON, STOP))


def newest(state: RunState, known: StepState) -> Question | None:
    """The last question about a step."""
    return None if known.question is None else state.questions[known.question - 1]


def allowed(state: RunState, known: StepState, *, about: str) -> bool:
    """Whether a person has let this step go on, since it was last held back for that."""
    question = newest(state, known)
    return question is not None and question.about == about and question.answer == GO_ON


def after_answer(state: RunState, known: StepState) -> Event | None:
    """What follows for a step that waits for a person; None while nobody has answered."""
    question = newest(state, known)
    if question is None or question.answered is None:
        return None
    step = known.step
    if step.kind == ASK and question.about in ("approval", "question"):
        return _after_ask(known)
    if question.answer == GO_ON:
        return Reopened((step.id,), "resume", {step.id: f"{question.by} lets it go on"})
    note = f": {question.note}" if question.note else ""
    return StepEnded(step.id, "failed", f"stopped by {question.by}{note}", failure=FailureClass.REJECTED)


def _after_ask(known: StepState) -> Event:
    outcome = known.attempts[-1].outcome
    match outcome:
        case Succeeded():
            return StepEnded(known.step.id, "succeeded", "")
        case Failed():
            return StepEnded(known.step.id, "failed", outcome.reason)
        case Stopped() | None:
            raise AssertionError(f"{known.step.id}: its question was answered, but it has no result")


def times_up(state: RunState, now: Now) -> QuestionAnswered | None:
    """The answer of the question whose deadline has passed: its default, if it has one."""
    if not state.deadlines or state.deadlines[0][0] > now.mono:
        return None
    question = state.questions[state.deadlines[0][1] - 1]
    return QuestionAnswered(question.number, question.default, "timeout")
