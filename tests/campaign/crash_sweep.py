"""Kills the runner at its Nth boundary for N = 1, 2, 3, … until a run ends by itself; starting again must finish it.

    python tests/campaign/crash_sweep.py                     every boundary, then samples of the harder kinds
    python tests/campaign/crash_sweep.py --kind second --samples 40 --seed 7

Kinds: `runner` (SIGKILL at a boundary), `second` (another one in the session that goes on), `both` (the keeper dies
with the runner), `revised` (the team file was changed in between), `noop` (the run has nothing to do).
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from teamflow.core.events import RunEnded
from tests.campaign import crash_team
from tests.campaign.checker import Verdict, check
from tests.e2e.tool import Done, Project

KILLED = -9
MOST_SESSIONS = 4


@dataclass
class Trial:
    """One project, crashed as told and then finished."""

    kind: str
    number: int
    second: int = 0
    over: bool = False
    """The first session ended by itself: there is no boundary of that number."""
    wrong: list[str] = field(default_factory=list)
    sessions: int = 0
    attempts: int = 0
    lost: int = 0
    recovery: float = 0.0
    """Seconds that the last session took."""

    def __str__(self) -> str:
        return f"{self.kind} {self.number}" + (f" then {self.second}" if self.second else "")


def crash(kind: str, number: int, *, second: int = 0, level: str = "") -> Trial:
    """Runs one trial; never raises for what a crash may lead to."""
    trial = Trial(kind, number, second)
    with crash_team.project(level=level) as project:
        try:
            _crash(project, trial)
        except AssertionError as error:
            trial.wrong.append(f"{error}")
        if trial.wrong and not trial.over:
            trial.wrong.append(trace(project))
    return trial


def _crash(project: Project, trial: Trial) -> None:
    first = project.run(env={"TEAMFLOW_FAILPOINT": str(trial.number)})
    trial.sessions = 1
    trial.over = first.code != KILLED
    if trial.over:
        trial.wrong += _end(project, trial, first, crash_team.EXPECTED)
        return
    expected = crash_team.EXPECTED
    if trial.kind == "both":
        project.kill_keeper()
    if project.events(RunEnded):
        # It was killed behind the end: starting again would be another run.
        trial.wrong += _end(project, trial, first._replace(code=0), expected)
        return
    if trial.kind == "revised":
        project.write("team.yaml", crash_team.REVISED)
        expected = crash_team.REVISED_EXPECTED
    if trial.second:
        second = project.run(env={"TEAMFLOW_FAILPOINT": str(trial.second)})
        trial.sessions += 1
        if project.events(RunEnded):
            trial.wrong += _end(project, trial, second._replace(code=0), expected)
            return
        if trial.kind == "both":
            project.kill_keeper()
    last = project.run()
    trial.sessions += 1
    trial.wrong += _end(project, trial, last, expected)


def _end(project: Project, trial: Trial, last: Done, expected: Mapping[str, str]) -> list[str]:
    trial.recovery = last.seconds
    wrong = [] if last.code == 0 else [f"exit {last.code}\n{last.out}\n{last.err}"]
    if project.runs() != 1:
        wrong.append(f"{project.runs()} runs")
    verdict: Verdict = check(project, expected=expected, lost_allowed=trial.kind == "both", rounds=crash_team.ROUNDS)
    trial.attempts, trial.lost = verdict.attempts, verdict.lost
    return wrong + verdict.wrong


def trace(project: Project) -> str:
    """What is recorded and journalled of its first run."""
    records = "\n".join(f"    {record.seq} {record.at:.3f} {record.event}"[:220] for record in project.records())
    journal = "\n".join(f"    {entry}"[:160] for entry in project.journal())
    return f"  records\n{records}\n  journal\n{journal}"


def sweep(*, level: str = "", step: int = 1, start: int = 1, jobs: int = 2) -> Iterator[Trial]:
    """Every `step`th boundary until a run ends by itself (that trial is the last one)."""
    return boundaries(lambda number: crash("runner", number, level=level), step=step, start=start, jobs=jobs)


def boundaries(one: Callable[[int], Trial], *, step: int = 1, start: int = 1, jobs: int = 2) -> Iterator[Trial]:
    """One trial for every `step`th boundary, some at once, until there is nothing left to be killed at."""
    with ThreadPoolExecutor(jobs) as pool:
        number = start
        while True:
            numbers = range(number, number + jobs * step, step)
            for trial in pool.map(one, numbers):
                yield trial
                if trial.over:
                    return
            number += jobs * step


def sampled(
    kind: str, most: int, *, samples: int, chance: random.Random, level: str = "", jobs: int = 2
) -> Iterator[Trial]:
    """Trials of one kind at random boundaries below `most`."""
    drawn = []
    for _ in range(samples):
        twice = kind == "second" or chance.random() < 0.3
        drawn.append((chance.randrange(1, most), chance.randrange(1, most) if twice else 0))
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda pair: crash(kind, pair[0], second=pair[1], level=level), drawn)


def main() -> int:
    """Prints seed, figures and every violation; 1 if there is one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kind", choices=["runner", "second", "both", "revised"], action="append")
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--start", type=int, default=1)
    parser.add_argument("--most", type=int, default=0, help="the last boundary, if it is known")
    parser.add_argument("--level", default="")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    options = parser.parse_args()
    kinds = options.kind or ["runner", "second", "both", "revised"]
    print(f"seed {options.seed}", flush=True)
    chance = random.Random(options.seed)
    most, failed = options.most, 0
    for kind in kinds:
        trials = (
            sweep(level=options.level, step=options.step, start=options.start)
            if kind == "runner"
            else sampled(kind, most or 300, samples=options.samples, chance=chance, level=options.level)
        )
        failed += report(kind, trials)
        if kind == "runner":
            most = report.last
    return 1 if failed else 0


class _Report:
    """Prints trials as they come."""

    def __init__(self) -> None:
        self.last = 0

    def __call__(self, kind: str, trials: Iterator[Trial]) -> int:
        begun = time.monotonic()
        counts: Counter[str] = Counter()
        recoveries = []
        for trial in trials:
            counts["trials"] += 1
            counts["attempts"] += trial.attempts
            counts["lost"] += trial.lost
            counts["wrong"] += bool(trial.wrong)
            counts["over"] += trial.over
            recoveries.append(trial.recovery)
            self.last = max(self.last, trial.number)
            if trial.wrong:
                print(f"WRONG {trial}")
                for line in trial.wrong:
                    print(" ", line, flush=True)
        worst = max(recoveries, default=0.0)
        figures = ", ".join(f"{name} {count}" for name, count in counts.items())
        print(f"{kind}: {figures}, slowest last session {worst:.2f} s, {time.monotonic() - begun:.0f} s", flush=True)
        return counts["wrong"]


report = _Report()

if __name__ == "__main__":
    sys.exit(main())
