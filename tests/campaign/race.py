"""Two runners for one run, at the same moment: one drives it, the other is told who does, and nothing happens twice.

    python tests/campaign/race.py [--times 100] [--seed N]

Of half of the trials the run is new; of the others its runner was killed before, and what it had started still runs.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.campaign.checker import check
from tests.e2e.tool import Project, until

TEAM = """
agents:
  one: {command: ./work agent 0 0.4}
  two: {depends_on: [one], command: ./work agent 0}
"""
EXPECTED = {"one": "succeeded", "two": "succeeded"}


def race(chance: random.Random, *, orphaned: bool) -> list[str]:
    """What is wrong with one trial. `orphaned`: the run is there, and its runner was killed."""
    with Project(TEAM) as project:
        if orphaned:
            done = project.call("run", "-d")
            assert done.code == 0, done
            until(lambda: project.begun("one"), "it begins")
            holder = project.holder()
            assert holder is not None
            os.kill(holder.pid, signal.SIGKILL)
        both = [project.start("run", "--progress", "plain")]
        time.sleep(chance.choice([0.0, 0.0, 0.005, 0.02, 0.1]))
        both.append(project.start("run", "--progress", "plain"))
        ends = [one.wait(30) for one in both]
        wrong = []
        codes = sorted(end.code for end in ends)
        if codes != [0, 3]:
            wrong.append(f"exit {codes}: {[end.err for end in ends]}")
        loser = next((end for end in ends if end.code == 3), None)
        if loser is not None and "run 1 is held by process" not in loser.err:
            wrong.append(f"not told who holds it: {loser.err}")
        if project.runs() != 1:
            wrong.append(f"{project.runs()} runs")
        return wrong + check(project, expected=EXPECTED).wrong


def races(times: int, seed: int) -> list[str]:
    """What is wrong with so many trials."""
    chance = random.Random(seed)
    return [line for number in range(times) for line in race(chance, orphaned=number % 2 == 1)]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    wrong = races(options.times, options.seed)
    for line in wrong:
        print("WRONG", line)
    print(f"{options.times} races, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
