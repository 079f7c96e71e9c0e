"""What this machine's runs share, over all projects: which there are, which engines are out of reach, and who has
which ports (`store/slots.py`). One SQLite file of this user's.

Advice, never truth: it may be deleted at any time, and a run that cannot write it goes on. `$XDG_STATE_HOME/teamflow`,
else `~/.local/state/teamflow`; on a network file system too, where SQLite's locks are only slower.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.store.connect import BUSY_SECONDS, explained
from teamflow.store.place import unwritable
from teamflow.store.text import storable

NAME: Final = "machine.db"
FORMAT: Final = 3

_SCHEMA: Final = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS projects (
  root TEXT PRIMARY KEY,   -- absolute
  seen REAL NOT NULL       -- Unix: when a run of it last started
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS limits (
  engine TEXT PRIMARY KEY, -- its name; of one that a team file defines with its program: `cli=/usr/bin/cli`
  boot TEXT NOT NULL,      -- the boot that `mono` counts from
  mono REAL NOT NULL,      -- seconds since that boot: when the limit is over
  until REAL NOT NULL,     -- the same as Unix time
  reason TEXT NOT NULL,
  seen REAL NOT NULL,      -- Unix: when this was told
  lifted INTEGER NOT NULL  -- 1: somebody says that it is over
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS slots (
  slot INTEGER PRIMARY KEY, -- from 0, as in core/slots
  project TEXT NOT NULL,
  run TEXT NOT NULL,
  step TEXT NOT NULL,
  workspace BLOB NOT NULL, -- paths as bytes: they are looked at
  directory BLOB NOT NULL, -- the run's
  boot TEXT NOT NULL,
  taken REAL NOT NULL,     -- Unix
  UNIQUE (project, run, step)
);
PRAGMA user_version = 3;
COMMIT;
"""


class SharedLimit(NamedTuple):
    """An engine that is out of reach, or (`lifted`) again in reach; columns of the table `limits`."""

    engine: str
    boot: str
    mono: float
    until: float
    reason: str
    seen: float
    lifted: bool = False


def machine_directory(environ: Mapping[str, str]) -> str | None:
    """Where it lies; None: this user has no home."""
    state = environ.get("XDG_STATE_HOME")
    if state and os.path.isabs(state):
        return f"{state}/teamflow"
    home = environ.get("HOME")
    return f"{home}/.local/state/teamflow" if home and os.path.isabs(home) else None


class Machine:
    """Belongs to the thread that opened it. Every method raises StoreError."""

    def __init__(self, path: str, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    @property
    def path(self) -> str:
        return self._path

    @staticmethod
    def open(environ: Mapping[str, str], *, busy: float = BUSY_SECONDS) -> Machine | None:
        """Made where it is missing; None: there is no place for it. `busy`: seconds to wait for others. StoreError."""
        directory = machine_directory(environ)
        if directory is None:
            return None
        path = f"{directory}/{NAME}"
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise unwritable(path, error) from error
        with explained(path), ExitStack() as undo:
            connection = sqlite3.connect(path, timeout=busy, isolation_level=None)
            undo.callback(connection.close)
            # What is lost with the power was advice.
            connection.execute("PRAGMA synchronous = OFF")
            if connection.execute("PRAGMA user_version").fetchone()[0] < FORMAT:
                connection.executescript(_SCHEMA)
            undo.pop_all()
        return Machine(path, connection)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """For its body's statements that only ask."""
        with explained(self._path):
            yield self._connection

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: nobody else writes between its statements. Undone where its body raises."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def note_project(self, root: str, *, now: float) -> None:
        """A run of this project starts."""
        with explained(self._path):
            self._connection.execute("INSERT OR REPLACE INTO projects VALUES (?, ?)", (storable(root), now))

    def projects(self) -> list[str]:
        """Roots, the one that was worked in last first."""
        with explained(self._path):
            rows = self._connection.execute("SELECT root FROM projects ORDER BY seen DESC, root").fetchall()
        return [str(root) for (root,) in rows]

    def note_limit(self, limit: SharedLimit) -> None:
        """What is known of an engine now; what was known before is forgotten."""
        row = (limit.engine, limit.boot, limit.mono, limit.until, storable(limit.reason), limit.seen, limit.lifted)
        with explained(self._path):
            self._connection.execute("INSERT OR REPLACE INTO limits VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def limits(self) -> list[SharedLimit]:
        """All that were told, also those that are over."""
        with explained(self._path):
            columns = ", ".join(SharedLimit._fields)
            rows = self._connection.execute(f"SELECT {columns} FROM limits ORDER BY engine").fetchall()
        return [SharedLimit(*row) for row in rows]

    def forget_project(self, root: str) -> None:
        with explained(self._path):
            self._connection.execute("DELETE FROM projects WHERE root = ?", (storable(root),))
