"""A steered run whose runner is killed, and verbs that are killed themselves: samples; all of it in the campaign."""

from __future__ import annotations

import random

import pytest

from tests.campaign.crash_steered import crash_steered, steered_sweep, verb_sweep
from tests.campaign.crash_sweep import Trial

pytestmark = pytest.mark.slow


def wrong(trials: list[Trial]) -> list[str]:
    return [f"{trial}: {line}" for trial in trials for line in trial.wrong]


def test_the_runner_is_killed_at_every_thirtieth_boundary() -> None:
    seed = random.SystemRandom().randrange(1 << 20)
    print(f"seed {seed}")
    trials = list(steered_sweep(seed=seed, step=30, start=1 + seed % 30))
    assert trials[-1].over
    assert wrong(trials) == []


def test_runner_and_keeper_are_killed() -> None:
    seed = random.SystemRandom().randrange(1 << 20)
    print(f"seed {seed}")
    chance = random.Random(seed)
    trials = [crash_steered(chance.randrange(1, 160), seed=seed, keeper=True) for _ in range(2)]
    assert wrong(trials) == []


def test_verbs_are_killed_that_find_no_runner() -> None:
    seed = random.SystemRandom().randrange(1 << 20)
    print(f"seed {seed}")
    trials = list(verb_sweep(step=34, start=1 + seed % 34))
    assert sum(trial.over for trial in trials) == 5
    assert wrong(trials) == []
