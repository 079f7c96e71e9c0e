"""Which key does what, and when none does anything."""

from __future__ import annotations

import pytest

from teamflow.cli.keymap import HELP, KeyMap


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
