"""Which key does what, and when none does anything."""

from __future__ import annotations

import pytest

from teamflow.cli.keymap import HELP, KeyMap, footer
from teamflow.core.events import Event, QuestionAsked, RunnerStarted
from teamflow.core.requested import StopRequested
from teamflow.policy.asking import may_go_on
from tests.unit.views.stories import asking_plan, told


class Board:
    """Controls and screen in one: what was pressed, and what was said."""

    def __init__(self, *, stopping: bool = False) -> None:
        self.stopping = stopping
        self.done: list[str] = []
        self.said: list[str] = []

    def pause(self) -> str:
        return self._did("pause")

    def retry(self) -> str:
        return self._did("retry")

    def answer(self, *, yes: bool) -> str:
        self.done.append(f"answer {yes}")
        return ""

    def detach(self) -> str:
        return self._did("detach")

    def _did(self, what: str) -> str:
        self.done.append(what)
        return f"{what} done"

    def say(self, line: str) -> None:
        self.said.append(line)

    def toggle_output(self) -> None:
        self.done.append("output")


def test_every_key() -> None:
    board = Board()
    for key in "prlyndx":
        KeyMap(board, board).press(key)
    assert board.done == ["pause", "retry", "output", "answer True", "answer False", "detach"]
    assert board.said == ["pause done", "retry done", "detach done"], "of an answer the run tells"
    KeyMap(board, board).press("?")
    assert board.said[-1] == HELP


@pytest.mark.parametrize("key", "prlynd?")
def test_while_it_is_stopped_none(key: str) -> None:
    board = Board(stopping=True)
    KeyMap(board, board).press(key)
    assert (board.done, board.said) == ([], [])


def test_the_footer_names_the_question_that_y_and_n_answer() -> None:
    chosen = QuestionAsked("where", "question", "Where to?", ("staging", "production"))
    held = may_go_on("build", "More?", about="budget")
    gate = QuestionAsked("gate", "approval", "Ship it?")
    begun = RunnerStarted("boot", 1, 1)
    keys = "? shows the keys · Ctrl-C stops the run"

    def shown(*events: Event) -> str:
        return footer(told(asking_plan(), [begun, *events])[0], 12)

    assert shown() == shown(chosen) == keys
    assert shown(chosen, gate) == f"y/n answers 12.2 · {keys}"
    assert shown(held, gate) == f"y/n answers 12.1 · {keys}"
    assert shown(gate, StopRequested("SIGTERM", "")) == ""
