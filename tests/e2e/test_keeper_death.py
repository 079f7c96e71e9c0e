"""When somebody dies: the runner, the keeper, the run directory, the disk."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from teamflow.keeper import reaper
from tests.e2e.keeper_driver import PORTABLE, PROGRAM, Client, Keeper, wait_for

QUIET = ">/dev/null 2>&1 </dev/null"
HIDDEN = f"(env -i /usr/bin/setsid /bin/sleep 300 {QUIET} &)"
NASTY = f"""
trap '' INT TERM
setsid sleep 300 &
(setsid sh -c 'sleep 300 & exec sleep 300' {QUIET} &)
sleep 300 & kill -STOP $!
{HIDDEN}
sleep 300
"""
SIZE = 7


def _stand(keeper: Keeper, client: Client, step: str = "s") -> int:
    """Starts a tree that resists; how many processes it has. One that hides is Linux's to find."""
    hides = keeper.level != PORTABLE
    keeper.start(client, step, NASTY if hides else NASTY.replace(HIDDEN, ""))
    client.entry("start", step)
    size = SIZE if hides else SIZE - 1
    assert not keeper.truth or wait_for(lambda: len(keeper.left()) >= size)
    return size


def test_a_killed_runner_costs_nothing(any_keeper: Keeper) -> None:
    """The runner is a process that starts something and is killed at once; its successor reads how it ended."""
    script = (
        "import sys, time; sys.path.insert(0, sys.argv[1]);"
        "from tests.e2e.keeper_driver import Client;"
        "c = Client(sys.argv[2]); c.send_raw(sys.argv[3].encode() + b'\\n'); print('sent', flush=True); time.sleep(60)"
    )
    message = (
        f'{{"op":"start","step":"s","attempt":1,"phase":"agent","argv":["/bin/sh","-c","sleep 0.3; exit 8"],'
        f'"cwd":"/","log":"{any_keeper.log("s")}"}}'
    )
    argv = [sys.executable, "-c", script, str(PROGRAM.parents[2]), any_keeper.path, message]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as runner:
        assert runner.stdout
        runner.stdout.readline()
        assert wait_for(any_keeper.journal)
        runner.kill()
    assert any_keeper.client().entry("exit", "s")["code"] == 8


@pytest.mark.slow
def test_orphans_are_stopped_after_a_while(keeper: Keeper) -> None:
    client = keeper.client()
    keeper.start(client, "polite", "trap 'exit 12' INT; while :; do sleep 0.01; done", grace=5)
    _stand(keeper, client)
    client.send(op="orphan_after", seconds=0.2)
    client.send(op="ping")
    client.wait(lambda m: m.get("op") == "pong")
    begun = time.monotonic()
    client.sock.close()
    assert keeper.process.wait(60) == 0
    assert time.monotonic() - begun >= 0.2
    ends = {entry["step"]: entry for entry in keeper.journal() if entry["e"] == "exit"}
    assert {entry["cause"] for entry in ends.values()} == {"orphaned"}
    assert (ends["polite"]["code"], ends["s"]["signal"]) == (12, 9)
    assert not keeper.truth or not keeper.truth.pids()


@pytest.mark.slow
def test_who_comes_back_in_time_is_no_orphan(any_keeper: Keeper) -> None:
    client = any_keeper.client()
    any_keeper.start(client, "s", "sleep 3; exit 3")
    client.send(op="orphan_after", seconds=2)
    client.entry("start", "s")
    client.sock.close()
    time.sleep(0.1)
    assert any_keeper.client().entry("exit", "s")["code"] == 3


def test_the_reaper_clears_up_after_a_killed_keeper(keeper: Keeper) -> None:
    client = keeper.client()
    _stand(keeper, client)
    keeper.start(client, "gone", "exit 0")
    client.entry("exit", "gone")
    before = keeper.left() if keeper.truth else set()
    assert keeper.reap().gone is False, "not while it lives"
    assert "lives" in keeper.reap().why
    keeper.process.kill()
    keeper.process.wait(60)
    # Of what had only just begun to stand some was on its way out.
    before &= keeper.left() if keeper.truth else set()
    reaped = keeper.reap()
    assert reaped.gone, reaped
    assert before <= set(reaped.killed)
    assert not keeper.truth or wait_for(lambda: not keeper.truth.pids()) or not keeper.truth.pids()
    if keeper.level == "cgroup" and keeper.truth:
        assert [path.name for path in keeper.truth.path.iterdir() if path.is_dir()] == []
    again = keeper.reap()
    assert (again.gone, again.killed) == (True, [])


def test_the_next_keeper_clears_up_and_goes_on_with_the_journal(keeper: Keeper) -> None:
    client = keeper.client()
    _stand(keeper, client)
    keeper.start(client, "done", "exit 5")
    client.entry("exit", "done")
    keeper.process.kill()
    keeper.process.wait(60)
    assert keeper.process.stderr
    keeper.process.stderr.close()
    with open(Path(keeper.run, "keeper.journal"), "ab") as file:
        file.write(b'{"seq":4,"e":"ex')
    keeper.process = keeper.spawn()
    assert not keeper.truth or not keeper.left()
    second = keeper.client()
    assert [(m["seq"], m["e"], m["step"]) for m in keeper.journal()] == [
        (1, "start", "s"), (2, "start", "done"), (3, "exit", "done"), (4, "lost", "s"),
    ]  # fmt: skip
    keeper.start(second, "s", "exit 0")
    keeper.start(second, "s", "exit 0", attempt=2)
    assert second.entry("exit", "s", attempt=2)["seq"] == 6


def test_what_may_have_begun_before_the_journal_told_of_it_is_lost_and_not_begun_again(keeper: Keeper) -> None:
    """The keeper is killed between a start and its entry: its journal is put back to what it was before."""
    client = keeper.client()
    keeper.start(client, "done", "exit 0")
    client.entry("exit", "done")
    journal = Path(keeper.run, "keeper.journal")
    before = journal.read_bytes()
    keeper.start(client, "s", ["sleep", "300"], note={"n": 7})
    client.entry("start", "s")
    keeper.process.kill()
    keeper.process.wait(60)
    assert keeper.process.stderr
    keeper.process.stderr.close()
    journal.write_bytes(before)
    keeper.process = keeper.spawn()
    second = keeper.client()
    assert not keeper.truth or not keeper.left()
    *_, start, lost = keeper.journal()
    assert (start["e"], start["step"], start["pid"], start["note"]) == ("start", "s", 0, {"n": 7})
    assert (lost["e"], lost["step"], lost["seq"]) == ("lost", "s", 4)
    keeper.start(second, "s", "exit 0")
    keeper.start(second, "s", "exit 0", attempt=2)
    assert second.entry("exit", "s", attempt=2)["seq"] == 6


def test_one_attempt_can_be_killed_past_a_keeper_that_hangs(keeper: Keeper) -> None:
    client = keeper.client()
    size = _stand(keeper, client)
    keeper.start(client, "other", ["sleep", "300"])
    start, other = client.entry("start", "s"), client.entry("start", "other")
    keeper.process.send_signal(signal.SIGSTOP)
    reaped = keeper.reap_attempt(start["pid"], start["start"])
    assert reaped.gone, reaped
    assert len(reaped.killed) == size
    assert not keeper.truth or keeper.left() == {other["pid"]}
    assert not keeper.reap_attempt(os.getpid(), 1).gone
    keeper.process.send_signal(signal.SIGCONT)
    assert client.entry("exit", "s")["signal"] == 9
    client.send(op="stop_all", grace=0)


def test_the_reaper_signals_no_stranger(tmp_path: Path) -> None:
    """A journal whose pids belong to others by now: same pid, other start time; other boot; no marks."""
    bystander = subprocess.Popen(["sleep", "300"], start_new_session=True)
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        lines = [
            f'{{"seq":1,"e":"start","step":"a","attempt":1,"phase":"p","pid":{bystander.pid},"start":5,"boot":"{boot}","mark":1}}',
            f'{{"seq":2,"e":"start","step":"b","attempt":1,"phase":"p","pid":{os.getpid()},"start":5,"boot":"other","mark":2}}',
        ]
        (tmp_path / "keeper.journal").write_text("\n".join(lines) + "\n")
        (tmp_path / "keeper.json").write_text(f'{{"boot":"{boot}","cgroup":"/sys/fs/cgroup/unified"}}\n')
        reaped = reaper.reap(str(tmp_path), deadline=2)
        assert (reaped.gone, reaped.killed) == (True, [])
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_nothing_is_left_of_a_run_directory_that_is_not_there() -> None:
    assert reaper.reap("/no/such/run").gone


@pytest.mark.slow
def test_it_ends_when_the_run_directory_vanishes(keeper: Keeper) -> None:
    client = keeper.client()
    _stand(keeper, client)
    os.rename(keeper.run, keeper.run + ".away")
    assert keeper.process.wait(60) == 0
    assert not keeper.truth or not keeper.truth.pids()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def _fill(place: Path) -> Path:
    filler = place / "filler"
    with open(filler, "ab", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    return filler


@pytest.mark.slow
def test_a_full_disk_loses_no_exit(small_disk: Path, tmp_path: Path) -> None:
    keeper = Keeper("", directory=str(small_disk))
    try:
        client = keeper.client()
        logs = {step: str(tmp_path / f"{step}.log") for step in ("a", "b", "c", "d")}
        go = tmp_path / "go"
        keeper.start(client, "a", f"until [ -e {go} ]; do sleep 0.02; done; exit 4", log=logs["a"], cwd="/")
        client.entry("start", "a")
        filler = _fill(small_disk)
        note = "n" * 9000
        keeper.start(client, "b", "exit 0", log=logs["b"], cwd="/", note=note)
        assert client.entry("exit", "b")["code"] == 0, "the ballast was given back"
        assert not Path(keeper.run, "keeper.ballast").exists()
        _fill(small_disk)
        keeper.start(client, "c", "exit 5", log=logs["c"], cwd="/", note=note)
        full = client.wait(lambda m: m.get("op") == "disk")
        assert full["full"]
        assert "space" in full["error"]
        go.touch()
        keeper.start(client, "d", "exit 6", log=logs["d"], cwd="/")
        time.sleep(0.25)
        client.read(0.01)
        assert not any(m.get("step") in "acd" for m in client.messages[3:] if "e" in m), "not before it is written"
        filler.unlink()
        assert client.entry("exit", "a")["code"] == 4
        assert client.entry("exit", "c")["code"] == 5
        assert client.entry("fail", "d")["errno"] == 28
        assert client.wait(lambda m: m.get("op") == "disk" and not m["full"])
        assert [entry["seq"] for entry in keeper.journal()] == list(range(1, 8))
    finally:
        keeper.close()
