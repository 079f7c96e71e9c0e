"""Bringing state.db to the current format. Decides what a file of which format is.

The format is `user_version`; `application_id` marks the file as ours. Each migration is one transaction that ends by
raising the format, so a crash between two leaves a valid older one. The caller holds the creation lock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

from teamflow.store.errors import StoreError

FORMAT: Final = 3
APPLICATION: Final = 0x7465616D  # "team"


def current(connection: sqlite3.Connection, *, path: str, latest: int = FORMAT) -> bool:
    """Whether the database has the current format.

    StoreError: newer-format (by a newer teamflow), not-ours (another program's database).
    """
    version = _pragma(connection, "user_version")
    if version > latest:
        raise StoreError(
            "newer-format",
            place=path,
            fact=f"has format {version}, and this teamflow reads formats up to {latest}",
            remedy="use the newer teamflow that wrote it, or move `.teamflow/state.db` away",
        )
    if version == latest:
        return True
    # In this order, as somebody may be making it: what is not empty is marked already.
    if not _is_empty(connection) and _pragma(connection, "application_id") != APPLICATION:
        raise StoreError(
            "not-ours",
            place=path,
            fact="is a database of another program",
            remedy="move it away: teamflow keeps its state under this name",
        )
    return False


def migrate(
    connection: sqlite3.Connection,
    *,
    path: str,
    schema: str,
    migrations: Mapping[int, str],
    latest: int = FORMAT,
) -> None:
    """Makes an empty database by `schema`, or takes an older one through `migrations`. Raises sqlite3.Error."""
    if current(connection, path=path, latest=latest):
        return
    if _is_empty(connection):
        _use_wal(connection, path)
        _apply(connection, schema, version=latest)
        return
    for version in range(_pragma(connection, "user_version") + 1, latest + 1):
        _apply(connection, migrations[version], version=version)


def _use_wal(connection: sqlite3.Connection, path: str) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError(
            "unwritable",
            place=path,
            fact="lies on a file system that cannot hold a write-ahead log (no shared memory)",
            remedy="work on a local copy of the project",
        )


def _apply(connection: sqlite3.Connection, script: str, *, version: int) -> None:
    try:
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{script}\nPRAGMA application_id = {APPLICATION};\n"
            f"PRAGMA user_version = {version};\nCOMMIT;"
        )
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
