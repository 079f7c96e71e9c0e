"""A tenth of the campaign of random edits, with a seed of its own each time."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.campaign.watch_edits import trial


@pytest.mark.slow
@pytest.mark.parametrize("number", range(10))
def test_random_edits_end_where_a_fresh_run_does(tmp_path: Path, number: int) -> None:
    seed = random.SystemRandom().randrange(2**31)
    print(f"seed {seed}")
    trial(seed, tmp_path)
