"""Random edits of random files while a watched run goes on: it comes to rest where a fresh run of the last files would.

    python -m tests.campaign.watch_edits [--count N] [--seed N]

Each trial is a team of commands that print what they read, a real `teamflow watch`, and a dozen saves of all kinds: in
place, by rename, of broken team files, of directories that go and come. Checked afterwards: every step's status and
text are those of a fresh run in a copy; no running step was stopped unless a definition, its own or before it, changed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from teamflow.app.session import read_records, read_state
from teamflow.core.events import AttemptStopping, PlanRevised
from teamflow.core.plan import Plan
from teamflow.plan.diff import REDEFINED, REMOVED, compare
from teamflow.store.sqlite import Database
from tests.e2e.project import Project
from tests.e2e.watched import Watched, save

FILES = 5
EDITS = 12
QUIET = 1.0
"""Seconds without a record after which a run that has ended is at rest."""


class Trial(NamedTuple):
    revisions: int
    starts: int
    stopped: int
    asked: int


def team(chance: random.Random, count: int) -> dict[str, Any]:
    """Each step prints its own constant, the files it reads and what those before it have printed."""
    agents: dict[str, Any] = {}
    for number in range(count):
        name = f"s{number}"
        before = [other for other in agents if chance.random() < 0.35]
        reads = sorted(chance.sample(range(FILES), chance.randint(0, 3)))
        files = " ".join(f"src/f{each}.txt" for each in reads)
        said = " ".join(f'"$UP_{other}"' for other in before)
        command = f"echo {name} {chance.randrange(1000)} {said}; sleep 0.0{chance.randrange(10)}"
        if files:
            command = (
                f"for f in {files}; do cat $f 2>/dev/null || echo no $f; done; test ! -e src/fail.{name} && {command}"
            )
        agents[name] = {"command": command, "reads": [*files.split(), f"src/fail.{name}"]}
        if before:
            agents[name]["depends_on"] = before
            agents[name]["env"] = {f"UP_{other}": f"{{{{ agents.{other}.text }}}}" for other in before}
        if not files:
            del agents[name]["reads"]
    return {"limits": {"max_parallel": 3}, "agents": agents}


def trial(seed: int, place: Path) -> Trial:
    """Raises AssertionError with what went wrong."""
    chance = random.Random(seed)
    plan = team(chance, chance.randint(2, 6))
    files = {f"src/f{number}.txt": f"{number}\n" for number in range(FILES)}
    project = Project(place / "watched", plan, files=files)
    with Watched(project) as watched:
        watched.until(lambda: watched.events("RunnerStarted"), "it has begun")
        for _ in range(EDITS):
            time.sleep(chance.choice((0.0, 0.005, 0.02, 0.1, 0.3)))
            plan = edit(chance, project, plan)
        save(project.root / "team.yaml", yaml.safe_dump(plan, sort_keys=False))
        asked = rest(watched)
        found = project.status()
        said = watched.said
        stopped = check_stops(project)
    fresh = Project(place / "fresh")
    shutil.copytree(project.root / "src", fresh.root / "src", dirs_exist_ok=True)
    fresh.team(plan)
    fresh.run("--new")
    wanted = fresh.status()
    for name, step in wanted.steps.items():
        mine = found.steps.get(name)
        assert mine is not None, f"{name} is not there\n{said}"
        status = "succeeded" if mine["status"] == "cached" else mine["status"]
        # A text that no other step reads is not kept in the cache.
        text = step["text"] if mine["status"] == "cached" and mine["text"] is None else mine["text"]
        assert (status, text) == (step["status"], step["text"]), f"{name}: {mine}\nnot {step}\n{said}"
    assert set(found.steps) == set(wanted.steps), said
    return Trial(found.data["revision"], sum(len(step["attempts"]) for step in found.steps.values()), stopped, asked)


def edit(chance: random.Random, project: Project, plan: dict[str, Any]) -> dict[str, Any]:
    """One save; gives the team that is now wanted."""
    source = project.root / "src"
    target = source / f"f{chance.randrange(FILES)}.txt"
    match chance.randrange(9):
        case 0 | 1:
            save(target, f"{chance.randrange(1000)}\n")
        case 2:
            target.write_text(f"{chance.randrange(1000)}\n")
        case 3:
            target.unlink(missing_ok=True)
        case 4:
            away = project.root / "away"
            source.rename(away)
            time.sleep(chance.choice((0.0, 0.03)))
            away.rename(source)
        case 5:
            flag = source / f"fail.{chance.choice(list(plan['agents']))}"
            flag.unlink() if flag.exists() else flag.write_text("")
        case 6:
            (project.root / "team.yaml").write_text("agents: {s0: {comm")
        case 7:
            plan = team(chance, chance.randint(2, 6))
            save(project.root / "team.yaml", yaml.safe_dump(plan, sort_keys=False))
        case _:
            name = chance.choice(list(plan["agents"]))
            plan["agents"][name]["command"] += f"; echo {chance.randrange(1000)}"
            save(project.root / "team.yaml", yaml.safe_dump(plan, sort_keys=False))
    return plan


def rest(watched: Watched, *, seconds: float = 60.0) -> int:
    """Waits until the run has ended and nothing has happened for a while; how many steps were held back meanwhile.

    Saves while steps run cannot be told from what steps do: after three of them a person is asked, and says yes.
    """
    until, last, since = time.monotonic() + seconds, -1, time.monotonic()
    answered = 0
    while time.monotonic() < until:
        events = watched.events()
        asked = [event for event in events if event["kind"] == "QuestionAsked"]
        assert all(event["about"] == "guard" for event in asked), watched.said
        while answered < len(asked):
            answered += 1
            # One that was withdrawn meanwhile takes no answer.
            watched.project.call("approve", f"1.{answered}")
        if len(events) != last:
            last, since = len(events), time.monotonic()
        # An answer that came too late is refused, whether or not the run has ended meanwhile.
        while events and events[-1]["kind"] == "RequestAnswered":
            events.pop()
        if events and events[-1]["kind"] == "RunEnded" and time.monotonic() - since > QUIET:
            return answered
        time.sleep(0.05)
    raise AssertionError(f"it does not come to rest\n{watched.said}")


def check_stops(project: Project) -> int:
    """Every stop follows from the revision before it. How many there were."""
    database = Database.find(str(project.root), allow_network=True)
    assert database is not None
    with database:
        _, plans = read_state(database, 1)
        records = read_records(database, 1)
    allowed: set[str] = set()
    count = 0
    for record in records:
        match record.event:
            case PlanRevised(revision=revision):
                allowed = concerned(plans[revision - 1], plans[revision])
            case AttemptStopping(step=step):
                assert step in allowed, f"{step} was stopped, and nothing about it had changed"
                count += 1
            case _:
                pass
    return count


def concerned(old: Plan, new: Plan) -> set[str]:
    """The steps that a revision redefines or removes, and all that depend on them."""
    found = {name for name, change in compare(old, new).items() if change.kind in (REDEFINED, REMOVED)}
    added = {step.id for step in new.steps} - {step.id for step in old.steps}
    for step in new.steps:
        if found.union(added).intersection(step.dependencies):
            found.add(step.id)
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    done: list[Trial] = []
    failed = 0
    for number in range(options.count):
        with tempfile.TemporaryDirectory(prefix="tfw-") as directory:
            try:
                done.append(trial(options.seed + number, Path(directory)))
            except AssertionError as error:
                failed += 1
                print(f"trial {options.seed + number}: {error}", flush=True)
    print(
        f"{len(done)} of {options.count} trials: {sum(t.revisions for t in done)} revisions, "
        f"{sum(t.starts for t in done)} attempts, {sum(t.stopped for t in done)} stopped, "
        f"{sum(t.asked for t in done)} asked; {failed} wrong"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
