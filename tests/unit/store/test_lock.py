"""Who holds a run: exactly one, named to all others, and free the moment it dies."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from teamflow.store.errors import StoreError
from teamflow.store.layout import Layout
from teamflow.store.lock import PATIENCE, Holder, RunLock, creation_lock, holder_of, this_process
from teamflow.store.sqlite import Database
from tests.fakes.projects import finish, new_run, python

TAKE = """
import subprocess, sys
from teamflow.store.layout import Layout
from teamflow.store.lock import RunLock, this_process
got = RunLock.acquire(Layout(sys.argv[1]), 1, this_process(since=5.0))
if isinstance(got, RunLock) and "spawn" in sys.argv:
    child = subprocess.Popen(["sleep", "60"], close_fds=False, start_new_session=True)
    print(child.pid, flush=True)
else:
    print("got it" if isinstance(got, RunLock) else got.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    with Database.open(str(tmp_path)) as database:
        database.create_run(new_run())
        return database.layout


def me() -> Holder:
    return this_process(since=7.0)


def test_the_loser_is_told_who_holds_it_at_once(layout: Layout) -> None:
    child = python(TAKE, layout.root)
    assert child.stdout is not None
    assert child.stdout.readline() == "got it\n"
    took = []
    for _ in range(20):
        started = time.monotonic()
        other = RunLock.acquire(layout, 1, me())
        took.append(time.monotonic() - started)
    assert min(took) < PATIENCE / 2, "nothing is waited for"
    assert isinstance(other, Holder)
    assert (other.pid, other.since, other.host) == (child.pid, 5.0, os.uname().nodename)
    assert "python" in other.command
    assert str(child.pid) in str(other)
    assert holder_of(layout, 1) == other
    finish(child)
    assert holder_of(layout, 1) is None
    assert isinstance(RunLock.acquire(layout, 1, me()), RunLock)


def test_a_killed_holder_frees_it_although_its_child_lives_on(layout: Layout) -> None:
    child = python(TAKE, layout.root, "spawn")
    assert child.stdout is not None
    survivor = int(child.stdout.readline())
    try:
        child.kill()
        child.wait()
        os.kill(survivor, 0)
        lock = RunLock.acquire(layout, 1, me())
        assert isinstance(lock, RunLock)
        lock.release()
    finally:
        os.kill(survivor, signal.SIGKILL)
        child.communicate()


def test_released_and_taken_again(layout: Layout) -> None:
    first = RunLock.acquire(layout, 1, me())
    assert isinstance(first, RunLock)
    assert holder_of(layout, 1) == me()
    first.release()
    first.release()
    assert holder_of(layout, 1) is None
    second = RunLock.acquire(layout, 1, me())
    assert isinstance(second, RunLock)
    second.release()
    assert holder_of(layout, 2) is None


@pytest.mark.slow
@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b'{"pid": 1}', b"\xff" * 100, b'{"pid": "x"}'])
def test_a_holder_that_left_no_name_is_still_a_holder(layout: Layout, garbage: bytes) -> None:
    lock = RunLock.acquire(layout, 1, me())
    assert isinstance(lock, RunLock)
    Path(layout.run_lock(1)).write_bytes(garbage)
    assert holder_of(layout, 1) == Holder()
    if garbage == b"{":
        assert RunLock.acquire(layout, 1, me()) == Holder()
    lock.release()


def test_many_at_once_give_one_owner(layout: Layout) -> None:
    children = [python(TAKE, layout.root) for _ in range(12)]
    told = []
    for child in children:
        assert child.stdout is not None
        told.append(child.stdout.readline().strip())
    assert told.count("got it") == 1
    owner = children[told.index("got it")]
    assert set(told) == {"got it", str(owner.pid)}
    for child in children:
        finish(child)


def test_viewers_never_keep_a_runner_out(layout: Layout) -> None:
    look = """
import sys
from teamflow.store.layout import Layout
from teamflow.store.lock import holder_of
print("ready", flush=True)
while True:
    holder_of(Layout(sys.argv[1]), 1)
"""
    viewer = python(look, layout.root)
    assert viewer.stdout is not None
    viewer.stdout.readline()
    try:
        for _ in range(200):
            lock = RunLock.acquire(layout, 1, me())
            assert isinstance(lock, RunLock)
            lock.release()
    finally:
        viewer.kill()
        viewer.communicate()


def test_two_creators_at_once_are_one_after_the_other(layout: Layout) -> None:
    script = """
import sys, time, os
from teamflow.store.lock import RunLock, creation_lock, this_process
from teamflow.store.sqlite import Database
from tests.fakes.projects import new_run
with Database.open(sys.argv[1]) as database:
    print("ready", flush=True)
    sys.stdin.readline()
    with creation_lock(database.layout):
        row = database.newest_run(file="fresh.yaml") or database.create_run(new_run(file="fresh.yaml"))
        got = RunLock.acquire(database.layout, row.number, this_process(since=0.0))
    print(row.number, isinstance(got, RunLock), flush=True)
    sys.stdin.read()
"""
    children = [python(script, layout.root) for _ in range(6)]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    told = [child.stdout.readline() for child in children if child.stdout is not None]
    assert sorted(told) == ["2 False\n"] * 5 + ["2 True\n"]
    for child in children:
        finish(child)


def test_a_creator_that_hangs_is_an_error_and_no_wait_without_end(layout: Layout) -> None:
    with (
        creation_lock(layout),
        pytest.raises(StoreError, match="another teamflow has held this lock"),
        creation_lock(layout, patience=0.05),
    ):
        pass
    with creation_lock(layout, patience=0.0):
        pass


def test_a_lock_file_that_is_a_link_is_not_followed(layout: Layout, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    os.symlink(victim, layout.run_lock(1))
    with pytest.raises(StoreError):
        RunLock.acquire(layout, 1, me())
    assert victim.read_text() == "precious"
