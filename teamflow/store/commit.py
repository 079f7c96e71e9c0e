"""The one transaction that appends to a run's log. Decides nothing; the caller holds the run's lock."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import sha256

from teamflow.store.rows import Row
from teamflow.store.sql import query

_CHUNKS = (128, 16, 1)
"""Rows per INSERT. Each statement gives up the interpreter lock once, and getting it back is what costs."""


def append(
    connection: sqlite3.Connection,
    run: int,
    rows: Sequence[Row],
    plans: Iterable[tuple[int, bytes]] = (),
) -> None:
    """Plans and records in one durable transaction: all or nothing.

    Raises sqlite3.IntegrityError where a record of that number is there already, sqlite3.Error else.
    """
    with connection:  # commits at its end, rolls back where an error leaves it
        connection.execute("BEGIN IMMEDIATE")
        for revision, data in plans:
            insert_plan(connection, run, revision, data)
        _insert(connection, run, rows)
        _repeat_status(connection, run, rows)


def insert_plan(connection: sqlite3.Connection, run: int, revision: int, data: bytes) -> None:
    """Within a transaction. Plans are stored by content: runs of an unchanged file share one."""
    digest = sha256(data).hexdigest()
    connection.execute(query("insert_plan_data"), (digest, data))
    connection.execute(query("insert_plan"), (run, revision, digest))


def _insert(connection: sqlite3.Connection, run: int, rows: Sequence[Row]) -> None:
    done = 0
    for size in _CHUNKS:
        statement = f"INSERT INTO records VALUES {','.join(['(?,?,?,?,?,?)'] * size)}"
        while len(rows) - done >= size:
            values: list[object] = []
            for row in rows[done : done + size]:
                values.append(run)
                values.extend(row)
            connection.execute(statement, values)
            done += size


_GOES_ON = frozenset(("RunnerStarted", "PlanRevised", "Reopened"))
"""Kinds of records after which a run that had ended goes on."""


def _repeat_status(connection: sqlite3.Connection, run: int, rows: Sequence[Row]) -> None:
    for _, at, _, kind, data in reversed(rows):
        if kind == "RunEnded":
            end = json.loads(data)
            connection.execute(query("set_status"), (end.get("status", ""), end.get("exit_reason", ""), at, run))
            return
        if kind in _GOES_ON:
            connection.execute(query("set_status"), ("running", "", at, run))
            return


def last_seq(connection: sqlite3.Connection, run: int) -> int:
    """The number of the run's last durable record; 0: none."""
    (seq,) = connection.execute(query("last_seq"), (run,)).fetchone()
    return int(seq)
