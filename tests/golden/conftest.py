"""`pytest tests/golden --update-golden` writes the expected files anew; read the difference before you commit it."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the expected output of golden tests anew")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether expected files are to be written; without the option known (a run from above) they are compared."""
    return bool(request.config.getoption("--update-golden", default=False))
