"""Cancels steps whose processes resist being killed, through the verb, with living and dead runners; nothing survives.

    python tests/campaign/cancels.py --trials 1000 --seed 7

Each round is a run with one step for every tree of `kill_trees`. They are cancelled from outside: one by one, all at
once, or the whole run, at a random moment. In a third of the rounds the runner is killed before, and the verb
works alone. What lives afterwards is counted by a cgroup that teamflow does not know of, where there can be one.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from teamflow.core.events import AttemptStarted
from tests.campaign.kill_trees import MISSED, TREES
from tests.e2e.keeper_driver import levels
from tests.e2e.tool import Project, until

QUIET = 30.0
"""Seconds beyond the grace in which everything has to be gone."""


class Tally(NamedTuple):
    """`cancels`: steps that were cancelled; `wrong`: what did not come out as it must."""

    cancels: int
    alone: int
    wrong: list[str]


def team(level: str, grace: float) -> dict[str, object]:
    trees = {name: script for name, (script, _) in TREES.items() if name not in MISSED.get(level, ())}
    agents = {f"t{number}": {"command": f"{script}\n:"} for number, script in enumerate(trees.values())}
    return {
        "limits": {"max_parallel": len(agents)},
        "defaults": {"grace": f"{round(grace * 1000)}ms"},
        "agents": agents,
    }


def one_round(level: str, chance: random.Random) -> Tally:
    """One run, all of whose steps are cancelled."""
    grace = chance.choice([0.0, 0.05, 0.2])
    made = team(level, grace)
    names = sorted(map(str, dict(made["agents"])))  # type: ignore[call-overload]
    dead, way = chance.random() < 0.33, chance.choice(["each", "some", "all"])
    with Project(json.dumps(made), level=level) as project:
        running = project.start("run", "--progress", "plain")
        until(lambda: len(project.events(AttemptStarted)) == len(names), "all have begun")
        time.sleep(chance.choice([0.0, chance.uniform(0.0, 0.3), 0.5]))
        if dead:
            running.kill()
        calls = words(way, names, chance)
        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(lambda call: project.call("cancel", *call), calls))
        wrong = [f"{call}: {end}" for call, end in zip(calls, done, strict=True) if end.code not in (0, 1)]
        if any(end.code == 1 for end in done):
            # One of several had ended already, so the request was refused as a whole.
            project.call("cancel", "--all")
        if not dead:
            running.wait(30.0)
        if not project.gone(grace + QUIET):
            wrong.append(f"{len(project.alive())} survivors ({level}, {way}, runner {'dead' if dead else 'alive'})")
        statuses = project.statuses()
        # A tree may have ended by itself before it was cancelled.
        ended = {"cancelled", "succeeded", "failed"}
        wrong += [f"{name} is {status}" for name, status in statuses.items() if status not in ended]
        cancelled = sum(status == "cancelled" for status in statuses.values())
    return Tally(cancelled, cancelled if dead else 0, wrong)


def words(way: str, names: list[str], chance: random.Random) -> list[list[str]]:
    """The arguments of the calls of `cancel`."""
    if way == "all":
        return [["--all"]]
    mixed = chance.sample(names, len(names))
    if way == "each":
        return [[name] for name in mixed]
    cut = chance.randrange(1, len(mixed))
    return [mixed[:cut], mixed[cut:]]


def campaign(trials: int, seed: int) -> Tally:
    """Rounds until so many steps were cancelled, over all kill levels in turn."""
    chance = random.Random(seed)
    total = Tally(0, 0, [])
    known = levels()
    number = 0
    while total.cancels < trials:
        found = one_round(known[number % len(known)], chance)
        total = Tally(total.cancels + found.cancels, total.alone + found.alone, total.wrong + found.wrong)
        number += 1
        if len(total.wrong) > 20:
            break
    return total


def main() -> int:
    """Prints the seed and what came of it; 1 if anything survived or came out wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    found = campaign(options.trials, options.seed)
    print(f"{found.cancels} steps cancelled, {found.alone} of them without a runner: {len(found.wrong)} wrong")
    for line in found.wrong:
        print("  ", line)
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
