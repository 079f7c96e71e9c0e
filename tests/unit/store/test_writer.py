"""The live log under trouble: second writers, removed files, full disks, kill -9. Nothing acknowledged is lost."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from teamflow.store.errors import StoreError
from teamflow.store.rows import Row
from teamflow.store.sqlite import Database
from teamflow.store.writer import Writer
from tests.fakes.projects import finish, new_run, private_mounts, python


def row(seq: int, size: int = 2) -> Row:
    return (seq, 1000.0, float(seq), "X", '"' + "x" * (size - 2) + '"')


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open(str(tmp_path)) as opened:
        opened.create_run(new_run())
        yield opened


def test_it_goes_on_where_the_log_ends_and_nowhere_else(database: Database) -> None:
    database.append(1, [row(1), row(2)])
    with pytest.raises(StoreError, match="another process has appended"):
        Writer(database.layout, 1, after=1)
    writer = Writer(database.layout, 1, after=2)
    writer.append_rows([row(3)])
    writer.put_plan(2, b"revised")
    writer.append_rows([row(4)])
    writer.flushed().result(60)
    assert [stored[0] for stored in database.rows(1)] == [1, 2, 3, 4]
    assert database.plan(1, 2) == b"revised"
    assert writer.durable == 4
    writer.close()
    writer.close()


def test_a_second_writer_ends_the_first_loudly(database: Database) -> None:
    told: list[str | None] = []
    writer = Writer(database.layout, 1, after=0, on_trouble=told.append)
    writer.append_rows([row(1)])
    writer.flushed().result(60)
    database.append(1, [row(2)])
    writer.append_rows([row(2)])
    with pytest.raises(StoreError, match="another process has appended") as caught:
        writer.flushed().result(60)
    assert caught.value.code == "conflict"
    assert len(told) == 1
    assert "another process" in (told[0] or "")
    with pytest.raises(StoreError):
        writer.append_rows([row(3)])
    with pytest.raises(StoreError):
        writer.flushed().result(60)
    with pytest.raises(StoreError):
        writer.close()
    assert database.rows(1) == [row(1), row(2)]


def test_a_run_that_was_removed_and_a_database_that_was_moved_are_told(database: Database, tmp_path: Path) -> None:
    writer = Writer(database.layout, 1, after=0)
    database.forget(1)
    writer.append_rows([row(1)])
    with pytest.raises(StoreError, match="run 1 was removed"):
        writer.flushed().result(60)
    number = database.create_run(new_run()).number
    other = Writer(database.layout, number, after=0)
    os.rename(database.layout.database, tmp_path / "moved.db")
    other.append_rows([row(1)])
    with pytest.raises(StoreError, match="was removed or replaced"):
        other.flushed().result(60)


def test_a_database_that_others_keep_locked_is_waited_for(database: Database) -> None:
    told: list[str | None] = []
    writer = Writer(database.layout, 1, after=0, on_trouble=told.append, retry_seconds=0.02)
    writer._committer._busy = 0.02
    other = sqlite3.connect(database.layout.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer.append_rows([row(1)])
    writer.append_rows([row(2)])
    pending = writer.flushed()
    wait_until(lambda: bool(told))
    assert "kept it locked" in (told[0] or "")
    assert not pending.done()
    other.execute("ROLLBACK")
    pending.result(60)
    other.close()
    assert told[-1] is None
    assert database.rows(1) == [row(1), row(2)]
    writer.close()


def test_closing_gives_up_after_its_timeout_and_says_what_is_missing(database: Database) -> None:
    writer = Writer(database.layout, 1, after=0, retry_seconds=0.02)
    writer._committer._busy = 0.02
    other = sqlite3.connect(database.layout.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer.append_rows([row(1), row(2)])
    pending = writer.flushed()
    with pytest.raises(StoreError, match="2 records could not be written") as caught:
        writer.close(timeout=0.1)
    assert caught.value.code == "busy"
    assert "journal" in str(caught.value)
    with pytest.raises(StoreError):
        pending.result(0)
    other.close()


def test_a_commit_that_was_there_after_all_is_not_written_twice(database: Database) -> None:
    writer = Writer(database.layout, 1, after=0)
    committer = writer._committer
    assert committer.commit([row(1), row(2)], [(2, b"p")]) is None
    committer.close()  # as after an I/O error whose commit had reached the disk
    assert committer.commit([row(1), row(2), row(3)], [(2, b"p")]) is None
    assert database.rows(1) == [row(1), row(2), row(3)]
    committer.close()
    trouble = committer.commit([(3, 0.0, 0.0, "other", "{}")], [])
    assert trouble is not None
    assert (trouble.error.code, trouble.passing) == ("conflict", False)
    writer.close()


def wait_until(true: object, *, seconds: float = 60.0) -> None:
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.002)


# -- full disks ------------------------------------------------------------------------------------------------

FULL = """
import json, os, resource, sys, threading, time
from teamflow.store.sqlite import Database
from teamflow.store.writer import Writer
from tests.fakes.projects import new_run

root, how = sys.argv[1:]
told, events = [], threading.Event()
def trouble(message):
    told.append(message); events.set()

database = Database.open(root)
run = database.create_run(new_run()).number
writer = Writer(database.layout, run, after=0, on_trouble=trouble, ballast_size=300_000, retry_seconds=0.02)
row = lambda n: (n, 1.0, 1.0, "X", '"' + "y" * 500 + '"')
writer.append_rows([row(1)]); writer.flushed().result(60)
limits = resource.getrlimit(resource.RLIMIT_FSIZE)

if how == "tmpfs":
    with open(root + "/fill", "wb", buffering=0) as file:
        try:
            while file.write(b"f" * 4096): pass
        except OSError: pass
else:
    size = os.path.getsize(database.layout.database + "-wal")
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100_000, limits[1]))

held = os.path.exists(database.layout.ballast)
sent = 1
while not told and sent < 100_000:      # the ballast is used up before anybody hears of it
    writer.append_rows([row(n) for n in range(sent + 1, sent + 21)]); sent += 20
    time.sleep(0.002)
durable_when_full = writer.durable
for _ in range(50):                     # the run goes on: nothing blocks, nothing is dropped
    writer.append_rows([row(n) for n in range(sent + 1, sent + 11)]); sent += 10
pending = writer.flushed()
time.sleep(0.1)
waiting = not pending.done()
readable = len(database.rows(run))
dropped = not os.path.exists(database.layout.ballast)
if how == "tmpfs": os.unlink(root + "/fill")
else: resource.setrlimit(resource.RLIMIT_FSIZE, limits)
pending.result(60)
writer.close()
stored = [r[0] for r in database.rows(run)]
check = database._connection.execute("PRAGMA integrity_check").fetchone()[0]
whole = stored == list(range(1, sent + 1))
print(json.dumps([told, held, dropped, durable_when_full, waiting, readable, sent, whole, check]))
"""


@pytest.mark.parametrize("how", ["tmpfs", "limit"])
def test_a_full_disk_loses_nothing_and_is_told_once(how: str, tmp_path: Path) -> None:
    mounts = private_mounts() if how == "tmpfs" else None
    if mounts is None:
        child = python(FULL, tmp_path, "limit")
    else:
        mount = "import subprocess\nsubprocess.run('mount -t tmpfs -o size=8m none /mnt'.split(), check=True)\n"
        child = python(mount + FULL, "/mnt", "tmpfs", before=mounts)
    told, held, dropped, when_full, waiting, readable, sent, whole, check = json.loads(finish(child))
    assert len(told) == 2
    assert told[1] is None
    assert "state.db" in told[0]
    if mounts is not None:
        assert "the disk is full" in told[0]
        assert when_full > 100  # some of it into the room that the ballast left
    assert held
    assert dropped
    assert waiting
    assert when_full <= readable < sent
    assert whole
    assert check == "ok"


# -- kill -9 ---------------------------------------------------------------------------------------------------

APPEND = """
import os, sys
from teamflow.store.sqlite import Database
from teamflow.store.lock import RunLock, this_process
from teamflow.store.writer import Writer
database = Database.open(sys.argv[1])
lock = RunLock.acquire(database.layout, 1, this_process(since=0.0))
assert isinstance(lock, RunLock), lock
last = database.last_seq(1)
writer = Writer(database.layout, 1, after=last, on_durable=lambda seq: os.write(1, b"%d\\n" % seq))
while True:
    writer.append_rows([(n, 1.0, 1.0, "X", "{}") for n in range(last + 1, last + 4)])
    last += 3
    if last % 30 == 0: writer.flushed().result(60)
"""


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_kill_9_of_the_writer_loses_nothing_that_was_called_durable(database: Database, kills: int) -> None:
    random = Random(kills)
    acknowledged = 0
    for _ in range(kills):
        child = python(APPEND, database.layout.root)
        assert child.stdout is not None
        for _ in range(random.randint(1, 40)):
            acknowledged = max(acknowledged, int(child.stdout.readline()))
        time.sleep(random.random() * 0.002)
        child.kill()
        rest = child.communicate()[0].split("\n")
        acknowledged = max([acknowledged, *(int(line) for line in rest[:-1] if line)])
        stored = [seq for seq, *_ in database.rows(1)]
        assert stored == list(range(1, len(stored) + 1))
        assert len(stored) >= acknowledged
    assert database._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# -- many at once ----------------------------------------------------------------------------------------------

CROWD = """
import sys
from teamflow.store.sqlite import Database
from teamflow.store.writer import Writer
from tests.fakes.projects import new_run
sys.stdin.readline()
with Database.open(sys.argv[1]) as database:
    number = database.create_run(new_run()).number
    writer = Writer(database.layout, number, after=0)
    for n in range(1, 51):
        writer.append_rows([(n, 1.0, 1.0, "X", str(number))])
        if n % 10 == 0:
            database.insert_request(number, "cancel", "[]", expected_seq=n, at=1.0, by=str(number))
            writer.flushed().result(30)
    writer.close()
    print(number)
"""


@pytest.mark.slow
def test_twenty_processes_at_once_on_a_project_that_has_no_state_yet(tmp_path: Path) -> None:
    children = [python(CROWD, tmp_path) for _ in range(20)]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    numbers = sorted(int(finish(child)) for child in children)
    assert numbers == list(range(1, 21))
    with Database.open(str(tmp_path)) as database:
        for number in numbers:
            assert [(r[0], r[4]) for r in database.rows(number)] == [(n, str(number)) for n in range(1, 51)]
            assert [(r.expected_seq, r.by) for r in database.requests(number)] == [
                (n, str(number)) for n in range(10, 51, 10)
            ]
            assert os.path.isdir(database.layout.logs(number))
