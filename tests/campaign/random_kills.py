"""SIGKILL at random moments to the runner, to the keeper, or to both; the run is started again until it has ended.

    python tests/campaign/random_kills.py --kills 500 --seed 7 --what runner

What the commands themselves wrote is compared with the log afterwards (`checker.py`): no attempt is doubled or lost
without a killed keeper, every exit code is the true one.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from teamflow.core.events import AttemptEnded, RunEnded, RunnerStarted
from teamflow.core.outcome import Failed, FailureClass
from tests.campaign import crash_team
from tests.campaign.checker import check
from tests.e2e.tool import Project, Running

PACE = 0.12
MOST_PER_RUN = {"runner": 25, "keeper": 4, "both": 4}
MOST_KEEPERS = 4
"""A step gives up after 5 lost attempts, so a keeper may not be killed more often."""


@dataclass
class Tally:
    """What came of a campaign, or of one run of it."""

    kills: int = 0
    missed: int = 0
    """Moments at which what was to be killed was not there."""
    runs: int = 0
    attempts: int = 0
    lost: int = 0
    doubled: list[str] = field(default_factory=list)
    exits: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    """Seconds from starting again to the first record of the new session; from the keeper's death to `lost`."""

    def add(self, other: Tally) -> None:
        for name in ("kills", "missed", "runs", "attempts", "lost"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("doubled", "exits", "others", "recoveries"):
            getattr(self, name).extend(getattr(other, name))

    @property
    def wrong(self) -> list[str]:
        return [*self.doubled, *self.exits, *self.others]

    def __str__(self) -> str:
        return (
            f"{self.kills} kills ({self.missed} moments with nothing to kill), {self.runs} runs, "
            f"{self.attempts} attempts, {self.lost} lost, doubled {len(self.doubled)}, wrong exits {len(self.exits)}, "
            f"other faults {len(self.others)}, recovery p50 {percentile(self.recoveries, 50):.2f} s "
            f"p99 {percentile(self.recoveries, 99):.2f} s"
        )


def percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values) or [0.0]
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def one_run(what: str, seed: int, *, most: int, level: str = "") -> Tally:
    """One project, killed at up to `most` random moments and then left to end."""
    chance = random.Random(seed)
    tally = Tally(runs=1)
    begun: dict[int, float] = {}
    deaths: list[float] = []
    with crash_team.project(level=level, pace=PACE) as project:
        last: Running | None = None
        keepers = 0
        while tally.kills < most and keepers + (what == "both") < MOST_KEEPERS:
            if last is None or last.process.poll() is not None:
                if last is not None and (last.process.returncode != -9 or project.events(RunEnded)):
                    break
                last = project.start("run", "--progress", "plain")
                begun[last.pid] = time.time()
            time.sleep(chance.uniform(0.0, 0.75))
            killed, fallen = _kill(project, last, what, chance)
            keepers += fallen
            tally.kills += killed
            tally.missed += not killed
            deaths += [time.time()] * killed
        assert last is not None
        if last.process.poll() == -9 and not project.events(RunEnded):
            last = project.start("run", "--progress", "plain")
            begun[last.pid] = time.time()
        done = last.wait(90)
        if done.code not in (0, -9) or not project.events(RunEnded):
            tally.others.append(f"exit {done.code}: {done.out}\n{done.err}")
        _judge(project, what, tally, begun, deaths)
        if tally.wrong:
            records = "\n".join(f"    {record.seq} {record.event}"[:200] for record in project.records())
            journal = "\n".join(f"    {entry}"[:170] for entry in project.journal())
            tally.others.append(f"of seed {seed}\n{records}\n{journal}")
    return tally


def _kill(project: Project, runner: Running, what: str, chance: random.Random) -> tuple[bool, int]:
    """Whether there was something to kill, and how many keepers were: a runner may start another between the two."""
    if what == "keeper":
        killed = project.kill_keeper()
        return killed, int(killed)
    there = runner.process.poll() is None
    fallen = 0
    if what == "both" and chance.random() < 0.5:
        fallen += project.kill_keeper()
        there = bool(fallen) and there
        time.sleep(chance.choice([0.0, 0.0, 0.002]))
    if runner.process.poll() is None:
        runner.process.kill()
        runner.process.wait(30)
    if what == "both":
        fallen += project.kill_keeper()
    return there, fallen


def _judge(project: Project, what: str, tally: Tally, begun: dict[int, float], deaths: list[float]) -> None:
    verdict = check(project, expected=crash_team.EXPECTED, lost_allowed=what != "runner", rounds=crash_team.ROUNDS)
    tally.attempts, tally.lost = verdict.attempts, verdict.lost
    tally.doubled, tally.exits = verdict.doubled, verdict.exits
    tally.others += verdict.others
    if project.runs() != 1:
        tally.others.append(f"{project.runs()} runs")
    for record in project.records():
        match record.event:
            case RunnerStarted(pid=pid) if what != "keeper" and pid in begun:
                tally.recoveries.append(record.at - begun[pid])
            case AttemptEnded(outcome=Failed(failure=FailureClass.LOST)) if what == "keeper":
                tally.recoveries.append(record.at - max((at for at in deaths if at <= record.at), default=record.at))
            case _:
                pass


def campaign(what: str, kills: int, seed: int, *, level: str = "", jobs: int = 2) -> Iterator[Tally]:
    """Runs until so many kills have been made; the tally of each run as it ends."""
    chance = random.Random(seed)
    made = 0
    with ThreadPoolExecutor(jobs) as pool:
        while made < kills:
            most = min(MOST_PER_RUN[what], -(-(kills - made) // jobs))
            seeds = [chance.randrange(1 << 31) for _ in range(jobs)]
            for tally in pool.map(partial(one_run, what, most=most, level=level), seeds):
                made += tally.kills
                yield tally


def main() -> int:
    """Prints the seed, the figures and every violation; 1 if there is one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--what", choices=sorted(MOST_PER_RUN), default="runner")
    parser.add_argument("--level", default="", choices=["", "cgroup", "walk", "groups"])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.what}", flush=True)
    begun = time.monotonic()
    total = Tally()
    for tally in campaign(options.what, options.kills, options.seed, level=options.level):
        total.add(tally)
        for line in tally.wrong:
            print("WRONG", line, flush=True)
    print(f"{total}, {time.monotonic() - begun:.0f} s")
    return 1 if total.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
