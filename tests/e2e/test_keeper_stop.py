"""Stopping: ladders, limits, leftovers, namespaces, freezing; what lives is told by the test's own cgroup."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.campaign import kill_trees
from tests.e2e.keeper_driver import (
    PATIENCE,
    PORTABLE,
    Keeper,
    cgroup_root,
    every_level,
    has_pidns,
    levels,
    wait_for,
)

needs_truth = pytest.mark.skipif(cgroup_root() is None, reason="no cgroup can be made here to count in")
needs_pidns = pytest.mark.skipif(not has_pidns(), reason="no PID namespace can be made here")


def _kinds() -> list[Any]:
    return [pytest.param(*kind, marks=pytest.mark.slow if kind[0] == PORTABLE else ()) for kind in kill_trees.kinds()]


@needs_truth
@pytest.mark.parametrize(("level", "isolation"), _kinds())
def test_every_tree_is_killed_and_the_bystander_lives(level: str, isolation: str | None) -> None:
    tally = kill_trees.Tally()
    stage = kill_trees.Stage(level, isolation, patience=PATIENCE)
    try:
        for number, tree in enumerate(kill_trees.TREES):
            stage.trial(f"t{number}", tree, 0.05, None, tally)
            if level == PORTABLE and not stage.clean:
                stage.close()
                stage = kill_trees.Stage(level, isolation, patience=PATIENCE)
    finally:
        stage.close()
    assert tally.wrongs == []
    assert not tally.survivors


@pytest.mark.slow
@needs_truth
def test_thirty_trials_of_the_campaign_with_a_fresh_seed() -> None:
    seed = int(time.time())
    print("seed", seed)
    for level, tally in kill_trees.campaign(30, seed, patience=PATIENCE).items():
        assert (level, tally.wrongs, dict(tally.survivors)) == (level, [], {})


@pytest.mark.slow
def test_the_ladder_goes_up_step_by_step(keeper: Keeper) -> None:
    client = keeper.client()
    script = "trap 'echo int' INT; trap 'echo term' TERM; echo ready; while :; do sleep 0.01; done"
    keeper.start(client, "s", script, grace=2)
    wait_for(lambda: Path(keeper.log("s")).exists() and "ready" in keeper.output("s"))
    begun = time.monotonic()
    client.send(op="stop", step="s", attempt=1, cause="pause")
    entry = client.entry("exit", "s")
    assert time.monotonic() - begun > 1.9
    assert (entry["signal"], entry["cause"]) == (9, "pause")
    assert [word for word in keeper.output("s").split() if word != "Terminated"] == ["ready", "int", "term"]


def test_a_stop_that_is_heeded_takes_no_grace(keeper: Keeper) -> None:
    client = keeper.client()
    keeper.start(client, "s", "trap 'exit 3' INT; echo ready; while :; do sleep 0.01; done", grace=30)
    wait_for(lambda: Path(keeper.log("s")).exists() and "ready" in keeper.output("s"))
    client.send(op="stop", step="s", attempt=1)
    entry = client.entry("exit", "s")
    assert (entry["code"], entry["cause"]) == (3, "cancel")


def test_a_second_stop_shortens_the_first_and_keeps_its_cause(any_keeper: Keeper) -> None:
    keeper, client = any_keeper, any_keeper.client()
    keeper.start(client, "s", "trap '' INT TERM; sleep 3000")
    client.entry("start", "s")
    time.sleep(0.05)
    client.send(op="stop", step="s", attempt=1, grace=600, cause="first")
    client.send(op="stop", step="s", attempt=1, grace=0.1, cause="second")
    entry = client.entry("exit", "s")
    assert (entry["signal"], entry["cause"]) == (9, "first")


def test_no_grace_kills_at_once(keeper: Keeper) -> None:
    client = keeper.client()
    keeper.start(client, "s", "trap '' INT TERM; setsid sleep 3000 & sleep 3000", grace=600)
    client.entry("start", "s")
    client.send(op="stop_all", grace=0, cause="interrupt")
    assert client.entry("exit", "s")["cause"] == "interrupt"
    assert not keeper.truth or wait_for(lambda: not keeper.left()) or not keeper.left()


def test_a_stop_of_what_is_not_there_does_nothing(any_keeper: Keeper) -> None:
    keeper, client = any_keeper, any_keeper.client()
    client.send(op="stop", step="nobody", attempt=1)
    keeper.start(client, "s", "sleep 0.1; exit 2")
    client.send(op="stop", step="s", attempt=2, grace=0)
    entry = client.entry("exit", "s")
    assert (entry["code"], entry["cause"]) == (2, None)


@pytest.mark.slow
def test_timeout(any_keeper: Keeper) -> None:
    keeper, client = any_keeper, any_keeper.client()
    begun = time.monotonic()
    keeper.start(client, "s", "trap '' INT; sleep 300", timeout=0.2, grace=0.2)
    entry = client.entry("exit", "s")
    assert entry["cause"] == "timeout"
    assert time.monotonic() - begun > 0.2


@pytest.mark.slow
def test_idle_is_output_first(any_keeper: Keeper) -> None:
    keeper, client = any_keeper, any_keeper.client()
    begun = time.monotonic()
    busy = "for i in 1 2 3 4 5 6 7 8 9; do sleep 0.2; echo $i; done"
    keeper.start(client, "s", f"{busy}; exec sleep 300", idle=1.5)
    keeper.start(client, "err", f"exec >&2; {busy}", idle=1.5, err=keeper.log("e"))
    assert client.entry("exit", "s")["cause"] == "idle"
    assert time.monotonic() - begun > 3.2
    assert keeper.output("s").split() == list("123456789")
    assert client.entry("exit", "err")["cause"] is None


@pytest.mark.slow
def test_files_that_change_keep_a_silent_phase_alive(any_keeper: Keeper) -> None:
    work = Path(any_keeper.home, "work/deep")
    busy = "while [ $((i=i+1)) -lt {} ]; do sleep 0.2; echo $i > {}; done; "
    (work / ".git").mkdir(parents=True)
    keeper, client = any_keeper, any_keeper.client()
    script = busy.format(10, "file") + busy.format(300, ".git/x")
    begun = time.monotonic()
    keeper.start(client, "s", script, idle=1.5, grace=0.1, cwd=str(work), idle_paths=[str(work.parent)])
    assert client.entry("exit", "s")["cause"] == "idle"
    assert time.monotonic() - begun > 3.2


@pytest.mark.slow
def test_too_much_output(any_keeper: Keeper) -> None:
    keeper, client = any_keeper, any_keeper.client()
    Path(keeper.home, "logs/s").mkdir(parents=True)
    Path(keeper.log("s")).write_bytes(b"x" * 500_000)
    keeper.start(client, "s", "while :; do head -c 50000 /dev/zero; sleep 0.01; done", log_limit=400_000, grace=0.1)
    entry = client.entry("exit", "s")
    assert entry["cause"] == "log_limit"
    assert 900_000 < entry["log_size"] < 60_000_000
    keeper.start(client, "small", "head -c 300000 /dev/zero; sleep 0.3", log_limit=400_000)
    assert client.entry("exit", "small")["cause"] is None


@pytest.mark.slow
def test_a_log_that_shrank_is_told(any_keeper: Keeper) -> None:
    keeper, client = any_keeper, any_keeper.client()
    script = "echo a long line of output; sleep 2; : > /dev/stderr; echo short"
    keeper.start(client, "s", script, log_limit=1_000_000)
    entry = client.entry("exit", "s")
    assert entry["truncated"] is True
    assert entry["log_size"] == 6


@pytest.mark.slow
def test_frozen_time_does_not_count(keeper: Keeper) -> None:
    client = keeper.client()
    script = "setsid sh -c 'while :; do echo x; sleep 0.01; done'"
    keeper.start(client, "s", script, timeout=2, idle=1.5, grace=0.1)
    wait_for(lambda: Path(keeper.log("s")).exists() and keeper.output("s"))
    client.send(op="freeze", step="s", attempt=1)
    size = -1
    while size != len(keeper.output("s")):  # looks at ps are slow
        size = len(keeper.output("s"))
        time.sleep(0.5)
    time.sleep(2)
    assert len(keeper.output("s")) == size
    client.send(op="thaw", step="s", attempt=1)
    assert wait_for(lambda: len(keeper.output("s")) > size)
    assert client.entry("exit", "s")["cause"] == "timeout"


def test_what_is_frozen_can_be_stopped(keeper: Keeper) -> None:
    client = keeper.client()
    keeper.start(client, "s", "sleep 300 & sleep 300")
    client.entry("start", "s")
    client.send(op="freeze", step="s", attempt=1)
    client.send(op="stop", step="s", attempt=1, grace=4)
    entry = client.entry("exit", "s")
    # A shell that was caught between fork and exec loses the SIGINT; SIGKILL would mean that it was still frozen.
    assert entry["signal"] in (2, 15)
    assert entry["cause"] == "cancel"


@needs_pidns
def test_a_namespace_passes_signals_and_codes_on(any_keeper: Keeper) -> None:
    keeper, client = any_keeper, any_keeper.client()
    keeper.start(client, "code", "exit 7", isolation="pidns")
    assert client.entry("exit", "code")["code"] == 7
    keeper.start(client, "self", "kill -9 $$", isolation="pidns")
    assert client.entry("exit", "self")["code"] == 137
    keeper.start(client, "alone", ["/bin/sh", "-c", "ls -d /proc/[0-9]* | wc -l"], isolation="pidns")
    client.entry("exit", "alone")
    assert int(keeper.output("alone")) < 6
    for step, caught in (("int", "INT"), ("term", "TERM")):
        script = f"trap '' INT; trap 'exit 9' {caught}; echo ready; while :; do sleep 0.01; done"
        keeper.start(client, step, script, isolation="pidns", grace=2)
        wait_for(lambda step=step: Path(keeper.log(step)).exists() and "ready" in keeper.output(step))
        client.send(op="stop", step=step, attempt=1)
        assert client.entry("exit", step)["code"] == 9
    keeper.start(client, "missing", ["no-such-program-here"], isolation="pidns")
    assert client.entry("exit", "missing")["code"] == 127


@pytest.mark.slow
@needs_truth
def test_what_hides_from_the_walk_is_killed_when_nothing_else_runs() -> None:
    """It threw off its mark, its environment, its session and its files; only its parent is known: the keeper."""
    keeper = Keeper("walk")
    try:
        client = keeper.client()
        script = (
            "import os, resource\n"
            "gone, hidden = os.pipe()\n"  # closed when it is another program
            "if os.fork(): os.close(hidden); os.read(gone, 1); os._exit(0)\n"
            "resource.setrlimit(10, (-1, -1)); os.setsid()\n"
            "null = os.open('/dev/null', 2); [os.dup2(null, fd) for fd in (0, 1, 2)]\n"
            "os.execve('/bin/sleep', ['sleep', '300'], {})\n"
        )
        gate = Path(keeper.home, "gate")
        os.mkfifo(gate)
        keeper.start(client, "other", f"read x < {gate}")
        keeper.start(client, "hides", [sys.executable, "-S", "-c", script])
        client.entry("exit", "hides")
        assert wait_for(lambda: len(keeper.left()) == 2)
        time.sleep(0.1)
        assert len(keeper.left()) == 2, "whose it is cannot be told"
        gate.write_text("\n")
        client.entry("exit", "other")
        assert wait_for(lambda: not keeper.left()) or not keeper.left()
    finally:
        keeper.close()


@pytest.mark.parametrize("keeper", levels(), indirect=True)
def test_leftovers_of_one_phase_are_told_from_another_that_runs(keeper: Keeper) -> None:
    """At the level `walk` both are children of the keeper by then, and only the mark tells which one's they were."""
    client = keeper.client()
    daemon = "env -i /usr/bin/setsid /bin/sleep 300 >/dev/null 2>&1 </dev/null & exec sleep"
    keeper.start(client, "a", f"({daemon} 0.1) ; true")
    keeper.start(client, "b", f"sh -c '{daemon} 0' ; sleep 300")
    client.entry("exit", "a")
    if keeper.truth:
        assert wait_for(lambda: len(keeper.left()) == 3), keeper.left()  # sh, sleep, daemon of b
    client.send(op="stop_all", grace=0.2)
    client.entry("exit", "b")
    assert not keeper.truth or wait_for(lambda: not keeper.left()) or not keeper.left()


@pytest.mark.slow
@pytest.mark.parametrize("level", every_level())
def test_many_trees_are_stopped_at_once(level: str) -> None:
    keeper = Keeper(level)
    try:
        client = keeper.client()
        for number in range(40):
            keeper.start(client, f"s{number}", "trap '' INT TERM; setsid sleep 300 & sleep 300", grace=60)
            client.entry("start", f"s{number}")
        assert not keeper.truth or wait_for(lambda: len(keeper.left()) == 120)
        begun = time.monotonic()
        client.send(op="stop_all", grace=2)
        for number in range(40):
            assert client.entry("exit", f"s{number}")["signal"] == 9
        assert not keeper.truth or wait_for(lambda: not keeper.left()) or not keeper.left()
        assert time.monotonic() - begun < 70, "one after the other it would be 80 s"
    finally:
        keeper.close()


@needs_truth
def test_what_moved_to_another_cgroup_is_stopped_too() -> None:
    if "cgroup" not in levels():
        pytest.skip("no cgroups here")
    keeper = Keeper("cgroup")
    try:
        client = keeper.client()
        assert keeper.truth
        sleep = "env -i /usr/bin/setsid /bin/sleep 300 >/dev/null 2>&1 </dev/null &"
        move = f"echo 0 > {keeper.truth.path}/cgroup.procs; {sleep}"
        keeper.start(client, "s", f"({move}); trap '' INT TERM; sleep 300")
        keeper.start(client, "other", ["sleep", "300"])
        assert wait_for(lambda: len(keeper.left()) == 4), keeper.left()
        client.send(op="stop", step="s", attempt=1, grace=0)
        client.entry("exit", "s")
        assert wait_for(lambda: len(keeper.left()) == 1)
    finally:
        keeper.close()
