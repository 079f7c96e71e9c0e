"""A large run under a storm of verbs: 2,000 steps, 50 random requests a second, and what became of each.

    python tests/campaign/verb_storm.py [--steps 2000] [--rate 50] [--seed N]

Every request is answered, none takes long, no log holds what it must not (`fakes/history.py`), every process is
accounted for, and when the storm is over the run comes to its end. The latency is from the request to its answer in
the log, both by this machine's clock.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from teamflow.core.requested import RequestAnswered
from teamflow.policy.control import steps_args
from teamflow.store.sqlite import Database
from teamflow.store.wake import wake
from tests.campaign.checker import check
from tests.campaign.random_kills import percentile
from tests.e2e.keeper_driver import wait_for
from tests.e2e.tool import Project, until
from tests.fakes.history import wrongs

VERBS = ("pause", "pause", "freeze", "resume", "resume", "resume", "retry", "relaunch", "cancel")
WIDTH = 8
"""Steps that may run at once."""


class Storm(NamedTuple):
    """`requests` that were left, how many were `granted`; latencies in seconds, sorted."""

    requests: int
    granted: int
    latencies: list[float]
    wrong: list[str]
    seconds: float
    attempts: int


def team(steps: int) -> str:
    """Chains of ten, so that much is pending, and work that takes a moment, so that much can be met at it."""
    agents = {
        f"s{number}": {
            "command": "./work agent 0 0.03",
            **({"depends_on": [f"s{number - 1}"]} if number % 10 else {}),
            "grace": "200ms",
        }
        for number in range(steps)
    }
    return json.dumps({"limits": {"max_parallel": WIDTH}, "agents": agents})


def storm(steps: int, *, rate: float, seed: int) -> Storm:
    """One run. `rate`: requests per second, as long as it runs."""
    chance = random.Random(seed)
    wrong: list[str] = []
    asked: dict[int, float] = {}
    with Project(team(steps)) as project:
        running = project.start("run", "--progress", "quiet", attended=True)
        over = threading.Event()
        thread = threading.Thread(target=_rain, args=(project, steps, rate, chance, asked, over), daemon=True)
        thread.start()
        begun = time.monotonic()
        _until_far(project, steps)
        over.set()
        thread.join(30)
        _calm(project, running.process, wrong)
        done = running.wait(300)
        seconds = time.monotonic() - begun
        if done.code not in (0, 1):
            wrong.append(f"exit {done.code}: {done.err[-2000:]}")
        last = project.run("--progress", "quiet", seconds=300)
        if last.code != 0:
            wrong.append(f"exit {last.code} at last: {last.err[-2000:]}")
        records = project.records()
        wrong += wrongs(records)
        answers = {r.event.request: r for r in records if isinstance(r.event, RequestAnswered)}
        unanswered = asked.keys() - answers.keys()
        if unanswered:
            wrong.append(f"{len(unanswered)} requests were never answered")
        latencies = sorted(answers[number].at - at for number, at in asked.items() if number in answers)
        granted = sum(1 for number in asked if number in answers and answers[number].event.ok)  # type: ignore[union-attr]
        verdict = check(project, expected={f"s{number}": "succeeded" for number in range(steps)})
        wrong += verdict.wrong
    return Storm(len(asked), granted, latencies, wrong, seconds, verdict.attempts)


def _rain(
    project: Project, steps: int, rate: float, chance: random.Random, asked: dict[int, float], over: threading.Event
) -> None:
    while not over.wait(0.01):
        if project.runs() and project.holder() is not None:
            break
    with Database.open(str(project.root)) as database:
        while not over.wait(chance.expovariate(rate)):
            verb = chance.choice(VERBS)
            names = [f"s{chance.randrange(steps)}" for _ in range(chance.choice([1, 1, 1, 5]))]
            if verb == "relaunch":
                args = json.dumps({"step": names[0], "changes": {}})
            elif verb == "resume" and chance.random() < 0.2:
                args = steps_args(None)
            else:
                args = steps_args(names, freeze=verb == "freeze")
            at = time.time()
            name = "pause" if verb == "freeze" else verb
            number = database.insert_request(1, name, args, expected_seq=None, at=at, by="storm@test")
            asked[number] = at
            wake(project.layout, 1, env=project.environ)


def _until_far(project: Project, steps: int) -> None:
    """Until the storm has met most of it."""
    most = 0.8 * steps
    until(
        lambda: project.runs() and sum(1 for line in project.ledger() if line.exit is not None) >= most,
        "most of the run is done",
        seconds=240,
        step=0.5,
    )


def _calm(project: Project, process: object, wrong: list[str]) -> None:
    """Whoever is held back is let go, until nobody is."""
    for _ in range(20):
        if wait_for(lambda: _is_calm(project), 0.5, 0.05):
            return
        project.request("resume", {"steps": None})
    wrong.append("paused steps are left")


def _is_calm(project: Project) -> bool:
    state = project.state()[0]
    return not state.held and not state.paused


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    found = storm(options.steps, rate=options.rate, seed=options.seed)
    for line in found.wrong[:40]:
        print("WRONG", line)
    p50, p99 = (percentile(found.latencies, share) for share in (50, 99))
    print(
        f"{found.requests} requests, {found.granted} granted, {found.attempts} attempts in {found.seconds:.0f} s; "
        f"answered after p50 {1000 * p50:.0f} ms, p99 {1000 * p99:.0f} ms, most {1000 * found.latencies[-1]:.0f} ms; "
        f"{len(found.wrong)} wrong"
    )
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
