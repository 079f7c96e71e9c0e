"""What of a run is another thing when it is a replay. Imported by every run, so it imports nothing that only replays
need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from teamflow.app.parts import Wired
from teamflow.core.events import Record
from teamflow.core.takes import Recording
from teamflow.run.clock import SystemClock
from teamflow.run.desk import Desk
from teamflow.run.executor import Executor

if TYPE_CHECKING:
    from teamflow.run.roles import Engines


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


def answering(recording: Recording, executor: Executor, desk: Desk) -> Callable[[Sequence[Record]], None]:
    """Gives the answers of the recording; to be told of records, on the loop's thread."""
    from teamflow.app.played import answerer

    return answerer(recording, executor, desk)
