"""Starts trees of processes that resist being killed, stops them, and counts what lives 2 s after the grace.

The tests wait longer: how soon is a question to an idle machine.

    python tests/campaign/kill_trees.py --trials 300 --seed 7

The count is taken from a cgroup around the keeper that the keeper does not know of. Next to each tree runs a bystander
that must survive, so that killing everything is no way to pass.
"""

import argparse
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.e2e.keeper_driver import PLAIN_PYTHON, PORTABLE, Client, Keeper, has_pidns, has_plain_user, levels, wait_for

SOON = 2.0
"""Seconds after the grace."""

PLAIN = " as nobody"
QUIET = ">/dev/null 2>&1 </dev/null"
PYTHON = PLAIN_PYTHON if os.path.exists(PLAIN_PYTHON) else sys.executable
HOP = f"""{PYTHON} -I -S -c '
import os, time
while True:
    if os.fork():
        time.sleep(0.005)
        os._exit(0)
    os.setsid()
'"""
BURST = "i=0; while :; do i=$((i+1)); (sleep 300 &) ; [ $i -lt 200 ] || sleep 300; done"

TREES: dict[str, tuple[str, int]] = {
    # name: (script, processes that show that it stands)
    "plain": ("sleep 300 & sleep 300 & wait", 3),
    "term ignored": ("trap '' INT TERM HUP; sleep 300 & sleep 300", 3),
    "setsid": ("setsid sleep 300 & sleep 300", 3),
    "double fork": (f"(setsid sh -c 'sleep 300 {QUIET} & exec sleep 300' {QUIET} &); sleep 300", 4),
    "env -i setsid": (f"(env -i /usr/bin/setsid /bin/sleep 300 {QUIET} &); sleep 300", 3),
    "env -i setsid tree": (
        "(env -i /usr/bin/setsid /bin/sh -c '/bin/sleep 300 & (/usr/bin/setsid /bin/sleep 300 &); exec /bin/sleep 300'"
        f" {QUIET} &); sleep 300",
        5,
    ),
    "stopped": ("sleep 300 & kill -STOP $!; sleep 300 & kill -STOP $!; wait", 3),
    "stopped, term ignored": ("trap '' INT TERM; sh -c 'kill -STOP $$; sleep 300' & sleep 300", 3),
    "main stopped": ("sleep 300 & kill -STOP $$; sleep 300", 2),
    "nohup, parent gone": (f"nohup setsid sh -c 'sleep 300 & sleep 300' {QUIET} & sleep 300 & exec sleep 300", 5),
    "forks on TERM": ("trap 'setsid sleep 300 & setsid sleep 300 & exit 3' INT TERM; sleep 300 & wait; wait", 2),
    "burst": (BURST, 20),
    "fork-hop storm": (f"{HOP} & sleep 300", 3),
    "exits by itself": (f"setsid sleep 300 {QUIET} & exit 0", 0),
}
MISSED = {
    # by kill level: what it cannot promise; counted apart
    "walk": {"fork-hop storm"},
    "groups": {"fork-hop storm", "env -i setsid", "env -i setsid tree"},
}


@dataclass
class Tally:
    """What came of the trials of one kill level."""

    trials: int = 0
    survivors: Counter[str] = field(default_factory=Counter)
    unsure: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)
    exits: list[float] = field(default_factory=list)
    cleans: list[float] = field(default_factory=list)

    def line(self, level: str) -> str:
        return (
            f"{level:20} {self.trials:5} trials  {sum(self.survivors.values()):3} survivors"
            f"  {sum(self.unsure.values()):3} of storms  {len(self.wrongs):3} wrong"
            f"  exit entry p50 {_ms(self.exits, 50)} p99 {_ms(self.exits, 99)} ms"
            f"  all gone p50 {_ms(self.cleans, 50)} p99 {_ms(self.cleans, 99)} ms"
        )


def _ms(values: list[float], percent: int) -> str:
    if not values:
        return "-"
    ordered = sorted(values)
    return f"{ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1e3:.0f}"


class Stage:
    """One keeper with its bystander, on which trials are run one after the other."""

    def __init__(self, level: str, isolation: str | None, *, patience: float) -> None:
        self.keeper = Keeper(level.removesuffix(PLAIN), plain_user=level.endswith(PLAIN))
        self.isolation = isolation
        self.patience = patience
        self.client: Client = self.keeper.client()
        self.keeper.start(self.client, "bystander", f"(setsid sleep 1000 {QUIET} &); sleep 1000 & sleep 1000")
        self.client.entry("start", "bystander")
        assert wait_for(lambda: len(self.keeper.left()) == 4)
        self.bystanders = self.keeper.left()

    def trial(self, name: str, tree: str, grace: float, early: float | None, tally: Tally) -> None:
        """Starts a tree, stops it once it stands (or after `early` seconds), and counts."""
        script, size = TREES[tree]
        self.keeper.start(self.client, name, script, grace=grace, isolation=self.isolation)
        started = self.client.entry("start", name)
        if early is None:
            if not wait_for(lambda: len(self.others()) >= size):
                tally.wrongs.append(f"{tree}: never stood, {len(self.others())} of {size}")
        else:
            time.sleep(early)
        begun = time.monotonic()
        self.client.send(op="stop", step=name, attempt=1, cause="cancel", grace=grace)
        limit = grace + (SOON if self.may_miss(tree) else self.patience)
        try:
            entry = self.client.entry("exit", name, seconds=grace + self.patience)
        except AssertionError:
            tally.wrongs.append(f"{tree}: no exit entry after the stop")
            os.kill(self.keeper.process.pid, signal.SIGUSR1)
            time.sleep(0.1)
            log = Path(self.keeper.run, "keeper.log")
            print(log.read_text() if log.exists() else "the keeper writes no stack", file=sys.stderr)
            entry = None
        tally.exits.append(max(time.monotonic() - begun - grace, 0.0))
        wait_for(lambda: not self.others(), max(begun + limit - time.monotonic(), 0.01))
        tally.cleans.append(max(time.monotonic() - begun - grace, 0.0))
        self._judge(tree, entry, started["pid"], tally)

    def others(self) -> set[int]:
        return self.keeper.left() - self.bystanders

    def _judge(self, tree: str, entry: dict[str, object] | None, pid: int, tally: Tally) -> None:
        tally.trials += 1
        left = self.others()
        if left:
            unsure = self.may_miss(tree)
            (tally.unsure if unsure else tally.survivors)[tree] += len(left)
            if not unsure:
                print("survivors of", tree, [_about(one) for one in left], file=sys.stderr)
        if not self.bystanders <= self.keeper.left():
            tally.wrongs.append(f"{tree}: a bystander was killed")
        if entry and entry["cause"] not in ("cancel", None):
            tally.wrongs.append(f"{tree}: cause {entry['cause']}")
        exits = (
            [one for one in self.keeper.journal() if one["e"] == "exit" and one["step"] == entry["step"]]
            if entry
            else []
        )
        if entry and len(exits) != 1:
            tally.wrongs.append(f"{tree}: {len(exits)} exit entries")

    def may_miss(self, tree: str) -> bool:
        return tree in MISSED.get(self.keeper.level, ()) and self.isolation is None

    @property
    def clean(self) -> bool:
        """Whether it can be used again."""
        return self.keeper.left() == self.bystanders

    def close(self) -> None:
        self.keeper.close()


def _about(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        words = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return f"{pid} gone meanwhile"
    return f"{stat[:60]} {words[:60]}"


def kinds() -> list[tuple[str, str | None]]:
    """(kill level, isolation) that this machine has, the portable one last."""
    plain: list[tuple[str, str | None]] = [(level, None) for level in levels()]
    found = plain + ([(level, "pidns") for level in levels()] if has_pidns() else [])
    found += [("walk" + PLAIN, None), ("walk" + PLAIN, "pidns")] if has_plain_user() else []
    return [*found, (PORTABLE, None), *([(PORTABLE, "pidns")] if has_pidns() else [])]


def campaign(trials: int, seed: int, *, patience: float = SOON) -> dict[str, Tally]:
    """Runs trials over all kill levels in turn; what came of them, by level. `patience`: seconds after the grace."""
    chance = random.Random(seed)
    tallies: dict[str, Tally] = {}
    for level, isolation in kinds():
        tally = tallies[f"{level}+{isolation}" if isolation else level] = Tally()
        stage = Stage(level, isolation, patience=patience)
        try:
            names = list(TREES)
            for number in range(-(-trials // len(kinds()))):
                tree = names[number % len(names)] if number < len(names) else chance.choice(names)
                grace = chance.choice([0.0, 0.05, 0.2, 0.4])
                early = chance.choice([None, None, chance.uniform(0, 0.05)])
                stage.trial(f"t{number}", tree, grace, early, tally)
                if not stage.clean:
                    stage.close()
                    stage = Stage(level, isolation, patience=patience)
        finally:
            stage.close()
    return tallies


def main() -> int:
    """Prints the seed and a table; 1 if anything survived that must not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.trials} trials over {len(kinds())} kill levels")
    tallies = campaign(options.trials, options.seed)
    for level, tally in tallies.items():
        print(tally.line(level))
        for wrong in tally.wrongs:
            print("  wrong:", wrong)
        if tally.survivors or tally.unsure:
            print("  survivors:", dict(tally.survivors), "storms:", dict(tally.unsure))
    return 1 if any(tally.survivors or tally.wrongs for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
