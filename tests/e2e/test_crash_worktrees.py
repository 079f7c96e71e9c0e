"""A run with worktrees whose runner, or keeper too, was killed is finished by starting again: a fresh sample."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from tests.campaign.crash_sweep import Trial
from tests.campaign.crash_worktrees import crash, sampled, sweep

BOUNDARIES = 1400
"""About as many as a run of the team passes, before and after each git command among them."""


def wrong(trials: Iterable[Trial]) -> list[str]:
    return [f"{trial}: {line}" for trial in trials for line in trial.wrong]


@pytest.mark.slow
def test_a_run_without_a_crash_is_what_it_says() -> None:
    trial = crash("runner", 10**6)
    assert trial.over
    assert trial.wrong == []


@pytest.mark.slow
def test_boundaries_between_git_commands() -> None:
    start = random.SystemRandom().randint(1, 60)
    print(f"start {start}")
    assert wrong(sweep(step=60, start=start)) == []


@pytest.mark.slow
def test_the_keeper_is_killed_too() -> None:
    seed = random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}")
    assert wrong(sampled("both", BOUNDARIES, samples=6, chance=random.Random(seed))) == []
