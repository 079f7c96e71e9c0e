"""Connections to state.db: how they are opened, and what SQLite's errors mean to a user. Knows no table."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from teamflow.store.errors import StoreError

BUSY_SECONDS: Final = 5.0

_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOMEM,
    }
)


def connect(path: str, *, busy: float = BUSY_SECONDS) -> sqlite3.Connection:
    """A connection in autocommit mode, durable at each commit. The file must exist. Raises sqlite3.Error."""
    _settle(path)
    connection = sqlite3.connect(path, timeout=busy, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        if sys.platform == "darwin":
            # An fsync leaves the bytes in the disk's own memory there.
            connection.execute("PRAGMA fullfsync = ON")
            connection.execute("PRAGMA checkpoint_fullfsync = ON")
    except UnicodeDecodeError as error:
        # Python could not even read SQLite's message, which quotes what is damaged.
        connection.close()
        raise damaged() from error
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _settle(path: str) -> None:
    """Syncs what a killed process may have written into the log and not synced any more: SQLite finds it there, and
    what somebody is shown of it must survive a power cut. (While its writer lives nobody sees what is not synced.)"""
    with suppress(OSError):
        descriptor = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def damaged() -> sqlite3.DatabaseError:
    """What SQLite says of a file that it cannot make sense of."""
    error = sqlite3.DatabaseError("its contents are no text")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension; 0 for errors of the Python module itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def may_pass(error: sqlite3.Error) -> bool:
    """Whether the same statement may work later with nothing changed in the database: disk full, I/O, locked."""
    return primary_code(error) in _PASSING


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Turns sqlite3 errors of its body into StoreErrors about `path`."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise explain(path, damaged()) from error
    except sqlite3.Error as error:
        raise explain(path, error) from error


def explain(path: str, error: sqlite3.Error) -> StoreError:
    """What a SQLite error means here and what to do about it."""
    match primary_code(error):
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return StoreError(
                "corrupt",
                place=path,
                fact=f"is damaged ({error})",
                remedy=f"move it away (mv {os.path.basename(path)} {os.path.basename(path)}.damaged): "
                "the history of runs is lost, your files and the cache are not",
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return StoreError(
                "busy",
                place=path,
                fact=f"another process has kept it locked for {BUSY_SECONDS:g} s",
                remedy="try again; `fuser` on the file names the process",
            )
        case sqlite3.SQLITE_FULL:
            return StoreError("full", place=path, fact="the disk is full", remedy="free some space and run again")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return StoreError(
                "unwritable",
                place=path,
                fact=f"cannot be opened for writing ({error})",
                remedy="make it and its directory writable for this user, or work on a copy",
            )
        case _:
            return StoreError(
                "io", place=path, fact=f"cannot be read or written ({error})", remedy="check the disk and try again"
            )
