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


def clock_of(wired: Wired) -> SystemClock:
    """That of the machine; a replay need not wait."""
    if wired.recording is None:
        return SystemClock()
    from teamflow.app.played import leaping_clock

    return leaping_clock(wired.recording)


def engines_of(wired: Wired, table: Engines) -> Engines:
    """Those of the table; in a replay agents are played."""
    if wired.recording is None:
        return table
    from teamflow.app.played import PlayedEngines

    return PlayedEngines(table, wired.recording)


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
