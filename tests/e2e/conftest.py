"""Fixtures of the keeper's tests: a real keeper, at every kill level of this machine or at its best one."""

from collections.abc import Iterator

import pytest

from tests.e2e.keeper_driver import Keeper, levels


@pytest.fixture(params=levels())
def keeper(request: pytest.FixtureRequest) -> Iterator[Keeper]:
    made = Keeper(request.param)
    yield made
    made.close()


@pytest.fixture
def any_keeper() -> Iterator[Keeper]:
    made = Keeper()
    yield made
    made.close()
