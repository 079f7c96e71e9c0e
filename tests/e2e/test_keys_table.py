"""Every key of the schema is either proved by behaviour or proved to be refused; none is accepted and ignored."""

from __future__ import annotations

import importlib
from pathlib import Path

from teamflow.team.areas import AGENT, TEAM, WORKS
from tests.e2e import test_keys_waiting as refused
from tests.e2e.project import PROVED

MODULES = sorted(path.stem for path in Path(__file__).parent.glob("test_run_*.py"))
"""Where tests are marked by `proves`."""


def _proved() -> set[str]:
    for name in MODULES:
        importlib.import_module(f"tests.e2e.{name}")
    return set(PROVED)


def test_every_key_that_works_is_proved_by_behaviour() -> None:
    works = {f"TEAM:{key}" for key, area in TEAM.items() if area == WORKS}
    works |= {f"AGENT:{key}" for key, area in AGENT.items() if area == WORKS}
    assert works - _proved() == set(), "no test marked with `proves` uses them"
    assert _proved() - works == set(), "proved, but the table has them not as working"


def test_every_key_that_waits_is_proved_to_be_refused() -> None:
    waiting = {key for key, area in TEAM.items() if area != WORKS}
    assert set(refused.TEAM) == waiting
    assert set(refused.AGENT) == {key for key, area in AGENT.items() if area != WORKS}
