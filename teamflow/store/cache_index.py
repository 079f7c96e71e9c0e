"""The cache's index: one SQLite file that may be thrown away. Decides when it is, never what is in it.

A damaged index, or one of an older format, is replaced by an empty one; one of a newer format is left alone and not
used. Neither is ever a failure: the caller hears of it (`on_warning`) and finds nothing cached.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from typing import Final, TypeVar

from teamflow.store.connect import primary_code
from teamflow.store.errors import StoreError
from teamflow.store.lock import exclusive
from teamflow.store.sql import cache_schema

FORMAT: Final = 1

_T = TypeVar("_T")
_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


class _Unfit(Exception):
    """An index of another format: `newer` or older."""

    def __init__(self, version: int) -> None:
        super().__init__(f"has format {version}, and this teamflow reads formats up to {FORMAT}")
        self.newer = version > FORMAT


class Index:
    """A connection that mends itself, for one thread at a time."""

    def __init__(self, directory: str, *, on_warning: Callable[[str], None]) -> None:
        self._directory = directory
        self._path = f"{directory}/index.db"
        self._on_warning = on_warning
        self._told: set[str] = set()
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._off = False

    def ask(self, question: Callable[[sqlite3.Connection], _T], *, otherwise: _T) -> _T:
        """The answer, or `otherwise` where there is no index to be had. A damaged one is replaced, once."""
        for _ in range(2):
            if self._off:
                break
            try:
                return question(self._open())
            except _Unfit as error:
                self._unfit(error)
            except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
                raise  # a bug of ours is not damage
            except sqlite3.Error as error:
                self.close()
                if primary_code(error) in _PASSING:
                    self._warn(f"cannot be used now ({error}): nothing is taken from it or kept")
                    break
                self._warn(f"is damaged ({error}) and starts again empty")
                self._replace()
            except (OSError, StoreError) as error:
                self._warn(f"cannot be used ({error}): nothing is taken from it or kept")
                break
        return otherwise

    def exists(self) -> bool:
        return os.path.exists(self._path)

    def close(self) -> None:
        """Idempotent; the next question opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                connection.close()
            except sqlite3.Error:
                pass

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            if not os.path.exists(self._path):
                os.makedirs(self._directory, mode=0o700, exist_ok=True)
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._inode = os.stat(self._path).st_ino
            self._connection = sqlite3.connect(self._path, timeout=5.0, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA synchronous = NORMAL")
            if not _is_current(self._connection):
                with exclusive(f"{self._directory}/lock", patience=10.0):
                    _make(self._connection)
        return self._connection

    def _unfit(self, error: _Unfit) -> None:
        self.close()
        if error.newer:
            self._warn(f"{error}: nothing is cached")
            self._off = True
        else:
            self._replace()

    def _replace(self) -> None:
        """Removes the index that was opened; one that another process has put in its place stays."""
        self.close()
        try:
            with exclusive(f"{self._directory}/lock", patience=10.0):
                if os.stat(self._path).st_ino == self._inode:
                    for ending in ("-wal", "-shm", ""):
                        if os.path.lexists(self._path + ending):
                            os.unlink(self._path + ending)
        except FileNotFoundError:
            pass
        except (OSError, StoreError) as error:
            self._warn(f"cannot be replaced ({error}): nothing is cached")
            self._off = True

    def _warn(self, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._on_warning(f"{self._path}: {what}")


def _is_current(connection: sqlite3.Connection) -> bool:
    """Whether it has this format; False: it is empty. Raises _Unfit."""
    # In this order: another process may be making it, tables and version at once.
    tables = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == FORMAT:
        return True
    if version or tables:
        raise _Unfit(version)
    return False


def _make(connection: sqlite3.Connection) -> None:
    if not _is_current(connection):
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.executescript(f"BEGIN IMMEDIATE;\n{cache_schema()}\nPRAGMA user_version = {FORMAT};\nCOMMIT;")
