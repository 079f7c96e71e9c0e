"""A run whose runner, keeper, or both were killed is finished by starting again, and its log tells what happened.

Samples here; every tenth boundary and many random moments with `--all`, every one in the campaigns. They print their
seed, which repeats them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from teamflow.core.events import RunEnded
from tests.campaign import crash_team
from tests.campaign.checker import check
from tests.campaign.crash_asked import crash_asked
from tests.campaign.crash_sweep import Trial, crash, sampled, sweep
from tests.campaign.random_kills import MOST_PER_RUN, Tally, campaign, percentile
from tests.e2e.keeper_driver import levels

BOUNDARIES = 320
"""About as many as a run of the team passes."""

ASKING_MOST = 200
"""More than a run that asks people passes."""

TENTH = 10


def wrong(trials: Iterable[Trial]) -> list[str]:
    return [f"{trial}: {line}" for trial in trials for line in trial.wrong]


@pytest.mark.slow
def test_a_run_without_a_crash_is_what_it_says() -> None:
    with crash_team.project() as project:
        done = project.run()
        assert done.code == 0, done
        verdict = check(project, expected=crash_team.EXPECTED, rounds=crash_team.ROUNDS)
        assert verdict.wrong == []
        assert verdict.attempts == 28


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        pytest.param("runner", 30, marks=pytest.mark.slow),
        ("runner", 110),
        pytest.param("both", 60, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_is_finished(kind: str, number: int) -> None:
    assert wrong([crash(kind, number)]) == []


@pytest.mark.slow
@pytest.mark.parametrize("level", levels())
def test_every_tenth_boundary(level: str) -> None:
    """The campaign does them all."""
    start = random.SystemRandom().randint(1, TENTH)
    print(f"start {start}")
    trials = list(sweep(level=level, step=TENTH, start=start))
    assert trials[-1].over
    assert len(trials) > 200 // TENTH
    assert wrong(trials) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["second", "both", "revised"])
def test_harder_crashes(kind: str) -> None:
    seed = random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}")
    assert wrong(sampled(kind, BOUNDARIES, samples=12, chance=random.Random(seed))) == []


@pytest.mark.slow
@pytest.mark.parametrize("level", levels())
def test_every_tenth_boundary_of_a_run_that_asks_people(level: str) -> None:
    seed = random.SystemRandom().randrange(1 << 20)
    print(f"seed {seed}")
    for number in range(1 + seed % TENTH, ASKING_MOST, TENTH):
        trial = crash_asked(number, seed=seed, level=level)
        assert wrong([trial]) == []
        if trial.over:
            break
    assert trial.over
    assert number > 60


@pytest.mark.slow
def test_people_answer_while_runner_and_keeper_die() -> None:
    seed = random.SystemRandom().randrange(1 << 20)
    print(f"seed {seed}")
    assert wrong(crash_asked(number, seed=seed, keeper=True) for number in range(4, 90, 14)) == []


@pytest.mark.slow
@pytest.mark.parametrize(("what", "kills"), [("runner", 50), ("keeper", 10), ("both", 10)])
def test_random_kills(what: str, kills: int) -> None:
    assert set(MOST_PER_RUN) == {"runner", "keeper", "both"}
    seed = random.SystemRandom().randrange(1 << 31)
    total = Tally()
    for tally in campaign(what, kills, seed):
        total.add(tally)
    print(f"seed {seed}, {what}: {total}")
    assert total.wrong == []
    assert total.kills >= kills
    assert percentile(total.recoveries, 99) < 5


@pytest.mark.slow
def test_every_boundary_of_a_run_with_nothing_to_do() -> None:
    """Such a run ends without a loop; whatever a crash leaves, the next start ends well and starts nothing."""
    team = """
agents:
  kept: {command: ./work agent 0 && cp source.txt made.txt, reads: [source.txt], outputs: {made: {file: made.txt}}}
  more: {command: ./work agent 0, depends_on: [kept], reads: [made.txt], cache: true}
"""
    with crash_team.Project(team, files={"source.txt": "one\n"}) as project:
        assert project.run().code == 0
        begun = len(project.ledger())
        for number in range(1, 60):
            done = project.run(env={"TEAMFLOW_FAILPOINT": str(number)})
            if done.code != -9:
                break
            again = project.run()
            assert again.code == 0, (number, again)
            newest = project.runs()
            assert project.events(RunEnded, newest)[-1].status == "succeeded"
        assert done.code == 0
        assert number > 2
        assert len(project.ledger()) == begun, "nothing was started"
        assert project.gone()
