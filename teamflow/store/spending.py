"""What the runs of a project spend on one day, in `state.db`: each run's own sum, and a claim that two runs cannot both
win.

Only used where a team has a budget of the day. What a run writes is what it has spent and what its running attempts
may still spend, so another run that reads it cannot hand out the same money.
"""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple

from teamflow.store.connect import connect, explained
from teamflow.store.layout import Layout

_KEPT_DAYS = 7


class Sum(NamedTuple):
    """US dollars and tokens."""

    usd: float
    tokens: float


class DaySums:
    """Every method raises StoreError."""

    def __init__(self, layout: Layout, run: int) -> None:
        self._path = layout.database
        self._run = run

    def claim(self, day: int, mine: Sum, *, unless: Sum | None) -> Sum:
        """What the other runs have on that day; `mine` is written, unless theirs is something else than `unless`."""
        with explained(self._path), closing(connect(self._path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                row = connection.execute(
                    "SELECT total(usd), total(tokens) FROM spending WHERE day = ? AND run <> ?", (day, self._run)
                ).fetchone()
                others = Sum(*row)
                if unless is None or others == unless:
                    connection.execute(
                        "INSERT OR REPLACE INTO spending VALUES (?, ?, ?, ?)", (self._run, day, mine.usd, mine.tokens)
                    )
                    connection.execute("DELETE FROM spending WHERE day < ?", (day - _KEPT_DAYS,))
            finally:
                connection.execute("COMMIT")
        return others
