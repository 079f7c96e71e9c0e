"""What only real processes can show: crashes of the runner and the keeper, a deaf keeper, the environment of a step."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from teamflow.core.invocation import Exit, Invocation
from teamflow.ports import Exited, Start
from teamflow.targets import keeper_files, keeper_process
from teamflow.targets.local import LocalTarget
from tests.contract.test_target import Recorder, alive
from tests.fakes.yardstick import million

ENVIRON = {"PATH": os.environ["PATH"]}


@pytest.fixture
def run_dir(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "run"
    made.mkdir()
    yield made
    if keeper_files.is_held(str(made)):
        keeper_process.kill_keeper(str(made))
        pytest.fail("a keeper was left")


def request(run_dir: Path, step: str, *argv: str, attempt: int = 1, **more: object) -> Start:
    fields: dict[str, object] = {
        "phase": "agent",
        "invocation": Invocation(argv),
        "cwd": str(run_dir),
        "base_env": "base",
        "env": {},
        "log": str(run_dir / f"{step}.{attempt}.log"),
        "err": None,
        "timeout": None,
        "idle": None,
        "idle_paths": (),
        "grace": 5.0,
        "log_limit": None,
        "isolation": None,
        "note": {},
    }
    return Start(step=step, attempt=attempt, **{**fields, **more})  # type: ignore[arg-type]


async def opened(run_dir: Path, *, after: int = 0, patience: float = 30.0) -> tuple[LocalTarget, Recorder]:
    target, events = LocalTarget(str(run_dir), environ=ENVIRON, patience=patience), Recorder()
    target.environment("base", {"PATH": "/usr/bin:/bin"})
    await target.open(events, after=after)
    return target, events


def test_environment_input_and_streams(run_dir: Path) -> None:
    """A step sees exactly what it was given, and bytes that are not UTF-8 arrive as they are."""

    async def scenario() -> None:
        target, events = LocalTarget(str(run_dir), environ={**ENVIRON, "LEAK": "1"}), Recorder()
        await target.open(events, after=0)
        assert not keeper_files.is_held(str(run_dir)), "nothing to start, no keeper"
        target.environment("base", {"A": "1", "B": "old", "PATH": "/usr/bin:/bin"})
        raw = os.fsdecode(b"\xff\xc3\xa9\n")
        show = Invocation(("env", "-0"), env={"B": "engine", "E": "engine"})
        target.start(request(run_dir, "env", invocation=show, env={"B": "new", "C": raw}))
        talk = Invocation(("/bin/sh", "-c", "cat; echo oops >&2"), stdin="täxt")
        target.start(request(run_dir, "cat", invocation=talk, err=str(run_dir / "cat.err")))
        target.start(request(run_dir, "fall", invocation=Invocation(("nope",), fallback=("/bin/sh", "-c", "nope"))))
        await events.ended("env", "cat", "fall")
        seen = dict(item.split(b"=", 1) for item in (run_dir / "env.1.log").read_bytes().split(b"\0") if b"=" in item)
        assert seen.pop(b"TEAMFLOW_ATTEMPT_ID").endswith(b":env:1")
        assert seen == {
            b"A": b"1",
            b"B": b"new",
            b"C": b"\xff\xc3\xa9\n",
            b"E": b"engine",
            b"PATH": b"/usr/bin:/bin",
        }
        assert (run_dir / "cat.1.log").read_text() == "täxt"
        assert (run_dir / "cat.err").read_text() == "oops\n"
        assert events.ends["cat"] == Exit(code=0, log_end=5, err_end=5)
        assert events.ends["fall"].code == 127
        assert b"nope: not found" in (run_dir / "fall.1.log").read_bytes()
        await target.close()
        assert not keeper_files.is_held(str(run_dir))

    asyncio.run(scenario())


RUNNER = """
import asyncio, os, sys
sys.path[:0] = {path!r}
from pathlib import Path
from tests.contract.test_target_local import opened, request
from tests.fakes.yardstick import million
run_dir = Path(sys.argv[1])
async def main():
    target, events = await opened(run_dir)
    target.start(request(run_dir, "fast", "/bin/true"))
    target.start(request(run_dir, "slow", "/bin/sh", "-c", "while [ ! -e go ]; do sleep 0.02; done; exit 7"))
    await events.until(lambda: len(events.entries) == 3)
    print("ready", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_kill_9_of_the_runner_costs_nothing(run_dir: Path) -> None:
    code = RUNNER.format(path=[str(Path(__file__).parents[2])])
    runner = subprocess.Popen([sys.executable, "-c", code, str(run_dir)], stdout=subprocess.PIPE)
    assert runner.stdout is not None
    assert runner.stdout.readline() == b"ready\n"
    runner.kill()
    runner.wait()
    runner.stdout.close()

    async def scenario() -> None:
        target, events = await opened(run_dir, after=1)
        assert [entry.seq for entry in events.entries] == [2, 3]
        (run_dir / "go").touch()
        await events.ended("slow")
        assert events.ends["slow"].code == 7
        assert not events.lost
        await target.close()

    asyncio.run(scenario())


def test_what_ended_without_a_runner_is_told_later(run_dir: Path) -> None:
    """The keeper is gone in order by then: its journal says it all."""

    async def scenario() -> None:
        first, events = await opened(run_dir)
        first.start(request(run_dir, "a", "/bin/sh", "-c", "exit 4"))
        await events.ended("a")
        await first.close()
        second, seen = await opened(run_dir)
        assert seen.entries == events.entries
        assert not keeper_files.is_held(str(run_dir))
        second.start(request(run_dir, "b", "/bin/true"))
        await seen.ended("b")
        assert [entry.seq for entry in seen.entries] == [1, 2, 3, 4]
        await second.close()

    asyncio.run(scenario())


def test_keeper_and_runner_killed(run_dir: Path) -> None:
    async def scenario() -> None:
        first, events = await opened(run_dir)
        first.start(request(run_dir, "a", "/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"))
        await events.until(lambda: events.pids)
        assert first._link is not None
        first._link.close()
        assert keeper_process.kill_keeper(str(run_dir))
        assert await first._reap_child() == -9
        assert alive(events.pids["a"])

        second, seen = await opened(run_dir, after=1)
        assert not alive(events.pids["a"])
        assert seen.ends["a"].cause == "lost"
        assert len(seen.lost) == 1
        second.start(request(run_dir, "a", "/bin/true", attempt=2))
        await seen.until(lambda: len(seen.entries) == 3)
        assert isinstance(seen.entries[-1], Exited)
        assert seen.entries[-1].end == Exit(code=0)
        await second.close()

    asyncio.run(scenario())


@pytest.mark.slow
def test_starts_that_a_killed_keeper_never_read(run_dir: Path) -> None:
    """Whatever the moment of the keeper's death, every start is answered."""

    async def scenario(attempt: int) -> None:
        target, events = await opened(run_dir, after=10**9)
        for number in range(20):
            target.start(request(run_dir, str(number), "/bin/true", attempt=attempt))
        await asyncio.sleep(attempt * 0.004)
        assert target._child is not None
        os.kill(target._child, signal.SIGKILL)
        await events.ended(*map(str, range(20)))
        await events.until(lambda: events.lost)
        assert {end.cause for end in events.ends.values()} <= {"lost", None}
        target.start(request(run_dir, "more", "/bin/true", attempt=attempt))
        await events.ended("more")
        assert events.ends["more"].code == 0
        await target.close()

    for attempt in range(1, 6):
        asyncio.run(scenario(attempt))


@pytest.mark.slow
def test_a_deaf_keeper_does_not_keep_a_stop_waiting(run_dir: Path) -> None:
    """The runner's backstop kills the attempt itself, and then the keeper that does not answer."""

    async def scenario() -> None:
        target, events = await opened(run_dir, patience=0.2)
        target.start(request(run_dir, "a", "/bin/sh", "-c", "setsid sleep 60 & wait"))
        target.start(request(run_dir, "b", "/bin/sleep", "60"))
        await events.until(lambda: len(events.pids) == 2)
        assert target._child is not None
        os.kill(target._child, signal.SIGSTOP)
        target.stop("a", 1, grace=0.0, cause="cancel")
        await events.ended("a", "b")
        assert (events.ends["a"].cause, events.ends["a"].signal) == ("cancel", 9)
        assert events.ends["b"].cause == "lost"
        await events.until(lambda: events.lost)
        assert not alive(events.pids["a"])
        assert not alive(events.pids["b"])
        await target.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("break_it", ["lock", "executable"])
def test_a_keeper_that_cannot_start(run_dir: Path, break_it: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every start is answered with the reason, none is lost."""
    if break_it == "lock":
        (run_dir / "keeper.lock").mkdir()
    else:
        monkeypatch.setattr(sys, "executable", "/nonexistent/python")

    async def scenario() -> None:
        target, events = LocalTarget(str(run_dir), environ=ENVIRON), Recorder()
        target.environment("base", {})
        await target.open(events, after=0)
        target.start(request(run_dir, "a", "/bin/true"))
        target.start(request(run_dir, "b", "/bin/true"))
        await events.ended("a", "b")
        assert "keeper could not be started" in (events.ends["a"].error or "")
        await target.close()

    asyncio.run(scenario())


def test_a_torn_journal_is_read_up_to_the_tear(run_dir: Path) -> None:
    entry = {
        "seq": 1,
        "e": "fail",
        "step": "a",
        "attempt": 1,
        "phase": "agent",
        "error": "no",
        "errno": 2,
        "t": 1,
        "at": 2,
    }
    line = json.dumps(entry).encode() + b"\n"
    second = json.dumps({**entry, "seq": 2, "step": "b"}).encode() + b"\n"
    for cut in range(len(second)):
        (run_dir / "keeper.journal").write_bytes(line + second[:cut])

        async def scenario() -> None:
            target, events = await opened(run_dir)
            assert events.ends == {"a": Exit(error="no")}
            await target.close()

        asyncio.run(scenario())


@pytest.mark.parametrize("rebooted", [False, True])
def test_an_exit_of_another_boot_is_worth_nothing(run_dir: Path, rebooted: bool) -> None:
    """The journal may outlive a power cut that took what the process wrote."""
    boot = "another" if rebooted else Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    key = {"step": "a", "attempt": 1, "phase": "agent", "at": 2}
    start = {"seq": 1, "e": "start", **key, "pid": 1 << 22, "start": 1, "boot": boot, "log_offset": 0, "mark": 1}
    end = {"seq": 2, "e": "exit", **key, "code": 0, "signal": None, "cause": None, "log_size": 9, "err_size": None}
    (run_dir / "keeper.journal").write_text("".join(json.dumps(entry) + "\n" for entry in (start, end)))

    async def scenario() -> None:
        target, events = await opened(run_dir)
        told = Exit(code=0, log_end=9)
        assert events.ends == {"a": told._replace(code=None, cause="machine_down") if rebooted else told}
        await target.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("make", [lambda p: p.mkdir(mode=0o755), lambda p: p.symlink_to("/tmp"), lambda p: p.touch()])
def test_no_socket_where_others_can_reach_it(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "teamflow")
    path = Path(keeper_files.socket_path(str(tmp_path), {"XDG_RUNTIME_DIR": str(tmp_path)}))
    assert path.parent != tmp_path / "teamflow"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.parent.stat().st_uid == os.geteuid()


def test_a_long_directory_is_no_place_for_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    assert len(keeper_files.socket_path(str(deep), {"XDG_RUNTIME_DIR": str(deep)})) <= 107
    with tempfile.TemporaryDirectory(prefix="tfs-", dir="/tmp") as short:
        assert keeper_files.socket_path(str(deep), {"XDG_RUNTIME_DIR": short}).startswith(short)


@pytest.mark.slow
def test_a_thousand_starts_cost_the_runner_little(run_dir: Path) -> None:
    """CPU of this process for a start and its exit, without the loop of a run: 0.15 ms at most, of a core that takes
    10 ms for a million rounds of a loop."""

    async def scenario() -> None:
        target, events = await opened(run_dir)
        names = iter(range(8, 1000))

        def follow(entry: object) -> None:
            if isinstance(entry, Exited):
                for name in names:
                    target.start(request(run_dir, str(name), "/bin/true"))
                    return

        events.on_entry = follow
        began = time.process_time()
        for name in range(8):
            target.start(request(run_dir, str(name), "/bin/true"))
        async with asyncio.timeout(60):
            while len(events.entries) < 2000:
                events.changed.clear()
                await events.changed.wait()
        spent = time.process_time() - began
        await target.close()
        assert spent / million() < 15

    asyncio.run(scenario())
