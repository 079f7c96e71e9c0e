"""Agents that work, ask leave and are told things, while the runner is killed at random moments, once, twice or thrice.

    python tests/campaign/real_agents.py --rounds 300                  stand-ins for the CLIs
    python tests/campaign/real_agents.py --rounds 60 --real            the CLIs themselves, with a scripted model
    python tests/campaign/real_agents.py --one 123456 --real           one round again, by its seed

A cut is a SIGKILL of the runner (at a moment, or at a boundary of what it does), of its keeper or of both, a Ctrl-C, a
`cancel` with a `retry` behind. In between people answer what is asked for, with a runner or without. In the end
the run has succeeded, and `agent_checks.py` finds nothing doubled, repeated or left over.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from teamflow.app.answer import answer
from teamflow.app.inspect import open_run
from teamflow.core.events import AttemptEnded, AttemptStarted, QuestionAnswered, RunEnded
from teamflow.core.leave import PERMISSION, LeaveAsked
from teamflow.core.status import ENDED, Status
from teamflow.policy.answering import Given
from teamflow.store.sqlite import Database
from tests.campaign.agent_checks import Told, judged
from tests.campaign.agent_scripts import REAL, STAND_INS, STEP, Play, drawn
from tests.campaign.crash_sweep import KILLED, trace
from tests.e2e.tool import Project, Running
from tests.fakes.models import Models

CUTS = {"kill": 7, "boundary": 6, "sigint": 2, "keeper": 1, "both": 1, "cancel": 1.5}
MOMENTS = ("", "start", "asked", "answered", "tool", "end")
"""What the moment of a cut is counted from: its runner's start, or what comes next of these."""
BOUNDARIES = 70
"""About as many as a runner passes in such a run."""
MOST_SESSIONS = 9
BY = "ana@test"


@dataclass
class Round:
    """One project, cut as drawn and then gone on with to its end."""

    seed: int
    title: str = ""
    cuts: list[str] = field(default_factory=list)
    """Those that met something."""
    wrong: list[str] = field(default_factory=list)
    attempts: int = 0
    questions: int = 0
    messages: int = 0
    keepers: int = 0
    adopted: bool = False
    """The runner was killed and one attempt did it all."""

    def __str__(self) -> str:
        return f"{self.seed} {self.title} [{' '.join(self.cuts)}] {self.attempts} attempts"


class People(threading.Thread):
    """Answer every question once, each after a pause; say something while the agent works, where the task wants it."""

    def __init__(self, project: Project, play: Play, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.told = Told()
        self._project = project
        self._play = play
        self._chance = chance
        self._says = [f"Mind-the-gap-{chance.randrange(1 << 30)}."] if play.task.told or chance.random() < 0.15 else []
        self._over = threading.Event()
        self._shut: set[int] = set()

    def run(self) -> None:
        while not self._over.wait(0.02):
            if self._says and self._status() in (Status.RUNNING, Status.WAITING):
                self._say(self._says.pop())
            for number in self._open():
                self._over.wait(self._chance.choice([0.0, 0.02, 0.1, 0.3, 1.0]))
                self._answer(number)

    def stop(self) -> None:
        self._over.set()
        self.join(60)

    def _status(self) -> Status | None:
        known = self._project.state()[0].steps.get(STEP) if self._project.runs() else None
        return known.status if known is not None else None

    def _open(self) -> list[int]:
        if not self._project.runs():
            return []
        found = self._project.state()[0].unanswered
        return [number for number, one in found.items() if one.about == PERMISSION and number not in self._shut]

    def _answer(self, number: int) -> None:
        word = "reject" if self._play.cast.goes_on and self._chance.random() < 0.15 else "approve"
        with Database.open(str(self._project.root)) as database:
            given = Given(number, word)
            done, message = answer(open_run(database, 1), given, by=BY, environ=self._project.environ)
        self._shut.add(number)
        if done:
            (self.told.rejected if word == "reject" else self.told.approved).add(number)
        else:
            self.told.refused.append(message)

    def _say(self, text: str) -> None:
        self._over.wait(self._chance.choice([0.0, 0.1, 0.3]))
        if self._project.call("tell", STEP, text).code == 0:
            self.told.sent.append(text)


class Cutting:
    """Starts runners of a project, and cuts them."""

    def __init__(self, project: Project, play: Play, models: Models | None, chance: random.Random, made: Round) -> None:
        self._project = project
        self._env = play.environment(project, models)
        self._chance = chance
        self._made = made
        self._moments = MOMENTS if play.task.tools and play.cast.asks else ("", "start", "end")
        self.last: Running | None = None
        self.sessions = 0

    def start(self, *, boundary: int = 0) -> Running:
        """A runner, unless the last one has survived its cut."""
        if self.last is not None and self.last.process.poll() is None:
            return self.last
        self.sessions += 1
        more = {"TEAMFLOW_FAILPOINT": str(boundary)} if boundary else {}
        self.last = self._project.start("run", "--progress", "plain", env={**self._env, **more}, attended=True)
        return self.last

    def cut(self, what: str, span: float) -> None:
        """One session, and one cut at a moment of it."""
        runner = self.start(boundary=self._chance.randrange(1, BOUNDARIES) if what == "boundary" else 0)
        comes = self._chance.choice(self._moments)
        # Close behind, mostly: that is where something has been said and not yet done.
        seconds = span / 4 * self._chance.random() ** 3 if comes else self._chance.uniform(0.0, span)
        met = self._wait(runner, comes, seconds) and self._strike(what, runner)
        if met or runner.process.poll() == KILLED:
            self._made.cuts.append(what)

    def _wait(self, runner: Running, comes: str, seconds: float) -> bool:
        """Until so long after something has come that was not there; whether the runner is still at it."""
        before, end = self._count(comes), time.monotonic() + (0.0 if not comes else 60.0)
        while runner.process.poll() is None and time.monotonic() < end and self._count(comes) == before:
            time.sleep(0.005)
        end = time.monotonic() + seconds
        while runner.process.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
        return runner.process.poll() is None

    def _count(self, comes: str) -> int:
        if comes == "tool":
            return len(self._project.ledger())
        kinds = {"start": AttemptStarted, "asked": LeaveAsked, "answered": QuestionAnswered, "end": AttemptEnded}
        return len(self._project.events(kinds[comes])) if comes and self._project.runs() else 0

    def _strike(self, what: str, runner: Running) -> bool:
        """Whether it met something."""
        met = what != "boundary"
        if what in ("keeper", "both"):
            met = self._project.kill_keeper()
            self._made.keepers += met
        if what == "boundary":
            runner.wait(180)
        if what in ("kill", "both"):
            runner.kill()
        elif what == "sigint":
            runner.signal(signal.SIGINT)
            runner.wait(60)
        elif what == "cancel":
            met = self._project.call("cancel", STEP).code == 0
            runner.wait(60)
            if met:
                self._retry()
        return met

    def _retry(self) -> None:
        done = self._project.call("retry", STEP)
        if done.code != 0 and self._status() is not Status.SUCCEEDED:
            self._made.wrong.append(f"retry: exit {done.code}: {done.err}")

    def _status(self) -> Status:
        return self._project.state()[0].steps[STEP].status

    def over(self) -> bool:
        """Whether the run has come to its end, so that `run` would begin another."""
        if not self._project.runs() or not self._project.events(RunEnded):
            return False
        return all(known.status in ENDED for known in self._project.state()[0].steps.values())


def one_round(seed: int, *, real: bool) -> Round:
    """Never raises for what a cut may lead to."""
    chance = random.Random(seed)
    play = drawn(chance, REAL if real else STAND_INS)
    made = Round(seed, f"{play.cast.engine} {play.task.name}")
    with ExitStack() as stack:
        models = stack.enter_context(_scripted(play)) if real else None
        project = stack.enter_context(Project(play.team()))
        people = People(project, play, random.Random(chance.random()))
        people.start()
        try:
            _play(project, play, made, chance, models)
        except AssertionError as error:
            made.wrong.append(f"{error}")
        people.stop()
        told = people.told
        made.questions, made.messages = len(told.approved | told.rejected), len(told.sent)
        if project.runs():
            verdict, wrong = judged(project, play, people.told, models, keepers=made.keepers)
            made.wrong += wrong
            made.attempts = verdict.attempts - 1
            made.adopted = made.attempts == 1 and bool({"kill", "boundary"} & set(made.cuts))
        if made.wrong:
            made.wrong.append(f"refused {people.told.refused}\n{trace(project)}")
    return made


def _scripted(play: Play) -> Models:
    models = Models()
    models.play(*play.steps())
    return models


def _play(project: Project, play: Play, made: Round, chance: random.Random, models: Models | None) -> None:
    cutting = Cutting(project, play, models, chance, made)
    for what in chance.choices(list(CUTS), list(CUTS.values()), k=chance.choice([1, 1, 2, 2, 3])):
        if not cutting.over():
            cutting.cut(what, play.span)
    while not cutting.over() and cutting.sessions < MOST_SESSIONS:
        done = cutting.start().wait(180)
        if done.code != 0:
            made.wrong.append(f"exit {done.code}\n{done.out}\n{done.err}")
            return


def campaign(rounds: int, seed: int, *, real: bool, jobs: int = 2) -> Iterator[Round]:
    """The rounds as they end."""
    chance = random.Random(seed)
    seeds = [chance.randrange(1 << 31) for _ in range(rounds)]
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(partial(one_round, real=real), seeds)


def figures(rounds: list[Round]) -> str:
    cuts = Counter(cut for one in rounds for cut in one.cuts)
    casts = Counter(one.title for one in rounds)
    return (
        f"{len(rounds)} rounds, {sum(cuts.values())} cuts ({', '.join(f'{name} {n}' for name, n in cuts.items())}), "
        f"{sum(one.attempts for one in rounds)} attempts, {sum(one.questions for one in rounds)} answers, "
        f"{sum(one.messages for one in rounds)} messages, {sum(one.adopted for one in rounds)} adopted to their end, "
        f"{sum(bool(one.wrong) for one in rounds)} wrong\n"
        + ", ".join(f"{name} {n}" for name, n in sorted(casts.items()))
    )


def main() -> int:
    """Prints seed, figures and every violation; 1 if there is one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--real", action="store_true", help="the CLIs themselves, not their stand-ins")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--one", type=int, help="the seed of one round")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    options = parser.parse_args()
    begun = time.monotonic()
    if options.one is None:
        print(f"seed {options.seed}", flush=True)
        rounds = campaign(options.rounds, options.seed, real=options.real, jobs=options.jobs)
    else:
        rounds = iter([one_round(options.one, real=options.real)])
    ended = []
    for one in rounds:
        ended.append(one)
        print(f"{'WRONG' if one.wrong else 'ok'} {one}", flush=True)
        for line in one.wrong:
            print(" ", line, flush=True)
    print(f"{figures(ended)}\n{time.monotonic() - begun:.0f} s")
    return 1 if any(one.wrong for one in ended) else 0


if __name__ == "__main__":
    sys.exit(main())
