"""A sample of the campaign of random teams of committing agents, with a fresh seed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.campaign.trees_seen import trial


@pytest.mark.slow
@pytest.mark.parametrize("number", range(3))
def test_every_step_sees_its_ancestors_work_and_no_other(tmp_path: Path, number: int) -> None:
    seed = random.SystemRandom().randrange(2**31)
    print(f"seed {seed}")
    assert trial(seed, tmp_path) > 0
