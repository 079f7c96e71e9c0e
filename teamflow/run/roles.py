"""What the executor needs of those that know attempts and cache keys. No code, only the shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

from teamflow.core.events import AttemptEnded, AttemptStarted, Event, PhaseEnded
from teamflow.core.state import RunState
from teamflow.ports import Exited, Start


class Attempts(Protocol):
    """What the executor needs to know about one attempt; `run/attempt.py` implements it."""

    def begin(self, attempt: AttemptStarted) -> Start | AttemptEnded:
        """The first phase to start, or why the attempt cannot even begin."""
        ...

    def phase_ended(self, exited: Exited) -> PhaseEnded | AttemptEnded | None:
        """What the end of a phase comes to; None when that takes a while (see `conclude`)."""
        ...

    async def conclude(self, exited: Exited) -> PhaseEnded | AttemptEnded:
        """The slow form of `phase_ended`: reads and digests files off the loop."""
        ...

    def phase(self, ended: PhaseEnded) -> Start | AttemptEnded:
        """The phase that follows, or why it cannot be started."""
        ...

    def adopt(self) -> None:
        """Follows the output of attempts that another runner started."""
        ...

    def close(self) -> None: ...


class Prober(Protocol):
    async def probe(self, step_ids: Sequence[str]) -> list[Event]:
        """Looks the steps' cache keys up: `Cached` or `Admitted` for each."""
        ...


Opening: TypeAlias = Callable[[RunState], Iterable[Event]]
"""What a session settles before it starts anything. Each event is applied before the next is asked for."""
