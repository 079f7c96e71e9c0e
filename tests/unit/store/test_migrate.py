"""Formats of state.db: from nothing, from older ones, from newer ones; each migration whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from teamflow.store.errors import StoreError
from teamflow.store.migrate import APPLICATION, FORMAT, current, migrate
from teamflow.store.sql import migrations, schema

STEPS = {
    1: "CREATE TABLE runs (number INTEGER PRIMARY KEY, note TEXT);\nINSERT INTO runs SELECT n, 'old' FROM old;",
    2: "ALTER TABLE runs ADD COLUMN team TEXT NOT NULL DEFAULT '';\nUPDATE runs SET team = note || number;",
    3: "DROP TABLE old;",
}
NEWEST = "CREATE TABLE runs (number INTEGER PRIMARY KEY, note TEXT, team TEXT NOT NULL DEFAULT '');"


@pytest.fixture
def old(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database of ours of format 0, with two runs in it."""
    connection = sqlite3.connect(tmp_path / "old.db", isolation_level=None)
    connection.executescript(
        f"CREATE TABLE old (n INTEGER); INSERT INTO old VALUES (1), (2); PRAGMA application_id = {APPLICATION}"
    )
    yield connection
    connection.close()


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def tables(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
    return [(name, " ".join(sql.split())) for name, sql in found]


def test_the_schema_is_what_the_migrations_lead_to() -> None:
    assert sorted(migrations()) == list(range(1, FORMAT + 1))
    fresh, grown = (sqlite3.connect(":memory:", isolation_level=None) for _ in range(2))
    fresh.executescript(schema())
    for script in migrations().values():
        grown.executescript(script)
    assert tables(fresh) == tables(grown)
    assert list(fresh.execute("SELECT * FROM numbering")) == list(grown.execute("SELECT * FROM numbering"))
    fresh.close()
    grown.close()


def test_an_old_database_is_taken_through_every_step(old: sqlite3.Connection) -> None:
    migrate(old, path="p", schema=NEWEST, migrations=STEPS, latest=3)
    assert version(old) == 3
    assert list(old.execute("SELECT * FROM runs")) == [(1, "old", "old1"), (2, "old", "old2")]
    assert [name for name, _ in tables(old)] == ["runs"]
    migrate(old, path="p", schema=NEWEST, migrations=STEPS, latest=3)


def test_a_step_that_fails_leaves_the_format_before_it(old: sqlite3.Connection) -> None:
    broken = {**STEPS, 2: STEPS[2] + "\nINSERT INTO nowhere VALUES (1);"}
    with pytest.raises(sqlite3.Error, match="nowhere"):
        migrate(old, path="p", schema=NEWEST, migrations=broken, latest=3)
    assert not old.in_transaction
    assert version(old) == 1
    assert list(old.execute("SELECT * FROM runs")) == [(1, "old"), (2, "old")]
    migrate(old, path="p", schema=NEWEST, migrations=STEPS, latest=3)
    assert version(old) == 3


def test_an_older_teamflow_refuses_what_a_newer_one_migrated(old: sqlite3.Connection) -> None:
    migrate(old, path="p", schema=NEWEST, migrations=STEPS, latest=3)
    before = tables(old)
    with pytest.raises(StoreError, match=r"p: has format 3, and this teamflow reads formats up to 2"):
        migrate(old, path="p", schema=NEWEST, migrations=STEPS, latest=2)
    assert tables(old) == before


def test_an_empty_file_gets_the_newest_format_at_once(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "new.db", isolation_level=None)
    migrate(connection, path="p", schema=NEWEST, migrations={}, latest=3)
    assert version(connection) == 3
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@pytest.mark.parametrize("moment", range(4))
def test_a_database_that_is_being_made_is_no_other_programs(tmp_path: Path, moment: int) -> None:
    path = str(tmp_path / "state.db")
    seen: list[str] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:

        def traced(statement: str) -> None:
            seen.append(statement)
            if len(seen) == moment + 1:
                with closing(sqlite3.connect(path, isolation_level=None)) as maker:
                    migrate(maker, path=path, schema=schema(), migrations=migrations())

        reader.set_trace_callback(traced)
        found = current(reader, path=path)
        assert found == (moment == 0)
        reader.set_trace_callback(None)
        if len(seen) > moment:
            assert current(reader, path=path)
