"""Questions to people as they are shown: in an inbox, in a run's lines and tables, in JSON.

Every line is clean for a terminal. What may be said to a question is decided in `policy/answering.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json
from teamflow.core.questions import question_id
from teamflow.core.state import Question, RunState
from teamflow.policy.answering import commands
from teamflow.views import words
from teamflow.views.sanitize import cell, clean

_MOST_LINES: Final = 20
_MOST_SHOWN: Final = 3
_LISTED: Final = 4


class Item(NamedTuple):
    """A question of a run, as an inbox lists it. `alive`: a runner works on the run."""

    run: int
    team: str
    alive: bool
    question: Question


def inbox_text(items: Sequence[Item], *, now: float, zone: tzinfo | None = None) -> str:
    """What is asked, each with what to type; ends with a newline."""
    parts = [_item_lines(item, now, zone) for item in items]
    return "\n".join("".join(f"{line}\n" for line in lines) for lines in parts)


def _item_lines(item: Item, now: float, zone: tzinfo | None) -> list[str]:
    question = item.question
    ago = words.duration(max(0.0, now - question.asked))
    gone = "" if item.alive else ", no runner"
    head = f"{question_id(item.run, question.number)}  {question.step} of {item.team}: {question.about}"
    head += f", asked {ago} ago{_deadline(question, now, zone)}{gone}"
    return [cell(head), *(f"  {line}".rstrip() for line in _text_lines(question)), f"  {how(question, item.run)}"]


def asked_lines(question: Question, run: int, *, now: float, zone: tzinfo | None = None) -> list[str]:
    """A question as a run tells it when it is asked; each line begins with the step."""
    step = cell(question.step)
    first, *more = _text_lines(question)
    head = f"{step}: asks {question_id(run, question.number)} ({question.about}{_deadline(question, now, zone)}): "
    lines = [head + first, *(f"{step}:   {line}".rstrip() for line in more)]
    return [*lines, f"{step}: {how(question, run)}"] if question.open else lines


def open_lines(state: RunState, run: int, *, now: float, zone: tzinfo | None = None) -> list[str]:
    """The open questions in a few lines, for below a table; empty where nothing is asked."""
    questions = list(state.unanswered.values())
    lines: list[str] = []
    for question in questions[:_MOST_SHOWN]:
        until = _deadline(question, now, zone)
        lines.append(f"? {question_id(run, question.number)} {cell(question.step)}{until}: {_text_lines(question)[0]}")
        lines.append(f"    {how(question, run)}")
    if len(questions) > _MOST_SHOWN:
        lines.append(f"? {len(questions) - _MOST_SHOWN} more: `teamflow inbox`")
    return lines


def how(question: Question, run: int) -> str:
    """The commands that answer it."""
    typed = commands(question, run)
    if len(typed) > _LISTED:
        options = cell(words.names([repr(option) for option in question.options], most=8))
        return f"`{typed[0].rpartition(' ')[0]} …` with one of {options}"
    default = f"; if nobody does: {question.default}" if question.default is not None else ""
    return cell(" or ".join(f"`{command}`" for command in typed) + default)


def notification(questions: Sequence[Question], run: int) -> str:
    """One line for a terminal's notification: which run wants what."""
    if len(questions) == 1:
        question = questions[0]
        return cell(f"teamflow {question_id(run, question.number)}: {question.step} asks: {_text_lines(question)[0]}")
    return f"teamflow: run {run} asks {len(questions)} questions (teamflow inbox)"


def _text_lines(question: Question) -> list[str]:
    lines = clean(question.text).strip().splitlines() or ["(no text)"]
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES:] = [f"… {len(lines) - _MOST_LINES} more lines: `teamflow inbox --json`"]
    return [cell(line) for line in lines]


def _deadline(question: Question, now: float, zone: tzinfo | None) -> str:
    return "" if question.deadline is None else f", until {words.moment(question.deadline, now=now, zone=zone)}"


# -- JSON --------------------------------------------------------------------------------------------------------


def item_object(question: Question, run: int) -> dict[str, Json]:
    """A question as `inbox --json` has it."""
    return {
        "id": question_id(run, question.number),
        "run": run,
        "step": question.step,
        "kind": question.about,
        "text": question.text,
        "options": list(question.options),
        "deadline": None if question.deadline is None else words.iso(question.deadline),
        "default": question.default,
        "asked": words.iso(question.asked),
    }


def inbox_object(items: Iterable[Item]) -> dict[str, Json]:
    return {"schema_version": 1, "items": [item_object(item.question, item.run) for item in items]}


def question_object(question: Question, run: int) -> dict[str, Json]:
    """A question of a run, with what has become of it."""
    return {
        **item_object(question, run),
        "answered": None if question.answered is None else words.iso(question.answered),
        "answer": question.answer,
        "by": question.by or None,
        "note": question.note,
        "withdrawn": question.withdrawn,
    }
