"""The bell: once for each question, clean, and only where a terminal is."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pytest

from teamflow.cli.bell import Bell
from teamflow.core.events import QuestionAsked
from teamflow.core.state import Question

TERMINAL = {"TERM": "xterm"}


class Stream(io.StringIO):
    """A terminal, or none."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def question(number: int, text: str = "Go?") -> Question:
    return Question(QuestionAsked("gate", "approval", text), number=number, asked=0.0)


def test_once_for_each_question_and_once_for_several() -> None:
    stream = Stream(terminal=True)
    bell = Bell(stream, 7, environ=TERMINAL)
    one, two, three = question(1), question(2), question(3)
    bell.ring([one])
    assert stream.getvalue() == "\a\x1b]9;teamflow 7.1: gate asks: Go?\a"
    bell.ring([one])
    bell.ring([])
    bell.ring([one, two, three])
    assert stream.getvalue().count("\a\x1b]9;") == 2
    assert stream.getvalue().endswith("\x1b]9;teamflow: run 7 asks 2 questions (teamflow inbox)\a")


def test_not_for_what_has_its_answer_already() -> None:
    stream = Stream(terminal=True)
    answered, withdrawn = question(1), question(2)
    answered.answered = 1.0
    withdrawn.withdrawn = True
    Bell(stream, 7, environ=TERMINAL).ring([answered, withdrawn])
    assert stream.getvalue() == ""


def test_nothing_in_a_question_can_end_the_notification() -> None:
    stream = Stream(terminal=True)
    Bell(stream, 7, environ=TERMINAL).ring([question(1, "a\a\x1b\\b\x9c\x1b]52;c;eA==\ac" + "x" * 5000)])
    inside = stream.getvalue().removeprefix("\a\x1b]9;").removesuffix("\a")
    assert inside.isprintable()
    assert len(inside) <= 200


@pytest.mark.parametrize(
    ("terminal", "environ"), [(False, TERMINAL), (True, {"TERM": "dumb"}), (True, {}), (True, {**TERMINAL, "CI": "1"})]
)
def test_silence(terminal: bool, environ: Mapping[str, str]) -> None:
    stream = Stream(terminal=terminal)
    Bell(stream, 7, environ=environ).ring([question(1)])
    assert stream.getvalue() == ""
