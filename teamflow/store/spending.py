"""What the runs of a project spend on one day, in `state.db`: each run's own sum, and a claim that two runs cannot both
win.

Only used where a team has a budget of the day. What a run writes is what it has spent and what its running attempts
may still spend, so another run that reads it cannot hand out the same money.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from teamflow.core.named import NamedTuple
from teamflow.store.connect import connect, explained
from teamflow.store.layout import Layout

_KEPT_DAYS = 7


class Sum(NamedTuple):
    """US dollars and tokens that are spent, and that running attempts may still spend."""

    usd: float = 0.0
    tokens: float = 0.0
    held_usd: float = 0.0
    held_tokens: float = 0.0


class DaySums:
    """Every method raises StoreError."""

    def __init__(self, layout: Layout, run: int) -> None:
        self._path = layout.database
        self._run = run

    def others(self, day: int) -> Sum:
        """What the other runs have on that day."""
        with explained(self._path), closing(connect(self._path)) as connection:
            return self._others(connection, day)

    def _others(self, connection: sqlite3.Connection, day: int) -> Sum:
        row = connection.execute(
            "SELECT total(usd), total(tokens), total(held_usd), total(held_tokens) FROM spending"
            " WHERE day = ? AND run <> ?",
            (day, self._run),
        ).fetchone()
        return Sum(*row)

    def claim(self, day: int, mine: Sum, *, unless: Sum | None) -> Sum:
        """What the other runs have on that day; `mine` is written, unless theirs is something else than `unless`."""
        with explained(self._path), closing(connect(self._path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                others = self._others(connection, day)
                if unless is None or others == unless:
                    connection.execute(
                        "INSERT OR REPLACE INTO spending VALUES (?, ?, ?, ?, ?, ?)", (self._run, day, *mine)
                    )
                    connection.execute("DELETE FROM spending WHERE day < ?", (day - _KEPT_DAYS,))
            finally:
                connection.execute("COMMIT")
        return others
