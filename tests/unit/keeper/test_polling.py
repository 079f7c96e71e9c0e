"""What waits for files and children: epoll, and what stands in for it elsewhere, told apart by nothing below."""

import os
import select
import socket
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from teamflow.keeper.polling import IN, OUT, Kqueue, Poll, best
from tests.fakes import kqueue

POLLERS: dict[str, Callable[[int], Any]] = {
    "epoll": lambda wakeup: select.epoll(),
    "poll": lambda wakeup: Poll(),
    "kqueue": lambda wakeup: Kqueue(kqueue.API, wakeup),
}


@pytest.fixture(params=POLLERS)
def poller(request: pytest.FixtureRequest) -> Any:
    return POLLERS[request.param](99)


def _ready(poller: Any, seconds: float = 0) -> dict[int, int]:
    return dict(poller.poll(seconds))


def test_what_can_be_read_and_written_is_told_until_it_is_done(poller: Any) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        poller.register(ours.fileno(), IN)
        assert _ready(poller) == {}
        theirs.sendall(b"x")
        assert _ready(poller, 5) == {ours.fileno(): IN}
        assert _ready(poller) == {ours.fileno(): IN}
        poller.modify(ours.fileno(), IN | OUT)
        assert _ready(poller) == {ours.fileno(): IN | OUT}
        assert ours.recv(9) == b"x"
        assert _ready(poller) == {ours.fileno(): OUT}
        poller.modify(ours.fileno(), IN)
        assert _ready(poller) == {}
        theirs.close()
        assert _ready(poller, 5)[ours.fileno()] & ~OUT, "its end is something to be read"
        poller.unregister(ours.fileno())
        assert _ready(poller) == {}


def test_a_pipe_whose_reader_is_gone_can_be_written(poller: Any) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    while True:
        try:
            os.write(writing, bytes(1 << 16))
        except BlockingIOError:
            break
    poller.register(writing, OUT)
    assert _ready(poller) == {}
    os.close(reading)
    assert writing in _ready(poller, 5)
    poller.unregister(writing)
    os.close(writing)


def test_a_number_that_was_closed_is_no_longer_waited_for(poller: Any) -> None:
    """And is told of again when it is another file's, which was registered."""
    reading, writing = os.pipe()
    poller.register(writing, OUT)
    os.close(writing)
    if getattr(poller, "keeps_closed", False):
        poller.unregister(writing)
        poller.unregister(writing)
    assert _ready(poller) == {}
    os.close(reading)
    again, other = os.pipe()
    assert {again, other} == {reading, writing}
    poller.register(again, IN)
    os.write(other, b"x")
    assert _ready(poller) == {again: IN}
    poller.unregister(again)
    os.close(again)
    os.close(other)


def test_it_waits_as_long_as_it_is_told(poller: Any) -> None:
    begun = time.monotonic()
    assert _ready(poller, 0.05) == {}
    assert time.monotonic() - begun > 0.04


def test_the_end_of_a_child_wakes_a_kqueue() -> None:
    """One that had ended before it was to be followed, too: a zombie is no process to it."""
    poller = Kqueue(kqueue.API, 77)
    with subprocess.Popen(["sleep", "60"]) as long, subprocess.Popen(["true"]) as short:
        os.waitid(os.P_PID, short.pid, os.WEXITED | os.WNOWAIT)
        poller.follow(long.pid)
        assert _ready(poller) == {}
        poller.follow(short.pid)
        assert _ready(poller, 60) == {77: IN}
        assert _ready(poller) == {}
        long.kill()
        assert _ready(poller, 60) == {77: IN}
        assert _ready(poller) == {}


def test_without_a_kqueue_there_is_poll() -> None:
    assert isinstance(best(99), Poll)
