"""What the keeper's journal tells that the log does not know yet: what an entry proves, and keeping it for later.

A crash may have lost the record that made a step ready, though its start is in the journal: the decision is taken
again, and what happened since is then taken in. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from teamflow.core.events import AttemptStarted
from teamflow.ports import Exited, Started


def proven(entry: Started) -> AttemptStarted:
    """The decision that a start rests on."""
    return AttemptStarted(
        entry.step,
        entry.attempt,
        str(entry.note.get("cause", "first")),
        _whole(entry.note.get("continues")),
        str(entry.note.get("reason", "")),
        _whole(entry.note.get("fallback")),
        _amount(entry.note.get("usd")),
        _amount(entry.note.get("tokens")),
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _amount(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


class Unplaced:
    """Entries by (step, attempt), each list in the order of the journal."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, int], list[Started | Exited]] = {}

    def hold(self, entry: Started | Exited) -> None:
        self._held.setdefault((entry.step, entry.attempt), []).append(entry)

    def take(self, step: str, attempt: int) -> list[Exited]:
        """The ends of that attempt's phases so far; they are not held any more."""
        return [entry for entry in self._held.pop((step, attempt), ()) if isinstance(entry, Exited)]

    def running(self) -> Iterator[tuple[str, int]]:
        """Attempts of which something runs and which nobody asked about."""
        for key, entries in self._held.items():
            if isinstance(entries[-1], Started):
                yield key
