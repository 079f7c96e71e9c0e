"""A keeper that says odd things, or hangs up: played by the test, over the files and the socket of a real one."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from teamflow.core.invocation import Exit
from teamflow.keeper import proc
from teamflow.ports import Exited
from teamflow.targets.local import LocalTarget
from tests.contract.test_target import Recorder
from tests.contract.test_target_local import ENVIRON, request

START = {"e": "start", "attempt": 1, "phase": "agent", "pid": 1, "start": 1, "boot": "", "at": 1.0, "log_offset": 0}
EXIT = {
    "e": "exit",
    "attempt": 1,
    "phase": "agent",
    "code": 0,
    "signal": None,
    "cause": None,
    "at": 2.0,
    "log_size": 5,
    "err_size": None,
}


class OddKeeper:
    """Holds the lock and listens; says only what the test tells it to. `process` stands for its pid."""

    def __init__(self, run_dir: Path, process: subprocess.Popen[bytes]) -> None:
        self.run_dir = run_dir
        self.process = process
        self.heard: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self) -> None:
        self.lock = os.open(self.run_dir / "keeper.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        path = str(self.run_dir / "s")
        self.server = await asyncio.start_unix_server(self._connected, path)
        about = {
            "pid": self.process.pid,
            "start": proc.start_time(self.process.pid),
            "boot": proc.boot_id(),
            "level": "walk",
            "cgroup": None,
            "socket": path,
        }
        (self.run_dir / "keeper.json").write_text(json.dumps(about))

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        try:
            async for line in reader:
                await self.heard.put(json.loads(line))
        except ConnectionError:
            pass

    def say(self, *messages: object) -> None:
        assert self.writer is not None
        for message in messages:
            self.writer.write(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n")

    async def hear(self, op: str) -> dict[str, object]:
        while True:
            message = await asyncio.wait_for(self.heard.get(), 60)
            if message["op"] == op:
                return message

    def hang_up(self) -> None:
        assert self.writer is not None
        self.writer.close()

    def die(self) -> None:
        """Lets go of the lock, as a keeper that is killed does."""
        self.server.close()
        self.hang_up()
        os.close(self.lock)


def stand_in() -> subprocess.Popen[bytes]:
    """A process that may be killed in the keeper's place."""
    return subprocess.Popen(["sleep", "60"])


@asynccontextmanager
async def adopted(run_dir: Path, *, patience: float = 0.1) -> AsyncIterator[tuple[OddKeeper, LocalTarget, Recorder]]:
    process = stand_in()
    try:
        keeper = OddKeeper(run_dir, process)
        await keeper.serve()
        target, events = LocalTarget(str(run_dir), environ=ENVIRON, patience=patience), Recorder()
        target.environment("base", {})
        await target.open(events, after=0)
        await keeper.hear("hello")
        keeper.say({"op": "welcome", "pid": process.pid, "level": "walk", "boot": "", "protocol": 1, "seq": 0})
        yield keeper, target, events
        await target.close()
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    return made


def test_disk_trouble_is_passed_on(run_dir: Path) -> None:
    async def scenario() -> None:
        async with adopted(run_dir) as (keeper, target, events):
            keeper.say({"op": "disk", "full": True, "path": "/x/keeper.journal", "error": "No space left on device"})
            keeper.say({"op": "disk", "full": False}, {"op": "something new"}, {"seq": 1, "step": "a", **EXIT})
            await events.ended("a")
            assert events.trouble == ["/x/keeper.journal: No space left on device", None]
            assert target.kill_level == "walk"
            keeper.die()

    asyncio.run(scenario())


def test_a_refused_start_is_answered(run_dir: Path) -> None:
    async def scenario() -> None:
        async with adopted(run_dir) as (keeper, target, events):
            target.start(request(run_dir, "a", "x"))
            target.start(request(run_dir, "b", "x"))
            await keeper.hear("start")
            keeper.say({"op": "error", "error": "malformed", "of": "start", "text": "no", "step": "a", "attempt": 1})
            await events.ended("a")
            assert events.ends == {"a": Exit(error="no")}
            keeper.die()
            await events.ended("b")
            assert events.ends["b"] == Exit(cause="lost")

    asyncio.run(scenario())


def test_a_keeper_that_hangs_up_is_told_everything_again(run_dir: Path) -> None:
    async def scenario() -> None:
        async with adopted(run_dir) as (keeper, target, events):
            target.start(request(run_dir, "a", "x"))
            target.start(request(run_dir, "b", "x"))
            await keeper.hear("start")
            keeper.say({"seq": 1, "step": "a", **START})
            await events.until(lambda: events.entries)
            target.stop("a", 1, grace=60, cause="cancel")
            await keeper.hear("stop")
            keeper.hang_up()
            assert (await keeper.hear("hello"))["after"] == 1
            assert (await keeper.hear("env"))["id"] == "base"
            assert (await keeper.hear("start"))["step"] == "b"
            assert (await keeper.hear("stop"))["step"] == "a"
            keeper.say(
                {"seq": 1, "step": "a", **START}, {"seq": 2, "step": "a", **EXIT}, {"seq": 3, "step": "b", **EXIT}
            )
            await events.ended("a", "b")
            assert [entry.seq for entry in events.entries] == [1, 2, 3]
            assert not events.lost
            keeper.die()

    asyncio.run(scenario())


@pytest.mark.parametrize("rubbish", [b"hello\n", b"[]\n", b'{"e":"exit"}\n', b"{}\n", b"\xff\n"])
def test_a_keeper_that_talks_rubbish_is_ended(run_dir: Path, rubbish: bytes) -> None:
    async def scenario() -> None:
        # Long: its lock is let go of by the test, some time after the kill; it is not to be adopted again until then.
        async with adopted(run_dir, patience=120.0) as (keeper, target, events):
            target.start(request(run_dir, "a", "x"))
            await keeper.hear("start")
            keeper.say({"seq": 1, "step": "a", **START}, rubbish)
            await asyncio.to_thread(keeper.process.wait, 60)
            assert keeper.process.returncode == -9
            keeper.die()
            await events.until(lambda: events.lost)
            assert events.ends["a"] == Exit(cause="lost")
            assert "cannot be understood" in events.lost[0]

    asyncio.run(scenario())


def test_a_stop_that_is_never_answered_by_a_living_keeper(run_dir: Path) -> None:
    """The keeper answers, so it is left alone; the stop is answered for it, and its late word is not told."""

    async def scenario() -> None:
        async with adopted(run_dir) as (keeper, target, events):
            target.start(request(run_dir, "a", "x"))
            await keeper.hear("start")
            keeper.say({"seq": 1, "step": "a", **START})
            await events.until(lambda: events.entries)
            target.stop("a", 1, grace=0, cause="cancel")
            await keeper.hear("ping")
            keeper.say({"op": "error", "error": "unknown_op", "of": "ping", "text": ""})
            await events.ended("a")
            assert events.ends["a"] == Exit(signal=9, cause="cancel")
            keeper.say({"seq": 2, "step": "a", **EXIT}, {"seq": 3, "step": "b", **EXIT})
            await events.ended("b")
            assert [entry.step for entry in events.entries if isinstance(entry, Exited)] == ["a", "b"]
            assert keeper.process.poll() is None
            keeper.die()

    asyncio.run(scenario())
