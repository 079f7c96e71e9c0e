"""What every target does, shown on the real one (a keeper and processes) and on the fake that other tests use."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest

from teamflow.core.invocation import Exit, Invocation
from teamflow.core.plan import Json
from teamflow.ports import Exited, Start, Started, Target
from teamflow.targets import keeper_files, keeper_process
from teamflow.targets.local import LocalTarget
from tests.fakes.target import FakeKeeper, FakeTarget, Play

ENTRY = Started | Exited
AT_ONCE = Play()


@dataclass
class Recorder:
    """`TargetEvents` that keeps what it was told; `pump` makes a fake's time pass."""

    pump: Callable[[], object] | None = None
    entries: list[ENTRY] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    trouble: list[str | None] = field(default_factory=list)
    on_entry: Callable[[ENTRY], None] = lambda entry: None

    def __post_init__(self) -> None:
        self.changed = asyncio.Event()

    def journal(self, entries: Sequence[ENTRY]) -> None:
        self.entries += entries
        for entry in entries:
            self.on_entry(entry)
        self.changed.set()

    def keeper_lost(self, reason: str) -> None:
        self.lost.append(reason)
        self.changed.set()

    def disk_trouble(self, message: str | None) -> None:
        self.trouble.append(message)
        self.changed.set()

    @property
    def ends(self) -> dict[str, Exit]:
        return {entry.step: entry.end for entry in self.entries if isinstance(entry, Exited)}

    @property
    def pids(self) -> dict[str, int]:
        return {entry.step: entry.pid for entry in self.entries if isinstance(entry, Started)}

    async def until(self, holds: Callable[[], object], *, within: float = 60.0) -> None:
        async with asyncio.timeout(within):
            while not holds():
                self.changed.clear()
                if self.pump is not None:
                    assert self.pump(), f"nothing more will happen: {self.entries}"
                    await asyncio.sleep(0)
                else:
                    await self.changed.wait()

    async def ended(self, *steps: str, within: float = 60.0) -> None:
        await self.until(lambda: set(steps) <= set(self.ends), within=within)


class World(Protocol):
    """One run on one kind of target."""

    def target(self) -> Target: ...
    def recorder(self) -> Recorder: ...
    def kill_keeper(self) -> None: ...
    def drop(self, target: Target) -> None: ...
    def invocation(self, play: Play) -> Invocation: ...


class FakeWorld:
    def __init__(self, run_dir: Path) -> None:
        self.plays: dict[tuple[str, ...], Play] = {}
        self.keeper = FakeKeeper(lambda start: self.plays[start.invocation.argv])

    def target(self) -> Target:
        return FakeTarget(self.keeper)

    def recorder(self) -> Recorder:
        return Recorder(self.keeper.step)

    def kill_keeper(self) -> None:
        self.keeper.kill()

    def drop(self, target: Target) -> None:
        assert isinstance(target, FakeTarget)
        target.events = None

    def invocation(self, play: Play) -> Invocation:
        argv = (f"play{len(self.plays)}",)
        self.plays[argv] = play
        return Invocation(argv)


class LocalWorld:
    level: dict[str, str] = {}  # noqa: RUF012 (never changed)

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir

    def target(self) -> Target:
        return LocalTarget(str(self.run_dir), environ={"PATH": os.environ["PATH"], **self.level}, patience=30.0)

    def recorder(self) -> Recorder:
        return Recorder()

    def kill_keeper(self) -> None:
        assert keeper_process.kill_keeper(str(self.run_dir))

    def drop(self, target: Target) -> None:
        assert isinstance(target, LocalTarget)
        assert target._link is not None
        target._link.close()

    def invocation(self, play: Play) -> Invocation:
        if play.error is not None:
            return Invocation(("/nonexistent/program",))
        trap = "trap '' INT TERM; " if play.obeys is None else ""
        wait = "while :; do sleep 0.05; done; " if play.seconds is None else ""
        end = f"kill -{play.signal} $$" if play.signal else f"exit {play.code}"
        return Invocation(("/bin/sh", "-c", f"{trap}printf '%s' '{play.output.decode()}'; {wait}{end}"))


class WalkWorld(LocalWorld):
    """Without cgroups, as on machines that give us none."""

    level = {"TEAMFLOW_KILL_LEVEL": "walk"}  # noqa: RUF012


@pytest.fixture(params=[FakeWorld, LocalWorld, WalkWorld])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    yield request.param(run_dir)
    if keeper_files.is_held(str(run_dir)):
        keeper_process.kill_keeper(str(run_dir))
        pytest.fail("a keeper was left")


@pytest.fixture
def start(world: World, tmp_path: Path) -> Callable[..., Start]:
    def make(
        step: str,
        play: Play = AT_ONCE,
        *,
        attempt: int = 1,
        phase: str = "agent",
        invocation: Invocation | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        grace: float = 5.0,
        note: Mapping[str, Json] | None = None,
    ) -> Start:
        return Start(
            step=step,
            attempt=attempt,
            phase=phase,
            invocation=invocation or world.invocation(play),
            cwd=str(tmp_path),
            base_env="base",
            env=env or {},
            log=str(tmp_path / f"{step}.log"),
            err=None,
            timeout=timeout,
            idle=None,
            idle_paths=(),
            grace=grace,
            log_limit=None,
            isolation=None,
            note=note or {},
        )

    return make


FOREVER = Play(seconds=None, obeys=0.0)
STUBBORN = Play(seconds=None, obeys=None)


def run(scenario: Coroutine[object, object, None]) -> None:
    asyncio.run(scenario)


async def opened(world: World, *, after: int = 0) -> tuple[Target, Recorder]:
    target, events = world.target(), world.recorder()
    target.environment("base", {"PATH": "/usr/bin:/bin", "GREETING": "hello"})
    await target.open(events, after=after)
    return target, events


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_starts_and_ends(world: World, start: Callable[..., Start]) -> None:
    async def scenario() -> None:
        target, events = await opened(world)
        target.start(start("good", Play(output=b"four"), note={"cause": "first", "n": 1}))
        target.start(start("bad", Play(code=3)))
        target.start(start("killed", Play(code=None, signal=9)))
        target.start(start("absent", Play(error="no such file")))
        await events.ended("good", "bad", "killed", "absent")
        assert events.ends["good"] == Exit(code=0, log_end=4)
        assert events.ends["bad"] == Exit(code=3)
        assert events.ends["killed"] == Exit(signal=9)
        assert events.ends["absent"].error
        started = {entry.step: entry for entry in events.entries if isinstance(entry, Started)}
        assert set(started) == {"good", "bad", "killed"}
        assert started["good"].note == {"cause": "first", "n": 1}
        assert [entry.seq for entry in events.entries] == list(range(1, 8))
        await target.close()

    run(scenario())


def test_a_start_leads_to_one_process(world: World, start: Callable[..., Start]) -> None:
    async def scenario() -> None:
        target, events = await opened(world)
        request = start("once")
        target.start(request)
        target.start(request)
        await events.ended("once")
        target.start(request)
        target.start(start("once", attempt=2))
        target.start(start("once", phase="verify.0"))
        await events.until(lambda: len(events.entries) == 6)
        assert [(entry.step, entry.attempt, entry.phase) for entry in events.entries if isinstance(entry, Exited)] in (
            [("once", 1, "agent"), ("once", 2, "agent"), ("once", 1, "verify.0")],
            [("once", 1, "agent"), ("once", 1, "verify.0"), ("once", 2, "agent")],
        )
        await target.close()

    run(scenario())


def test_starts_from_a_callback(world: World, start: Callable[..., Start]) -> None:
    """A chain: each start is asked for while the end before it is told."""

    async def scenario() -> None:
        target, events = await opened(world)

        def follow(entry: ENTRY) -> None:
            if isinstance(entry, Exited) and int(entry.step) < 20:
                target.start(start(str(int(entry.step) + 1)))

        events.on_entry = follow
        target.start(start("1"))
        await events.ended("20")
        assert [int(entry.step) for entry in events.entries] == sorted(2 * list(range(1, 21)))
        await target.close()

    run(scenario())


@pytest.mark.slow
@pytest.mark.parametrize("play", [FOREVER, STUBBORN])
def test_stops(world: World, start: Callable[..., Start], play: Play) -> None:
    async def scenario() -> None:
        target, events = await opened(world)
        target.start(start("a", play))
        target.start(start("b", FOREVER))
        await events.until(lambda: len(events.pids) == 2)
        target.stop("a", 1, grace=0.2, cause="cancel")
        target.stop("nobody", 1, grace=0.0, cause="cancel")
        await events.ended("a")
        assert events.ends["a"].cause == "cancel"
        assert events.ends["a"].signal is not None
        assert "b" not in events.ends
        target.stop("b", 1, grace=0.0, cause="interrupt")
        await events.ended("b")
        assert (events.ends["b"].cause, events.ends["b"].signal) == ("interrupt", 9)
        assert not events.lost
        await target.close()

    run(scenario())


@pytest.mark.slow
def test_frozen_its_deadline_stands_still(world: World, start: Callable[..., Start]) -> None:
    async def scenario() -> None:
        target, events = await opened(world)
        target.start(start("a", FOREVER, timeout=3.0))
        await events.until(lambda: len(events.pids) == 1)
        target.freeze("a", 1, on=True)
        target.freeze("a", 1, on=True)
        target.freeze("nobody", 1, on=True)
        target.start(start("b", Play(seconds=3.5)))
        await events.ended("b")
        assert "a" not in events.ends
        target.freeze("a", 1, on=False)
        await events.ended("a")
        assert events.ends["a"].cause == "timeout"
        await target.close()

    run(scenario())


def test_what_is_frozen_can_be_stopped(world: World, start: Callable[..., Start]) -> None:
    async def scenario() -> None:
        target, events = await opened(world)
        target.start(start("a", FOREVER))
        await events.until(lambda: len(events.pids) == 1)
        target.freeze("a", 1, on=True)
        target.stop("a", 1, grace=5.0, cause="cancel")
        await events.ended("a")
        assert events.ends["a"].cause == "cancel"
        assert events.ends["a"].signal != 9, "it could end by itself"
        await target.close()

    run(scenario())


def test_a_stop_reaches_a_start_of_the_same_turn(world: World, start: Callable[..., Start]) -> None:
    async def scenario() -> None:
        target, events = await opened(world)
        target.start(start("a", FOREVER))
        target.stop("a", 1, grace=0.0, cause="cancel")
        await events.ended("a")
        assert events.ends["a"].cause == "cancel"
        await target.close()

    run(scenario())


@pytest.mark.slow
def test_times_out(world: World, start: Callable[..., Start]) -> None:
    async def scenario() -> None:
        target, events = await opened(world)
        target.start(start("slow", STUBBORN, timeout=0.1, grace=0.1))
        await events.ended("slow")
        assert (events.ends["slow"].cause, events.ends["slow"].signal) == ("timeout", 9)
        await target.close()

    run(scenario())


def test_the_next_runner_adopts(world: World, start: Callable[..., Start]) -> None:
    async def scenario() -> None:
        first, events = await opened(world)
        first.start(start("done"))
        first.start(start("long", FOREVER, note={"cause": "first"}))
        await events.until(lambda: len(events.entries) == 3)
        world.drop(first)

        second, seen = await opened(world, after=1)
        assert [entry.seq for entry in seen.entries] == [2, 3]
        assert not seen.lost
        second.start(start("long", FOREVER))
        second.start(start("more"))
        await seen.ended("more")
        assert [entry.seq for entry in seen.entries] == [2, 3, 4, 5]
        second.stop("long", 1, grace=0.0, cause="cancel")
        await seen.ended("long")
        await second.close()

        third, late = await opened(world)
        assert [entry.seq for entry in late.entries] == [1, 2, 3, 4, 5, 6]
        await third.close()

    run(scenario())


def test_the_keeper_is_killed(world: World, start: Callable[..., Start]) -> None:
    async def scenario() -> None:
        target, events = await opened(world)
        target.start(start("a"))
        target.start(start("b", STUBBORN))
        target.start(start("c", STUBBORN))
        await events.ended("a")
        await events.until(lambda: len(events.pids) == 3)
        world.kill_keeper()
        await events.ended("b", "c")
        await events.until(lambda: events.lost)
        assert events.ends["b"].cause == events.ends["c"].cause == "lost"
        assert len(events.lost) == 1
        assert not alive(events.pids["b"])
        assert not alive(events.pids["c"])

        target.start(start("b", attempt=2))
        await events.until(lambda: any(isinstance(e, Exited) and e.attempt == 2 for e in events.entries))
        last = events.entries[-1]
        assert isinstance(last, Exited)
        assert last.end == Exit(code=0)
        assert last.seq > 4
        told = [(entry.step, entry.attempt) for entry in events.entries if isinstance(entry, Exited)]
        assert sorted(told) == [("a", 1), ("b", 1), ("b", 2), ("c", 1)]
        await target.close()

    run(scenario())
