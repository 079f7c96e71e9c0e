"""Kills the runner at its Nth boundary of a run that meets usage limits, spends a budget, and is stopped by a guard.

    python tests/campaign/crash_limited.py                      every boundary

An engine that has said that its limit is reached is asked no more, also by a runner that comes later; what the agents
have really told of their cost is what the run has counted; the guard asks once, and its answer is not lost.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from teamflow.app.answer import answer
from teamflow.app.inspect import open_run
from teamflow.core.events import QuestionAsked, RunEnded
from teamflow.policy.answering import Given
from teamflow.store.sqlite import Database
from tests.campaign.crash_sweep import KILLED, Trial, boundaries, report, trace
from tests.e2e.tool import Project
from tests.fakes.history import wrongs

MOST_SESSIONS = 8
PRICE = 0.2
"""What an attempt costs that does its work."""

TEAM = """
limits: {max_parallel: 6, budget: {usd: 5, day: {usd: 50}}}
engines:
  alpha: &engine
    command: [./cli, alpha]
    output: json-lines
    message: text
    error: error
    usage: {usd: cost}
    failures: {usage_exhausted: usage limit}
  beta: {<<: *engine, command: [./cli, beta]}
  gamma: {<<: *engine, command: [./cli, gamma]}
  fails: {<<: *engine, command: [./cli, fails]}
defaults: {permissions: read, workspace: {mode: shared}, retry: {delay: 10ms}, grace: 200ms}
agents:
  first: {engine: [alpha, beta], prompt: Work}
  second: {engine: [alpha, beta], prompt: Work, depends_on: [first]}
  waits: {engine: gamma, prompt: Work}
  guarded: {engine: fails, prompt: Work, retry: {attempts: 9}, guards: {same_failure: 2}}
  paid: {engine: beta, prompt: Work, matrix: {n: ["1", "2", "3"]}, budget: {usd: 1}}
  last: {engine: beta, prompt: Work, depends_on: [second, waits, guarded, paid]}
"""
CLI = """#!/bin/sh
cat >/dev/null
echo "$1 $TEAMFLOW_STEP $TEAMFLOW_ATTEMPT" >>asked
case $1 in
  alpha) echo '{"error": "usage limit, try again in 1 hour"}'; exit 1 ;;
  gamma) if [ ! -e met ]; then touch met; echo '{"error": "usage limit, try again in 1 s"}'; exit 1; fi ;;
  fails) if [ ! -e mended ]; then echo '{"error": "the same"}'; exit 1; fi ;;
esac
echo '{"cost": 0.1}'
sleep 0.1
echo '{"cost": 0.2}'
echo "$TEAMFLOW_STEP $TEAMFLOW_ATTEMPT" >>done
echo '{"text": "done"}'
"""
STEPS = ("first", "second", "waits", "guarded", "paid/1", "paid/2", "paid/3", "last")


class Mender(threading.Thread):
    """Mends what the guarded step fails for, and lets it go on."""

    def __init__(self, project: Project, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.refused: list[str] = []
        self._project = project
        self._pause = chance.choice([0.0, 0.02, 0.1, 0.3])
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.01):
            number = self._project.asked().get("guarded")
            if number is not None:
                self._over.wait(self._pause)
                self._project.write("mended", "")
                with Database.open(str(self._project.root)) as database:
                    given = Given(number, "answer", "go on", "")
                    done, message = answer(open_run(database, 1), given, by="ana@test", environ=self._project.environ)
                if not done:
                    self.refused.append(message)

    def stop(self) -> None:
        self._over.set()
        self.join(30)


def crash_limited(number: int, *, seed: int, level: str = "") -> Trial:
    """One trial. Never raises for what a crash may lead to."""
    trial = Trial("limited", number)
    with Project(TEAM, level=level, files={"cli": CLI}) as project:
        (project.root / "cli").chmod(0o755)
        mender = Mender(project, random.Random(seed * 1000 + number))
        mender.start()
        try:
            _crash(project, trial)
        except AssertionError as error:
            trial.wrong.append(f"{error}")
        mender.stop()
        trial.wrong += wrongs(project.records())
        if trial.wrong:
            trial.wrong.append(f"refused: {mender.refused}\n{trace(project)}")
    return trial


def _crash(project: Project, trial: Trial) -> None:
    env = {"TEAMFLOW_FAILPOINT": str(trial.number)}
    last = project.start("run", "--progress", "plain", env=env, attended=True).wait()
    trial.sessions, trial.over = 1, last.code != KILLED
    while last.code != 0 and trial.sessions < MOST_SESSIONS:
        verb_holds = last.code == 3 and "-m teamflow run" not in last.err
        if last.code != KILLED and not verb_holds:
            trial.wrong.append(f"exit {last.code}\n{last.out}\n{last.err}")
            return
        ended = project.events(RunEnded)
        if ended and ended[-1].status == "succeeded":
            # It was killed after its last record: what would run now is another run.
            break
        last = project.start("run", "--progress", "plain", attended=True).wait()
        trial.sessions += 1
    trial.recovery = last.seconds
    trial.wrong += _judge(project)
    trial.attempts = sum(len(known.attempts) for known in project.state()[0].steps.values())


def _judge(project: Project) -> Iterator[str]:
    state, _ = project.state()
    for step in STEPS:
        if state.steps[step].status.value != "succeeded":
            yield f"{step} is {state.steps[step].status.value}: {state.steps[step].reason}"
    asked = (project.root / "asked").read_text().splitlines()
    whole = (project.root / "done").read_text().splitlines()
    of_alpha = [line for line in asked if line.startswith("alpha ")]
    if len(of_alpha) != 1:
        yield f"alpha was asked {len(of_alpha)} times: {of_alpha}"
    if len(set(asked)) != len(asked):
        yield f"an attempt began twice: {asked}"
    if len(whole) != len(STEPS):
        yield f"{len(whole)} attempts did their work, for {len(STEPS)} steps: {whole}"
    if abs(state.ledger.spent["usd"] - PRICE * len(whole)) > 1e-9:
        yield f"counted are {state.ledger.spent['usd']}, spent was {PRICE * len(whole)}"
    questions = project.events(QuestionAsked)
    if len(questions) != 1:
        yield f"{len(questions)} questions: {questions}"


def limited_sweep(*, seed: int, step: int = 1, start: int = 1, level: str = "", jobs: int = 2) -> Iterator[Trial]:
    """Every `step`th boundary until a run is not killed any more."""
    return boundaries(lambda number: crash_limited(number, seed=seed, level=level), step=step, start=start, jobs=jobs)


def main() -> int:
    """Prints seed, figures and every violation; 1 if there is one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--start", type=int, default=1)
    parser.add_argument("--level", default="")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 20))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    trials = limited_sweep(seed=options.seed, step=options.step, start=options.start, level=options.level)
    return 1 if report("limited", trials) else 0


if __name__ == "__main__":
    sys.exit(main())
