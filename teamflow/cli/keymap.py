"""Which key does what while a run is shown live. One table; `?` prints it."""

from __future__ import annotations

from typing import Final, Protocol

from teamflow.app.parts import Controls
from teamflow.core.questions import question_id
from teamflow.core.state import RunState
from teamflow.policy.asking import yes_or_no

HELP: Final = "p pause or go on · r retry failed · l output · y/n answer · d detach · ? keys · Ctrl-C stop"


def footer(state: RunState, run: int) -> str:
    """What stands below the table for who knows no keys; empty while none means anything. `run`: its number."""
    if state.stop is not None:
        return ""
    asked = yes_or_no(state)
    answers = f"y/n answers {question_id(run, asked[0].number)} · " if asked else ""
    return f"{answers}? shows the keys · Ctrl-C stops the run"


class Shown(Protocol):
    """The screen, as far as keys change it."""

    def say(self, line: str) -> None: ...

    def toggle_output(self) -> None: ...


class KeyMap:
    """`press` does what a key means; other keys mean nothing."""

    def __init__(self, controls: Controls, shown: Shown) -> None:
        self._controls = controls
        self._shown = shown

    def press(self, key: str) -> None:
        if self._controls.stopping:
            return  # what is typed now is for the shell
        if key == "l":
            self._shown.toggle_output()
        elif line := self._line(key):
            self._shown.say(line)

    def _line(self, key: str) -> str:
        match key:
            case "p":
                return self._controls.pause()
            case "r":
                return self._controls.retry()
            case "y" | "n":
                return self._controls.answer(yes=key == "y")
            case "d":
                return self._controls.detach()
            case "?" | "h":
                return HELP
            case _:
                return ""
