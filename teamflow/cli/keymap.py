"""Which key does what while a run is shown live. One table; `?` prints it."""

from __future__ import annotations

from typing import Final, Protocol

from teamflow.app.parts import Controls

HELP: Final = "p pause or go on · r retry failed · l output · y/n answer · d detach · ? keys · Ctrl-C stop"


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
        match key:
            case "p":
                self._shown.say(self._controls.pause())
            case "r":
                self._shown.say(self._controls.retry())
            case "l":
                self._shown.toggle_output()
            case "y" | "n":
                self._shown.say(self._controls.answer(yes=key == "y"))
            case "d":
                self._shown.say(self._controls.detach())
            case "?" | "h":
                self._shown.say(HELP)
            case _:
                pass
