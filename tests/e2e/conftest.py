"""Fixtures of the keeper's tests: a real keeper, at every kill level of this machine or at its best one."""

from collections.abc import Iterator

import pytest

from tests.e2e.keeper_driver import PORTABLE, Keeper, every_level


@pytest.fixture(params=every_level())
def keeper(request: pytest.FixtureRequest) -> Iterator[Keeper]:
    made = Keeper(request.param)
    yield made
    made.close()


@pytest.fixture(params=["", pytest.param(PORTABLE, marks=pytest.mark.slow)])
def any_keeper(request: pytest.FixtureRequest) -> Iterator[Keeper]:
    made = Keeper(request.param)
    yield made
    made.close()
