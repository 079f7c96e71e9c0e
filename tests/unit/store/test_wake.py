"""Waking a runner: a byte arrives where it can, and nothing fails where it cannot."""

from __future__ import annotations

import os
import select
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from teamflow.store.layout import Layout
from teamflow.store.wake import WakeSocket, socket_directory, wake


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path leaves room in a socket's 107 bytes, however deep the tests' own lie."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        yield Path(place)


def readable(socket: WakeSocket) -> bool:
    return bool(select.select([socket.fileno()], [], [], 0)[0])


def test_a_byte_from_another_process_makes_the_socket_readable(short: Path) -> None:
    env = {"XDG_RUNTIME_DIR": str(short)}
    layout = Layout("/some/project")
    assert not wake(layout, 1, env=env)
    socket = WakeSocket.bind(layout, 1, env=env)
    assert socket is not None
    assert not readable(socket)
    assert wake(layout, 1, env=env)
    assert not wake(layout, 2, env=env)
    assert not wake(Layout("/other/project"), 1, env=env)
    assert readable(socket)
    socket.drain()
    assert not readable(socket)
    socket.drain()
    socket.close()
    socket.close()
    assert not wake(layout, 1, env=env)
    assert list((short / "teamflow").iterdir()) == []


def test_a_thousand_wakes_nobody_reads_block_nobody(tmp_path: Path) -> None:
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    socket = WakeSocket.bind(Layout("/p"), 1, env=env)
    assert socket is not None
    assert all(wake(Layout("/p"), 1, env=env) for _ in range(1000))
    socket.drain()
    assert not readable(socket)
    socket.close()


def test_what_a_killed_runner_left_is_taken_over(tmp_path: Path) -> None:
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    dead = WakeSocket.bind(Layout("/p"), 1, env=env)
    alive = WakeSocket.bind(Layout("/p"), 1, env=env)
    assert dead is not None
    assert alive is not None
    assert wake(Layout("/p"), 1, env=env)
    assert readable(alive)
    assert not readable(dead)
    dead.close()
    alive.close()


def test_a_runtime_directory_too_deep_falls_back_to_a_private_temporary_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    found = socket_directory({"XDG_RUNTIME_DIR": str(deep), "TMPDIR": str(deep)})
    assert found == f"/tmp/teamflow-{os.geteuid()}"
    assert os.stat(found).st_mode & 0o777 == 0o700


def test_a_directory_that_others_can_write_or_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    short = tmp_path / "x"
    short.mkdir()
    (short / "teamflow").mkdir()
    (short / "teamflow").chmod(0o777)
    env = {"XDG_RUNTIME_DIR": str(short), "TMPDIR": str(tmp_path / "nowhere")}
    assert socket_directory(env) == f"/tmp/teamflow-{os.geteuid()}"
    (short / "teamflow").rmdir()
    os.symlink(tmp_path, short / "teamflow")
    assert socket_directory(env) == f"/tmp/teamflow-{os.geteuid()}"
