"""Things that happen at the same moment, and deaths at any moment: each phase has one end, and nothing is left."""

import json
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.campaign.kill_trees import MISSED, TREES
from tests.e2e.keeper_driver import Keeper, every_level, wait_for

STORM = {"fork-hop storm"}


@pytest.mark.slow
@pytest.mark.parametrize("level", every_level())
def test_a_stop_that_races_with_the_end_and_the_timeout_gives_one_end(level: str) -> None:
    seed = random.SystemRandom().randrange(1 << 31)
    print("seed", seed)
    chance = random.Random(seed)
    keeper = Keeper(level)
    try:
        client = keeper.client()
        stops: list[tuple[float, str]] = []
        for number in range(400):
            length = chance.uniform(0, 0.03)
            step = f"s{number}"
            timeout = chance.choice([None, length, length + 0.002])
            keeper.start(client, step, ["sleep", f"{length:.4f}"], timeout=timeout, grace=chance.choice([0, 0.01]))
            stops.append((time.monotonic() + chance.uniform(0, 0.04), step))
            while len(stops) > 8 or (stops and number == 399):
                at, name = stops.pop(0)
                time.sleep(max(at - time.monotonic(), 0))
                client.send(op="stop", step=name, attempt=1, grace=chance.choice([0, 0.01, None]), cause="cancel")
        for number in range(400):
            client.entry("exit", f"s{number}")
        ends = Counter()
        for entry in keeper.journal():
            ends[entry["e"], entry["step"]] += 1
            if entry["e"] == "exit":
                assert (entry["code"] is None) != (entry["signal"] is None)
                assert entry["cause"] in (None, "cancel", "timeout")
                assert entry["cause"] or entry["code"] == 0, entry
        assert set(ends.values()) == {1}
        assert len(ends) == 800
        assert not keeper.truth or wait_for(lambda: not keeper.left()) or not keeper.left()
    finally:
        keeper.close()


@pytest.mark.slow
@pytest.mark.parametrize("level", every_level())
def test_a_keeper_killed_at_any_moment_leaves_nothing_that_the_reaper_does_not_find(level: str) -> None:
    seed = random.SystemRandom().randrange(1 << 31)
    print("seed", seed)
    chance = random.Random(seed)
    keeper = Keeper(level)
    try:
        for turn in range(20):
            client = keeper.client()
            trees = [chance.choice(sorted(TREES.keys() - MISSED.get(level, STORM) - STORM)) for _ in range(4)]
            batch = [keeper.request(f"t{turn}-{n}", TREES[tree][0], grace=0.05) for n, tree in enumerate(trees)]
            batch += [{"op": "stop", "step": f"t{turn}-{n}", "attempt": 1} for n in range(2)]
            client.send_raw(b"".join(json.dumps(message).encode() + b"\n" for message in batch))
            time.sleep(chance.uniform(0, 0.1))
            keeper.process.kill()
            keeper.process.wait(60)
            if chance.random() < 0.7:
                reaped = keeper.reap()
                assert reaped.gone, (trees, reaped)
            if keeper.process.stderr:
                keeper.process.stderr.close()
            keeper.process = keeper.spawn()
            assert not keeper.truth or wait_for(lambda: not keeper.left()) or not keeper.left(), trees
            client.close()
        kinds = Counter((entry["step"], entry["e"]) for entry in keeper.journal())
        starts = {step for step, kind in kinds if kind == "start"}
        assert starts
        for step in starts:
            assert kinds[step, "exit"] + kinds[step, "lost"] == kinds[step, "start"] == 1
    finally:
        keeper.close()


@pytest.mark.slow
def test_a_keeper_survives_any_message() -> None:
    seed = random.SystemRandom().randrange(1 << 31)
    print("seed", seed)
    chance = random.Random(seed)
    keeper = Keeper()
    try:
        client = keeper.client()
        ops = [
            "start",
            "start",
            "input",
            "stop",
            "stop_all",
            "freeze",
            "thaw",
            "env",
            "hello",
            "orphan_after",
            "ping",
            "?",
        ]
        junk: list[object] = [
            None,
            True,
            0,
            -1,
            1.5,
            1e300,
            "",
            "x",
            "/tmp",
            [],
            ["a"],
            {},
            {"a": 1},
            {"data": "x"},
            "\0",
            "\ud800",
        ]
        for number in range(3000):
            base = keeper.request(
                f"s{number % 400}", ["true"], n=1, data="x", cause="c", id="e", vars={"A": "b"}, after=0
            )
            message: dict[str, object] = {
                **base,
                "op": chance.choice(ops),
                "seconds": None,
                "stdin": "pipe",
                "offset": 0,
            }
            for _ in range(chance.choice([0, 1, 1, 2])):
                message[chance.choice([*message, "err", "fallback", "idle", "timeout", "idle_paths", "log_limit"])] = (
                    chance.choice(junk)
                )
            if message.get("op") != "quit" and not (message.get("log") == "/tmp" or message.get("err") == "/tmp"):
                client.send(**message)
            if number % 50 == 0:
                client.read(0.001)
        client.send(op="hello", after=0)
        client.send(op="the last one", n=777)
        client.wait(lambda m: m.get("n") == 777, 20)
        assert keeper.process.poll() is None
        client.send(op="stop_all", grace=0)
        assert not keeper.truth or wait_for(lambda: not keeper.left()) or not keeper.left()
        assert [entry["seq"] for entry in keeper.journal()] == list(range(1, len(keeper.journal()) + 1))
    finally:
        log = keeper.run + "/keeper.log"
        if os.path.exists(log):
            print(Path(log).read_text())
        keeper.close()
