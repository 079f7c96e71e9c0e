"""A tenth of the campaign of agents whose runner is killed, with a fresh seed: with stand-ins, and with the CLIs."""

from __future__ import annotations

import random

import pytest

from tests.campaign.real_agents import campaign, figures
from tests.fakes import clis

pytestmark = pytest.mark.slow


def wrong(rounds: int, *, real: bool) -> list[str]:
    seed = random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}")
    made = list(campaign(rounds, seed, real=real))
    print(figures(made))
    return [f"{one}: {line}" for one in made for line in one.wrong]


def test_stand_ins_are_adopted() -> None:
    assert wrong(30, real=False) == []


def test_real_agents_are_adopted() -> None:
    clis.program("claude")
    assert wrong(6, real=True) == []
