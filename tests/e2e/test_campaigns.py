"""Samples of campaigns, with a fresh seed: a storm of verbs on a large run, two runners for one run, `gc` in random
repositories."""

from __future__ import annotations

import random

import pytest

from tests.campaign import cancels, gc_states
from tests.campaign.race import races
from tests.campaign.random_kills import percentile
from tests.campaign.verb_storm import storm

pytestmark = pytest.mark.slow


def test_a_large_run_under_fifty_verbs_a_second() -> None:
    seed = random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}")
    found = storm(2000, rate=50, seed=seed)
    assert found.wrong == []
    assert found.requests > 100
    assert percentile(found.latencies, 99) < found.seconds / 10, "what comes in piles up"


def test_cancelled_trees_leave_nothing() -> None:
    seed = random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}")
    found = cancels.campaign(100, seed)
    assert found.wrong == []
    assert found.cancels >= 100


def test_two_runners_race_for_one_run() -> None:
    seed = random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}")
    assert races(10, seed) == []


def test_gc_in_random_repositories_loses_nothing() -> None:
    seed = random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}")
    found = gc_states.campaign(60, seed)
    assert found.wrong == []
    assert found.worktrees > 20
    assert found.branches > 20
