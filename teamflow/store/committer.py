"""Commits of the live log and what goes wrong with them. Decides which trouble passes and which is the end.

After any error the connection is made anew, and what the database really holds is looked at: a commit that failed
with an I/O error may be there all the same, and must not be written twice.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing

from teamflow.core.named import NamedTuple
from teamflow.store import ballast
from teamflow.store.commit import append, last_seq
from teamflow.store.connect import BUSY_SECONDS, connect, explain, explained, may_pass, primary_code
from teamflow.store.errors import StoreError
from teamflow.store.layout import Layout
from teamflow.store.rows import Row
from teamflow.store.sql import query
from teamflow.store.sqlite import conflict


class Trouble(NamedTuple):
    """A commit that did not come about. `passing`: trying again may do."""

    error: StoreError
    passing: bool


class Committer:
    """Owns the writer's connection. Made in one thread and then used by another, never by both at once."""

    def __init__(self, layout: Layout, run: int, *, after: int) -> None:
        """StoreError: cannot be opened, or the log does not end at record `after` (conflict)."""
        self._layout = layout
        self._run = run
        self._connection: sqlite3.Connection | None = None
        self._busy = BUSY_SECONDS
        self._identity = _identity(layout.database)
        with explained(layout.database), closing(connect(layout.database)) as connection:
            if last_seq(connection, run) != after:
                raise conflict(layout.database, run)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error:
                pass  # the last checkpoint found no room; the next opener makes it

    def commit(self, rows: Sequence[Row], plans: Sequence[tuple[int, bytes]]) -> Trouble | None:
        """All of it durable (None), or nothing and why."""
        trouble = self._try(rows, plans)
        if trouble is not None and trouble.error.code in ("full", "io") and ballast.drop(self._layout.ballast):
            trouble = self._try(rows, plans)
        return trouble

    def _try(self, rows: Sequence[Row], plans: Sequence[tuple[int, bytes]]) -> Trouble | None:
        path = self._layout.database
        if _identity(path) != self._identity:
            return Trouble(_removed(path), passing=False)
        try:
            if self._connection is None:
                self._connection = connect(path, busy=self._busy)
                rows, plans = self._missing(self._connection, rows, plans)
            if rows or plans:
                append(self._connection, self._run, rows, plans)
        except sqlite3.IntegrityError as error:
            self.close()
            forgotten = error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
            return Trouble(_forgotten(path, self._run) if forgotten else conflict(path, self._run), passing=False)
        except sqlite3.Error as error:
            self.close()
            return Trouble(explain(path, error), passing=may_pass(error) and primary_code(error) != 0)
        except _Conflict:
            self.close()
            return Trouble(conflict(path, self._run), passing=False)
        return None

    def _missing(
        self, connection: sqlite3.Connection, rows: Sequence[Row], plans: Sequence[tuple[int, bytes]]
    ) -> tuple[Sequence[Row], Sequence[tuple[int, bytes]]]:
        """What of it is not stored yet. All or nothing, since a commit is: but look, not guess."""
        (revision,) = connection.execute(query("last_revision"), (self._run,)).fetchone()
        plans = [plan for plan in plans if plan[0] > revision]
        if not rows:
            return rows, plans
        stored = connection.execute(query("records"), (self._run, rows[0][0] - 1, -1)).fetchall()
        if stored and [tuple(row) for row in rows[: len(stored)]] != stored:
            raise _Conflict
        return rows[len(stored) :], plans


class _Conflict(Exception):
    """The log holds records that are not ours."""


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _removed(path: str) -> StoreError:
    return StoreError(
        "gone",
        place=path,
        fact="was removed or replaced while this run used it",
        remedy="put it back or run again: nothing more of this run can be recorded",
    )


def _forgotten(path: str, run: int) -> StoreError:
    return StoreError(
        "gone",
        place=path,
        fact=f"run {run} was removed while this process used it",
        remedy="run again: nothing more of this run can be recorded",
    )
