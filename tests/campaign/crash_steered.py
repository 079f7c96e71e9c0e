"""Kills the runner at its Nth boundary while somebody pauses, freezes, resumes, relaunches, retries and tells.

    python tests/campaign/crash_steered.py                      every boundary of a steered run
    python tests/campaign/crash_steered.py --kind verb          every boundary of verbs that find no runner

Who steers may meet a living runner, none, one that dies before it has acted, or one that has just come. What was
granted comes about, what was refused changes nothing, and the log holds nothing that must not be (`fakes/history.py`).
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from teamflow.core.events import RunEnded, StepFrozen
from teamflow.core.status import ENDED, Status
from tests.campaign.checker import check
from tests.campaign.crash_sweep import KILLED, Trial, boundaries, report, trace
from tests.e2e.tool import Done, Project, until
from tests.fakes.history import wrongs

MOST_SESSIONS = 8

TEAM = """
limits: {max_parallel: 8}
defaults: {grace: 300ms}
agents:
  halt: {command: "test -e go || ./work agent 0 60; ./work again 0"}
  ice: {command: "until test -e thaw; do sleep 0.02; done; ./work agent 0"}
  anew: {command: "test -e go || ./work agent 0 60; ./work again 0"}
  bad: {command: "test -e good || exit 3; ./work agent 0"}
  late: {depends_on: [bad], command: ./work agent 0}
  hears: {engine: scripted, prompt: Work, permissions: read, workspace: {mode: shared}, script: hears.yaml}
  last: {depends_on: [halt, ice, anew, hears, late], command: ./work agent 0}
"""
SCRIPT = '- attempt: {"1": [{listen: 60s}], "2": [{echo: messages}]}\n'
EXPECTED = dict.fromkeys(["halt", "ice", "anew", "bad", "late", "hears", "last"], "succeeded")


class Said(NamedTuple):
    """A verb, and when its time has come; `file` is made beforehand."""

    words: tuple[str, ...]
    step: str
    ready: Status
    file: str = ""


IN_TIME = (
    Said(("pause", "halt"), "halt", Status.RUNNING),
    Said(("pause", "--freeze", "ice"), "ice", Status.RUNNING),
    Said(("retry", "bad"), "bad", Status.FAILED, "good"),
    Said(("relaunch", "anew", "--timeout", "50s"), "anew", Status.RUNNING, "go"),
    Said(("tell", "hears", "go"), "hears", Status.RUNNING),
    Said(("resume", "halt"), "halt", Status.WAITING),
    Said(("resume", "ice"), "ice", Status.WAITING, "thaw"),
)


class Steering(threading.Thread):
    """Says each verb once its time has come, until it is granted; keeps what it was told otherwise."""

    def __init__(self, project: Project, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.refused: list[tuple[tuple[str, ...], str]] = []
        self.left = list(IN_TIME)
        self._project = project
        self._pauses = {said: chance.choice([0.0, 0.0, 0.02, 0.1, 0.3]) for said in IN_TIME}
        self._over = threading.Event()

    def run(self) -> None:
        while self.left and not self._over.wait(0.01):
            said = self.left[0]
            status = self._status(said.step)
            if status is Status.SUCCEEDED:
                # The next run has tried it again, or a killed one has let it go on.
                self.left.pop(0)
            elif status is said.ready:
                self._say(said)

    def _status(self, step: str) -> Status | None:
        if not Path(self._project.layout.database).exists() or not self._project.runs():
            return None
        known = self._project.state()[0].steps.get(step)
        return known.status if known is not None else None

    def _say(self, said: Said) -> None:
        self._over.wait(self._pauses[said])
        if said.file:
            self._project.write(said.file, "")
        done = self._project.call(*said.words)
        if done.code == 0:
            self.left.pop(0)
        else:
            self.refused.append((said.words, done.err))

    def stop(self) -> None:
        self._over.set()
        self.join(60)


def crash_steered(number: int, *, seed: int, keeper: bool = False, level: str = "") -> Trial:
    """One trial; `keeper`: it dies with the runner. Never raises for what a crash may lead to."""
    trial = Trial("steered and both" if keeper else "steered", number)
    with Project(TEAM, level=level, files={"hears.yaml": SCRIPT}) as project:
        steering = Steering(project, random.Random(seed * 1000 + number))
        steering.start()
        try:
            _crash(project, trial, steering, keeper=keeper)
        except AssertionError as error:
            trial.wrong.append(f"{error}")
        steering.stop()
        trial.wrong += wrongs(project.records())
        if steering.left:
            trial.wrong.append(f"never granted: {[said.words for said in steering.left]}, {steering.refused[-2:]}")
        if trial.wrong:
            trial.wrong.append(f"refused: {steering.refused}\n{trace(project)}")
    return trial


def _crash(project: Project, trial: Trial, steering: Steering, *, keeper: bool) -> None:
    env = {"TEAMFLOW_FAILPOINT": str(trial.number)}
    last = project.start("run", "--progress", "plain", env=env, attended=True).wait()
    trial.sessions, trial.over = 1, last.code != KILLED
    if keeper and not trial.over:
        time.sleep(0.1)
        project.kill_keeper()
    while last.code != 0 and trial.sessions < MOST_SESSIONS:
        verb_holds = last.code == 3 and "-m teamflow run" not in last.err
        if last.code not in (KILLED, 0, 1) and not verb_holds:
            trial.wrong.append(f"exit {last.code}\n{last.out}\n{last.err}")
            return
        if project.events(RunEnded) and all(k.status in ENDED for k in project.state()[0].steps.values()):
            ended = project.events(RunEnded)[-1]
            if ended.status == "succeeded":
                break
        last = _run_on(project)
        trial.sessions += 1
        if project.runs() > 1:
            break
    trial.recovery = last.seconds
    verdict = check(project, expected=EXPECTED, lost_allowed=keeper)
    trial.attempts, trial.lost = verdict.attempts, verdict.lost
    trial.wrong += verdict.wrong


def _run_on(project: Project) -> Done:
    """`run` again. A verb's own session may end run 1 just before: what then begins anew is another run, not judged."""
    running = project.start("run", "--progress", "plain", attended=True)
    until(lambda: running.process.poll() is not None or project.runs() > 1, "the run goes on", seconds=60)
    if project.runs() > 1:
        running.process.send_signal(signal.SIGINT)
    return running.wait()


# -- verbs that find no runner ------------------------------------------------------------------------------------

ALONE = """
defaults: {grace: 200ms}
agents:
  long: {command: "./work agent 0; until test -e go; do sleep 0.02; done; ./work again 0"}
  other: {command: "./work agent 0; until test -e go; do sleep 0.02; done; ./work again 0"}
"""
VERBS = (["pause", "long"], ["pause", "--freeze", "long"], ["relaunch", "long"], ["cancel", "long"], ["pause"])


def crash_verb(words: list[str], number: int, *, level: str = "") -> Trial:
    """The runner is dead, and so, at its Nth boundary, is the verb; said again, it is done."""
    trial = Trial(f"verb {' '.join(words)}", number)
    with Project(ALONE, level=level) as project:
        try:
            _crash_verb(project, words, trial)
        except AssertionError as error:
            trial.wrong.append(f"{error}")
        trial.wrong += wrongs(project.records())
        if trial.wrong:
            trial.wrong.append(trace(project))
    return trial


def _crash_verb(project: Project, words: list[str], trial: Trial) -> None:
    done = project.call("run", "-d")
    assert done.code == 0, done
    until(lambda: project.begun("long") and project.begun("other"), "both begin")
    holder = project.holder()
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    until(lambda: project.holder() is None, "the runner is gone")
    first = project.call(*words, env={"TEAMFLOW_FAILPOINT": str(trial.number)})
    trial.over = first.code != KILLED
    again = project.call(*words)
    if again.code not in (0, 1):
        trial.wrong.append(f"exit {again.code}: {again.out}{again.err}")
    freeze = "--freeze" in words
    found = project.state()[0].steps["long"]
    expected = {"pause": "waiting", "relaunch": "queued", "cancel": "cancelled"}[words[0]]
    if found.status.value != expected or found.frozen != freeze or (freeze and not project.events(StepFrozen)):
        trial.wrong.append(f"long is {found.status.value}, frozen {found.frozen}: {first.out}{again.out}{again.err}")
    if words[0] == "pause":
        resumed = project.call("resume")
        if resumed.code != 0:
            trial.wrong.append(f"resume: {resumed.err}")
    goes_on = project.start("run", "--progress", "plain")
    until(lambda: project.holder() is not None, "the run goes on", seconds=60)
    # Not before: what a verb lets go on might end the run, and this would be another one.
    project.write("go", "")
    last = goes_on.wait()
    trial.recovery = last.seconds
    if last.code != 0:
        trial.wrong.append(f"exit {last.code}\n{last.out}\n{last.err}")
    verdict = check(project, expected=dict.fromkeys(["long", "other"], "succeeded"))
    trial.attempts = verdict.attempts
    trial.wrong += verdict.wrong


def verb_sweep(*, step: int = 1, start: int = 1, level: str = "") -> Iterator[Trial]:
    """Every `step`th boundary of each verb."""
    with ThreadPoolExecutor(len(VERBS)) as pool:
        for trials in pool.map(lambda words: list(_of_verb(words, step, start, level)), VERBS):
            yield from trials


def _of_verb(words: list[str], step: int, start: int, level: str) -> Iterator[Trial]:
    for number in itertools.count(start, step):
        trial = crash_verb(words, number, level=level)
        yield trial
        if trial.over:
            return


def steered_sweep(*, seed: int, step: int = 1, start: int = 1, level: str = "", jobs: int = 2) -> Iterator[Trial]:
    """Every `step`th boundary until a run is not killed any more."""
    return boundaries(lambda number: crash_steered(number, seed=seed, level=level), step=step, start=start, jobs=jobs)


def main() -> int:
    """Prints seed, figures and every violation; 1 if there is one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kind", choices=["runner", "both", "verb"], action="append")
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--start", type=int, default=1)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--most", type=int, default=160)
    parser.add_argument("--level", default="")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 20))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    chance, failed = random.Random(options.seed), 0
    for kind in options.kind or ["runner", "both", "verb"]:
        match kind:
            case "runner":
                trials = steered_sweep(seed=options.seed, step=options.step, start=options.start, level=options.level)
            case "verb":
                trials = verb_sweep(step=options.step, start=options.start, level=options.level)
            case _:
                numbers = [chance.randrange(1, options.most) for _ in range(options.samples)]
                trials = (crash_steered(n, seed=options.seed, keeper=True, level=options.level) for n in numbers)
        failed += report(kind, trials)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
