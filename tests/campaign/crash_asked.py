"""Kills the runner of a run that asks people, at its Nth boundary, while somebody answers at random moments.

Whoever answers may meet a living runner, none, one that dies before it has acted, or one that has just come. What was
said to have been done is done; what was refused is not; nothing is asked twice.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

from teamflow.app.answer import answer
from teamflow.app.inspect import open_run
from teamflow.core.events import QuestionAnswered, QuestionAsked, RunEnded
from teamflow.store.sqlite import Database
from tests.campaign import crash_team
from tests.campaign.checker import check
from tests.campaign.crash_sweep import KILLED, Trial, trace
from tests.e2e.tool import Project

BY = "ana@test"


class Answerer(threading.Thread):
    """Answers every open question once, each after a pause of its own; keeps what it was told."""

    def __init__(self, project: Project, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.done: set[int] = set()
        self.refused: list[tuple[int, str]] = []
        self._project = project
        self._pauses = {step: chance.choice([0.0, 0.02, 0.1, 0.3]) for step in crash_team.ANSWERS}
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.01):
            for step, number in self._project.asked().items():
                if step in crash_team.ANSWERS and number not in self.done:
                    self._over.wait(self._pauses[step])
                    self._answer(step, number)

    def _answer(self, step: str, number: int) -> None:
        with Database.open(str(self._project.root)) as database:
            given = crash_team.ANSWERS[step]._replace(question=number)
            done, message = answer(open_run(database, 1), given, by=BY, environ=self._project.environ)
        if done:
            self.done.add(number)
        else:
            self.refused.append((number, message))

    def stop(self) -> None:
        self._over.set()
        self.join(30)


def crash_asked(number: int, *, seed: int, keeper: bool = False, level: str = "") -> Trial:
    """One trial; `keeper`: it dies with the runner. Never raises for what a crash may lead to."""
    trial = Trial("asked and both" if keeper else "asked", number)
    with crash_team.asked(level=level) as project:
        people = Answerer(project, random.Random(seed * 1000 + number))
        people.start()
        try:
            _crash(project, trial, keeper=keeper)
        except AssertionError as error:
            trial.wrong.append(f"{error}")
        people.stop()
        trial.wrong += _answers(project, people)
        if trial.wrong:
            trial.wrong.append(trace(project))
    return trial


def _crash(project: Project, trial: Trial, *, keeper: bool) -> None:
    env = {"TEAMFLOW_FAILPOINT": str(trial.number)}
    first = project.start("run", "--progress", "plain", env=env, attended=True).wait()
    trial.sessions, trial.over = 1, first.code != KILLED
    if keeper and not trial.over:
        # Of what it has begun and not yet journalled nobody could know, and this is about answers.
        time.sleep(0.1)
        project.kill_keeper()
    last = first
    if not trial.over and not project.events(RunEnded):
        last = project.start("run", "--progress", "plain", attended=True).wait()
        trial.sessions += 1
        if last.code != 0:
            trial.wrong.append(f"exit {last.code}\n{last.out}\n{last.err}")
    trial.recovery = last.seconds
    verdict = check(project, expected=crash_team.ASKED_EXPECTED, lost_allowed=keeper)
    trial.attempts, trial.lost = verdict.attempts, verdict.lost
    trial.wrong += verdict.wrong


def _answers(project: Project, people: Answerer) -> list[str]:
    """The log against what whoever answered was told."""
    wrong = []
    asked = Counter(event.step for event in project.events(QuestionAsked))
    if any(count > 1 for count in asked.values()):
        wrong.append(f"asked more than once: {asked}")
    answered = Counter(event.question for event in project.events(QuestionAnswered))
    if any(count > 1 for count in answered.values()):
        wrong.append(f"answered more than once: {answered}")
    mine = {event.question for event in project.events(QuestionAnswered) if event.by == BY}
    if people.done - mine:
        wrong.append(f"said to be answered, and not in the log: {people.done - mine}")
    strange = [(number, told) for number, told in people.refused if number not in mine]
    if strange:
        wrong.append(f"refused: {strange}")
    return wrong
