"""state.db from one process: numbers, plans, records, requests, and what is wrong with a place."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from pathlib import Path

import pytest

from teamflow.store.errors import StoreError
from teamflow.store.rows import Row
from teamflow.store.sqlite import Database
from teamflow.store.ulid import ulid
from tests.fakes.projects import finish, new_run, private_mounts, python


def row(seq: int, kind: str = "X", data: str = "{}") -> Row:
    return (seq, 1000.0 + seq, float(seq), kind, data)


def test_find_makes_nothing_and_open_makes_it_private_and_ignored(tmp_path: Path) -> None:
    assert Database.find(str(tmp_path)) is None
    assert not list(tmp_path.iterdir())
    Database.open(str(tmp_path)).close()
    state = tmp_path / ".teamflow"
    assert state.stat().st_mode & 0o777 == 0o700
    assert (state / "state.db").stat().st_mode & 0o777 == 0o600
    assert (state / ".gitignore").read_text() == "*\n"
    found = Database.find(str(tmp_path))
    assert found is not None
    found.close()


def test_the_log_is_durable_and_write_ahead(tmp_path: Path) -> None:
    with Database.open(str(tmp_path)) as database:
        get = database._connection.execute
        assert get("PRAGMA journal_mode").fetchone() == ("wal",)
        assert get("PRAGMA synchronous").fetchone() == (2,)
        assert get("PRAGMA foreign_keys").fetchone() == (1,)


def test_runs_are_numbered_and_found_by_file_and_inputs(tmp_path: Path) -> None:
    with Database.open(str(tmp_path)) as database:
        assert database.newest_run() is None
        first = database.create_run(new_run(inputs_digest="one", plan=b"\0plan"))
        second = database.create_run(new_run(inputs_digest="two"))
        other = database.create_run(new_run(file="other.yaml"))
        assert [first.number, second.number, other.number] == [1, 2, 3]
        assert database.newest_run() == other
        assert database.newest_run(file="team.yaml") == second
        assert database.newest_run(file="team.yaml", inputs_digest="one") == first
        assert database.newest_run(file="nope.yaml") is None
        assert database.runs(limit=2) == [other, second]
        assert database.plan(1, 1) == b"\0plan"
        assert (database.last_revision(1), database.last_revision(9)) == (1, 0)
        with pytest.raises(KeyError):
            database.plan(1, 2)
        assert first.status == "created"
    assert (tmp_path / ".teamflow/runs/1/logs").stat().st_mode & 0o777 == 0o700


def test_a_number_is_never_given_twice(tmp_path: Path) -> None:
    with Database.open(str(tmp_path)) as database:
        number = database.create_run(new_run()).number
        database.append(number, [row(1)])
        database.insert_request(number, "cancel", "[]", expected_seq=1, at=1.0, by="me")
        database.forget(number)
        database.forget(number)
        assert (database.run(number), database.rows(number), database.requests(number)) == (None, [], [])
        assert database.create_run(new_run()).number == 2
    # A database that was moved away leaves directories whose logs belong to other runs.
    for left in (tmp_path / ".teamflow").glob("state.db*"):
        left.unlink()
    with Database.open(str(tmp_path)) as database:
        assert database.create_run(new_run()).number == 3


def test_records_are_appended_once_and_repeat_the_end_in_the_list_of_runs(tmp_path: Path) -> None:
    with Database.open(str(tmp_path)) as database, Database.open(str(tmp_path)) as reader:
        number = database.create_run(new_run()).number
        many = [row(n, data=f'{{"n":{n}}}') for n in range(1, 300)]
        database.append(number, [row(1, "RunnerStarted"), *many[1:]], plans=[(2, b"two")])
        assert reader.run(number) == database.run(number)
        assert [found.status for found in reader.runs()] == ["running"]
        version = reader.data_version()
        assert reader.data_version() == version
        database.append(number, [row(300, "RunEnded", '{"status":"failed","exit_reason":"step_failed"}')])
        assert reader.data_version() != version
        newest = reader.newest_run()
        assert newest is not None
        assert (newest.status, newest.exit_reason, newest.updated) == ("failed", "step_failed", 1300.0)
        assert reader.rows(number, after=1, limit=2) == many[1:3]
        assert reader.last_seq(number) == 300
        assert reader.plan(number, 2) == b"two"


def test_a_second_appender_is_found_out_and_changes_nothing(tmp_path: Path) -> None:
    with Database.open(str(tmp_path)) as database:
        number = database.create_run(new_run()).number
        database.append(number, [row(1), row(2)])
        with pytest.raises(StoreError, match="another process has appended to run 1") as caught:
            database.append(number, [row(2), row(3)], plans=[(2, b"")])
        assert caught.value.code == "conflict"
        assert database.rows(number) == [row(1), row(2)]
        assert database.last_revision(number) == 1


def test_requests_keep_their_order(tmp_path: Path) -> None:
    with Database.open(str(tmp_path)) as database:
        number = database.create_run(new_run()).number
        one = database.insert_request(number, "cancel", '["a"]', expected_seq=7, at=1.5, by="me@here")
        two = database.insert_request(number, "pause", "[]", expected_seq=None, at=2.5, by="you@there")
        assert [tuple(request) for request in database.requests(number)] == [
            (one, number, "cancel", '["a"]', 7, 1.5, "me@here"),
            (two, number, "pause", "[]", None, 2.5, "you@there"),
        ]
        assert [request.id for request in database.requests(number, after=one)] == [two]
        with pytest.raises(StoreError):
            database.insert_request(99, "cancel", "[]", expected_seq=None, at=1.0, by="me")


# -- places that cannot hold state -----------------------------------------------------------------------------

OPEN = """
import os, sys
from teamflow.store.sqlite import Database
from teamflow.store.errors import StoreError
if os.geteuid() == 0 and "drop" in sys.argv:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    Database.open(sys.argv[1])
except StoreError as error:
    print(error.code, error)
"""


@pytest.mark.parametrize("mode", [0o755, 0o555, 0o000])
@pytest.mark.parametrize("where", ["", "/.teamflow"])
def test_a_directory_that_is_not_ours_is_a_clear_error(mode: int, where: str) -> None:
    with tempfile.TemporaryDirectory() as locked:
        os.chmod(locked, 0o755)
        os.mkdir(locked + "/.teamflow") if where else None
        os.chmod(locked + where, mode if os.geteuid() == 0 else mode & 0o555)
        told = finish(python(OPEN, locked, "drop"))
        os.chmod(locked + where, 0o755)
    assert told.startswith(f"unwritable {locked}/.teamflow: cannot be written: Permission denied\n")
    assert "make it writable for this user" in told


def test_a_read_only_file_system_is_a_clear_error() -> None:
    mounts = private_mounts()
    script = (
        "import subprocess\nsubprocess.run(['mount', '-t', 'tmpfs', '-o', 'ro', 'none', '/mnt'], check=True)\n" + OPEN
    )
    if mounts is None:  # /proc is as read-only as anything
        told = finish(python(OPEN, "/proc/self"))
        assert told.startswith("unwritable")
        return
    told = finish(python(script, "/mnt", before=mounts))
    assert told.startswith("unwritable /mnt/.teamflow: cannot be written: Read-only file system")
    assert "writable copy" in told


def test_a_file_in_the_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / ".teamflow").write_text("hello")
    with pytest.raises(StoreError, match="move the file away"):
        Database.open(str(tmp_path))


# -- databases that are not as they should be ----------------------------------------------------------------


def test_a_newer_format_is_refused_with_both_numbers_and_left_alone(tmp_path: Path) -> None:
    Database.open(str(tmp_path)).close()
    path = tmp_path / ".teamflow/state.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    before = path.read_bytes()
    for opener in (Database.open, Database.find):
        with pytest.raises(StoreError, match="has format 7, and this teamflow reads formats up to 3") as caught:
            opener(str(tmp_path))
        assert caught.value.code == "newer-format"
    assert path.read_bytes() == before


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".teamflow").mkdir()
    with sqlite3.connect(tmp_path / ".teamflow/state.db") as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    with pytest.raises(StoreError, match="another program") as caught:
        Database.open(str(tmp_path))
    assert caught.value.code == "not-ours"


@pytest.mark.slow
def test_a_damaged_database_is_a_store_error_wherever_it_is_cut_or_scratched(tmp_path: Path) -> None:
    with Database.open(str(tmp_path)) as database:
        number = database.create_run(new_run()).number
        database.append(number, [row(n, data="x" * 300) for n in range(1, 100)])
    path = tmp_path / ".teamflow/state.db"
    whole = path.read_bytes()
    codes: set[str] = set()
    places: set[str] = set()
    for cut in range(0, len(whole), 1024):
        for damaged in (whole[:cut], whole[:cut] + os.urandom(512) + whole[cut + 512 :]):
            path.write_bytes(damaged)
            try:
                with Database.open(str(tmp_path)) as database:
                    database.newest_run(file="team.yaml", inputs_digest="d")
                    database.rows(number)
            except StoreError as error:
                codes.add(error.code)
                places.add(error.place)
    assert places == {str(path)}
    assert "corrupt" in codes
    assert codes <= {"corrupt", "io", "not-ours", "newer-format"}


def test_a_lock_that_stays_is_an_error_that_says_so(tmp_path: Path) -> None:
    with Database.open(str(tmp_path)) as database:
        database._connection.execute("PRAGMA busy_timeout = 50")
        number = database.create_run(new_run()).number
        with sqlite3.connect(database.layout.database, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="another process has kept it locked") as caught:
                database.append(number, [row(1)])
            other.execute("ROLLBACK")
        other.close()
        assert caught.value.code == "busy"
        database.append(number, [row(1)])


def test_a_run_with_nothing_to_do_loads_nothing_heavy() -> None:
    told = finish(
        python("import sys, teamflow.store.sqlite, teamflow.store.lock; print(*sys.modules)"),
    ).split()
    heavy = {"asyncio", "logging", "dataclasses", "socket", "threading", "subprocess", "urllib", "teamflow.core.events"}
    assert not heavy & set(told)


def test_ulids_sort_by_time_and_do_not_repeat() -> None:
    ids = [ulid(second / 4, os.urandom(10)) for second in range(1000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 1000
    assert {len(one) for one in ids} == {26}
    assert ulid(0, bytes(10)) == "0" * 26
    with pytest.raises(ValueError, match="10 bytes"):
        ulid(0, b"")
