"""What a person may say to a question, and the answer that it is; or why it is none.

Pure. An approval is approved or rejected; a question has one of its options as its answer; where a step is held back
(budget, guard), to approve is to let it go on. Who comes second is told what the first one said.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from teamflow.core.events import Now, QuestionAnswered
from teamflow.core.named import NamedTuple
from teamflow.core.questions import APPROVE, REJECT, TIMEOUT, answer_words, noted, question_id, said_words, time_left
from teamflow.core.shell import quoted
from teamflow.core.state import Question, RunState
from teamflow.policy.asking import FAIL, GO_ON, RETRY, STOP, outdated

ANSWER: Final = "answer"
VERBS: Final = (APPROVE, REJECT, ANSWER)


class Given(NamedTuple):
    """What somebody says. verb: approve | reject | answer, with `text` of an answer alone."""

    question: int
    verb: str
    text: str = ""
    note: str = ""


def accepted(state: RunState, given: Given, now: Now, *, by: str, run: int) -> QuestionAnswered | str:
    """The answer to be recorded, or why there is none: one line for people, or several."""
    if not 1 <= given.question <= len(state.questions):
        return f"run {run} has asked no question {given.question}; `teamflow inbox` lists what is open"
    question = state.questions[given.question - 1]
    closed = _closed(state, question, now, run)
    if closed:
        return closed
    said = _said(question, given)
    if said is None:
        return _refusal(question, given, question_id(run, question.number))
    return QuestionAnswered(question.number, said, by, given.note.strip())


def told(state: RunState, answer: QuestionAnswered) -> str:
    """What has been done, for whoever answered."""
    question = state.questions[answer.question - 1]
    return f"{question.step}: {said_words(question, answer.answer)}"


def commands(question: Question, run: int) -> list[str]:
    """What to type for each of the answers that it takes."""
    name = question_id(run, question.number)
    if question.options:
        dashed = ("-- " if option.startswith("-") else "" for option in question.options)
        return [
            f"teamflow answer {name} {dash}{quoted(option)}"
            for dash, option in zip(dashed, question.options, strict=True)
        ]
    return [f"teamflow approve {name}", f"teamflow reject {name}"]


def _closed(state: RunState, question: Question, now: Now, run: int) -> str:
    """Why it takes no answer; empty when it does."""
    name = question_id(run, question.number)
    known = state.steps.get(question.step) or state.removed.get(question.step)
    if question.answered is not None:
        return f"{name} ({question.step}) {_history(question)}"
    newest = known.question if known is not None else None
    if question.withdrawn and newest in state.unanswered:
        return f"{name} was withdrawn: {question.step} now asks {question_id(run, newest)}"
    if question.withdrawn:
        ended = f" ({known.status.value})" if known is not None else ""
        return f"{name} was withdrawn: {question.step} asks nothing any more{ended}"
    if question.mono is not None and time_left(question, now) <= 0:
        taken = "nobody answered in time" if question.default is None else f"its default, {question.default}, is taken"
        return f"the time for {name} ({question.step}) was up{_at(question.deadline)}: {taken}"
    why = outdated(state, known) if known is not None else ""
    return f"{name} is withdrawn: {why}, and then {question.step} asks again" if why else ""


def _history(question: Question) -> str:
    """Who has answered it, when and what."""
    if question.by == TIMEOUT:
        return f"has its answer{_at(question.answered)}: {answer_words(question)}"
    return f"is {said_words(question, question.answer)} by {question.by}{_at(question.answered)}{noted(question)}"


def _at(moment: float | None) -> str:
    return "" if moment is None else f" at {datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _said(question: Question, given: Given) -> str | None:
    """The answer in the words of the log; None: it is none to this question."""
    match question.about, given.verb:
        case "approval" | "permission", "approve" | "reject":
            return given.verb
        case "approval" | "permission", _:
            return None
        case "failure", "approve" | "reject":
            return RETRY if given.verb == APPROVE else FAIL
        case about, "approve" | "reject" if about != "question":
            return GO_ON if given.verb == APPROVE else STOP
        case _, "answer" if given.text in question.options:
            return given.text
        case _:
            return None


def _refusal(question: Question, given: Given, name: str) -> str:
    asks = f"{name} ({question.step})"
    if question.about in ("approval", "permission"):
        wanted = "leave" if question.about == "permission" else "an approval"
        return f"{asks} asks for {wanted}\n  say `teamflow approve {name}` or `teamflow reject {name} --note WHY`"
    takes = ", ".join(map(quoted, question.options))
    if given.verb != ANSWER:
        return f"{asks} is a question: it takes {takes}\n  say `teamflow answer {name} ANSWER`"
    # Imported here: it is for mistakes only.
    from teamflow.core.diagnostics import did_you_mean

    meant = did_you_mean(given.text, question.options)
    hint = f"\n  {meant}" if meant else ""
    return f"{quoted(given.text)} is no answer to {asks}: it takes {takes}{hint}"
