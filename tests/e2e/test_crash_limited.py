"""Runs that meet limits, spend budgets and are stopped by guards, killed at their boundaries: a sample."""

from __future__ import annotations

import random

import pytest

from tests.campaign.crash_limited import limited_sweep

pytestmark = pytest.mark.slow


def test_the_runner_is_killed_at_every_twelfth_boundary() -> None:
    seed = random.SystemRandom().randrange(1 << 20)
    print(f"seed {seed}")
    trials = list(limited_sweep(seed=seed, step=12, start=1 + seed % 12))
    assert trials[-1].over
    assert [f"{trial}: {line}" for trial in trials for line in trial.wrong] == []
