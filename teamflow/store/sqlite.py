"""state.db: one connection of one process for everything but the live log.

Decides how a run gets its number and where its files lie. Plans, inputs and arguments are opaque bytes and text.
Imports neither asyncio nor dataclasses: a run with nothing to do opens this, reads one run, appends a record.

The package as a whole:

    database = Database.open(root, allow_network=False)    # makes .teamflow/ where needed; find() → None instead
    with creation_lock(database.layout):                    # lock.py: look, create and take as one
        row = database.newest_run(file=..., inputs_digest=...) or database.create_run(NewRun(...))
        match RunLock.acquire(database.layout, row.number, this_process(since=...)):
            case RunLock() as lock: ...                     # released at its end, or when the process dies
            case Holder() as other: ...                     # exit 3, naming it
    database.plan(run, revision) → bytes                    # revision from 1; last_revision(run)
    database.rows(run, after=seq) → list[Row]               # log.records(rows) → Records
    database.append(run, rows)                              # for the holder of the lock, without a writer thread
    database.insert_request(...) → id; requests(run, after=id); data_version(); wake.wake(layout, run)
    holder_of(layout, run) → Holder | None                  # lock.py: does a runner live?
    Writer(layout, run, after=seq, on_durable=..., on_trouble=...)    # writer.py: ports.Store, a thread of its own

Every failure is a StoreError (errors.py) with place, fact and remedy.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from teamflow.store.commit import append, insert_plan, last_seq
from teamflow.store.connect import connect, explained
from teamflow.store.errors import StoreError
from teamflow.store.layout import Layout
from teamflow.store.lock import creation_lock
from teamflow.store.migrate import current, migrate
from teamflow.store.place import prepare, refuse_network, settle, unwritable
from teamflow.store.rows import NewRun, RequestRow, Row, RunRow
from teamflow.store.sql import migrations, query, schema
from teamflow.store.text import storable


class Database:
    """Belongs to the thread that opened it."""

    def __init__(self, layout: Layout, connection: sqlite3.Connection) -> None:
        self.layout = layout
        self._connection = connection

    @staticmethod
    def open(root: str, *, allow_network: bool = False) -> Database:
        """The database of the project directory `root`, created or migrated where needed. StoreError."""
        layout = Layout(os.path.abspath(root))
        prepare(layout, allow_network=allow_network)
        try:
            os.close(os.open(layout.database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise unwritable(layout.database, error) from error
        return _opened(layout)

    @staticmethod
    def find(root: str, *, allow_network: bool = False) -> Database | None:
        """The database of `root`, or None where no run was ever made. StoreError."""
        layout = Layout(os.path.abspath(root))
        try:
            os.stat(layout.database)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise unwritable(layout.database, error) from error
        if not allow_network:
            refuse_network(layout.directory)
        return _opened(layout)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- runs ------------------------------------------------------------------------------------------------

    def run(self, number: int) -> RunRow | None:
        return self._one_run("run_by_number", number)

    def newest_run(self, *, file: str | None = None, inputs_digest: str | None = None) -> RunRow | None:
        """The newest run of the project, of a team file, or of a team file with these inputs; of a file, no replay."""
        if file is None:
            return self._one_run("newest_run")
        if inputs_digest is None:
            return self._one_run("newest_run_of_file", storable(file))
        return self._one_run("newest_run_of_inputs", storable(file), inputs_digest)

    def runs(self, *, limit: int = -1) -> list[RunRow]:
        """Newest first."""
        with explained(self.layout.database):
            return [RunRow(*values) for values in self._connection.execute(query("runs"), (limit,))]

    def create_run(self, new: NewRun) -> RunRow:
        """Gives the run a number, stores its plan as revision 1 and makes its directory. StoreError."""
        with explained(self.layout.database):
            number = self._insert_run(new)
        self.make_directories(number)
        row = self.run(number)
        assert row is not None
        return row

    def _insert_run(self, new: NewRun) -> int:
        execute = self._connection.execute
        with self._connection:
            execute("BEGIN IMMEDIATE")
            # A directory may be left of a state.db that was moved away: its logs are not this run's.
            number = 1 + max(int(execute(query("last_number")).fetchone()[0]), self._highest_directory())
            execute(query("set_last_number"), (number,))
            execute(
                query("insert_run"),
                (
                    number,
                    new.id,
                    storable(new.team),
                    storable(new.file),
                    new.inputs_digest,
                    storable(new.inputs),
                    new.created,
                    new.created,
                    storable(new.replay),
                ),
            )
            if isinstance(new.plan, bytes):
                insert_plan(self._connection, number, 1, new.plan)
            else:
                execute(query("insert_plan"), (number, 1, new.plan))
        return number

    def _highest_directory(self) -> int:
        try:
            names = os.listdir(self.layout.runs)
        except OSError:
            return 0
        return max((int(name) for name in names if name.isascii() and name.isdigit()), default=0)

    def make_directories(self, run: int) -> None:
        """`runs/N/logs/`, 0700. Idempotent: a crash may have come between the number and the directory."""
        for path in (self.layout.runs, self.layout.run(run), self.layout.logs(run)):
            try:
                os.mkdir(path, 0o700)
            except FileExistsError:
                pass
            except OSError as error:
                raise unwritable(path, error) from error

    def forget(self, run: int) -> None:
        """Removes the run, its plans, records and requests; its files are the caller's. Idempotent."""
        with explained(self.layout.database):
            self._connection.execute(query("delete_run"), (run,))

    def _one_run(self, name: str, *arguments: object) -> RunRow | None:
        with explained(self.layout.database):
            values = self._connection.execute(query(name), arguments).fetchone()
        return RunRow(*values) if values else None

    # -- plans and records -----------------------------------------------------------------------------------

    def plan(self, run: int, revision: int) -> bytes:
        """As it was stored. KeyError: there is no such revision."""
        with explained(self.layout.database):
            found = self._connection.execute(query("plan"), (run, revision)).fetchone()
        if found is None:
            raise KeyError((run, revision))
        return bytes(found[0])

    def plan_digest(self, run: int, revision: int) -> str:
        """The name of a plan's data, by which another run can have the same; empty: there is no such revision."""
        with explained(self.layout.database):
            found = self._connection.execute(query("plan_digest"), (run, revision)).fetchone()
        return str(found[0]) if found else ""

    def has_plan(self, digest: str) -> bool:
        """Whether the data of a plan (by its sha256) is there already."""
        with explained(self.layout.database):
            return self._connection.execute(query("plan_data"), (digest,)).fetchone() is not None

    def last_revision(self, run: int) -> int:
        """0: no such run."""
        return self._number("last_revision", run)

    def last_seq(self, run: int) -> int:
        """0: no record yet."""
        with explained(self.layout.database):
            return last_seq(self._connection, run)

    def rows(self, run: int, *, after: int = 0, limit: int = -1) -> list[Row]:
        """The records with a number above `after`, in order."""
        with explained(self.layout.database):
            return self._connection.execute(query("records"), (run, after, limit)).fetchall()

    def append(self, run: int, rows: Sequence[Row], *, plans: Iterable[tuple[int, bytes]] = ()) -> None:
        """One durable transaction, for the holder of the run's lock. `rows` go on where the log ends.

        StoreError (conflict): somebody else has appended since.
        """
        try:
            with explained(self.layout.database):
                append(self._connection, run, rows, plans)
        except StoreError as error:
            if isinstance(error.__cause__, sqlite3.IntegrityError):
                raise conflict(self.layout.database, run) from error
            raise

    # -- requests --------------------------------------------------------------------------------------------

    def insert_request(self, run: int, verb: str, args: str, *, expected_seq: int | None, at: float, by: str) -> int:
        """Leaves a verb for the runner and gives its id; durable when this returns. `wake` comes after it."""
        values = (run, verb, storable(args), expected_seq, at, storable(by))
        with explained(self.layout.database):
            cursor = self._connection.execute(query("insert_request"), values)
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def requests(self, run: int, *, after: int = 0) -> list[RequestRow]:
        """Requests with an id above `after`, in order; those answered are in the log, not here."""
        with explained(self.layout.database):
            return [RequestRow(*values) for values in self._connection.execute(query("requests"), (run, after))]

    def data_version(self) -> int:
        """Changes whenever another connection has committed. About 10 µs, without reading any table."""
        with explained(self.layout.database):
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    def _number(self, name: str, *arguments: object) -> int:
        with explained(self.layout.database):
            (value,) = self._connection.execute(query(name), arguments).fetchone()
        return int(value)


def conflict(path: str, run: int) -> StoreError:
    """Two writers on one run: the lock was removed or did not hold."""
    return StoreError(
        "conflict",
        place=path,
        fact=f"another process has appended to run {run}, which this one holds",
        remedy="stop one of the two runners; `run.lock` in the run's directory must not be removed while one lives",
    )


def _opened(layout: Layout) -> Database:
    with explained(layout.database), ExitStack() as undo:
        connection = connect(layout.database)
        undo.callback(connection.close)
        if not current(connection, path=layout.database):
            with creation_lock(layout):
                settle(layout)
                migrate(connection, path=layout.database, schema=schema(), migrations=migrations())
        undo.pop_all()
    return Database(layout, connection)
