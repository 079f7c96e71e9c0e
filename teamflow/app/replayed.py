"""What of a run is another thing when it is a replay. Imported by every run, so it imports nothing that only replays
need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamflow.app.others import OtherRuns
from teamflow.app.parts import Wired
from teamflow.core.state import RunState
from teamflow.run.clock import SystemClock
from teamflow.run.desk import Desk

if TYPE_CHECKING:
    from teamflow.run.roles import Engines, Others


def clock_of(wired: Wired, state: RunState) -> SystemClock:
    """That of the machine; a replay need not wait."""
    if wired.recording is None:
        return SystemClock()
    from teamflow.app.played import leaping_clock

    return leaping_clock(wired.recording, state)


def engines_of(wired: Wired, state: RunState, table: Engines) -> Engines:
    """Those of the table; in a replay agents are played. Whoever has nothing to play in it starts none in their place:
    what they do costs money."""
    if not wired.replay and wired.recording is None:
        return table
    from teamflow.app.played import BarredEngines, PlayedEngines

    if wired.recording is None:
        return BarredEngines(table, wired.replay)
    return PlayedEngines(table, wired.recording, state)


def others_of(wired: Wired, state: RunState, others: Others) -> Others:
    """What other runs tell; a replay hears nothing of them, tells them nothing, and has its people with it."""
    if wired.recording is None:
        return others
    from teamflow.app.played import PlayedPeople

    return PlayedPeople(wired.recording, state)


def seat(others: Others, desk: Desk) -> None:
    """Where people answer."""
    if not isinstance(others, OtherRuns):
        from teamflow.app.played import PlayedPeople

        assert isinstance(others, PlayedPeople)
        others.desk = desk
