"""What agents say is shown where it belongs among the records, although these wait for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

from teamflow.app import bridge as module
from teamflow.app.bridge import Bridge
from teamflow.core.events import Record, RunPaused


class Shown:
    """A screen that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[int | str] = []

    def records(self, records: Sequence[Record], state: object) -> None:
        self.told += [record.seq for record in records]

    def said(self, step: str, text: str) -> None:
        self.told.append(text)


def told(play: Callable[[Bridge, Any], None]) -> list[int | str]:
    async def main() -> list[int | str]:
        screen = Shown()
        made = Bridge(asyncio.get_running_loop(), cast("Any", screen))
        state = SimpleNamespace(seq=0)
        made.executor = cast("Any", SimpleNamespace(state=state, abandoned=False))
        play(made, state)
        await asyncio.sleep(0)
        return screen.told

    return asyncio.run(main())


def records(*numbers: int) -> list[Record]:
    return [Record(number, 0.0, 0.0, RunPaused("ann")) for number in numbers]


def at(made: Bridge, state: Any, seq: int, text: str) -> None:
    state.seq = seq
    made._said(seq, "step", text)


def test_a_line_waits_for_the_records_before_it() -> None:
    def play(made: Bridge, state: Any) -> None:
        at(made, state, 2, "after 2")
        at(made, state, 3, "after 3")
        at(made, state, 3, "after 3 again")
        at(made, state, 5, "after 5")
        made.publish(records(1, 2))
        made.publish(records(3, 4))
        at(made, state, 5, "late")
        made.publish(records(5, 6))
        at(made, state, 6, "at once")

    expected = [1, 2, "after 2", 3, "after 3", "after 3 again", 4, 5, "after 5", "late", 6, "at once"]
    assert told(play) == expected


def test_what_waits_is_bounded() -> None:
    def play(made: Bridge, state: Any) -> None:
        for _ in range(module._MOST_HELD):
            at(made, state, 1, "held")
        at(made, state, 1, "shown")

    assert told(play) == ["shown"]


def test_from_another_thread() -> None:
    def play(made: Bridge, state: Any) -> None:
        state.seq = 1
        made.said("step", "hello")
        made.publish(records(1))

    assert told(play) == [1, "hello"]


def test_a_run_is_said_to_rest_after_its_last_step_is_shown() -> None:
    def play(made: Bridge, state: Any) -> None:
        screen = made._screen
        watching = SimpleNamespace(observe=lambda _: None, shown=lambda _: screen.said("", "rests"))
        made.watching = cast("Any", watching)
        made.publish(records(1, 2))

    assert told(play) == [1, 2, "rests"]
