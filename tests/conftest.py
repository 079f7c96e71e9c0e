"""What all tests share: `--all` for the slow suites, and a home directory that no test can touch.

Without `--all` a property is tried with fewer examples, and of many cases that are alike only some run, where a test
is marked `sampled`: as many as find what is plainly wrong. CI tries them all.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import is_hypothesis_test, settings

settings.register_profile("teamflow", deadline=None)
settings.load_profile("teamflow")  # a busy machine is no reason to fail

FEWER: Final = 5
"""The part of a property's examples that the fast run tries: one in so many..."""
FEWEST: Final = 25
"""... but at least so many, if it has them."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So it is in the background of some shells, and children inherit it; tests interrupt theirs.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run the slow suites, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--all"):
        return
    seen: Counter[str] = Counter()
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        (left if "slow" in item.keywords or not _sampled(item, seen) else kept).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept
    for test in {item.function for item in kept if isinstance(item, pytest.Function)}:  # type: ignore[attr-defined]
        if is_hypothesis_test(test):
            _try_fewer(test)


def _sampled(item: pytest.Item, seen: Counter[str]) -> bool:
    """Whether it is one of those cases that run: of a test marked `sampled(every)` one in so many, else all."""
    mark = item.get_closest_marker("sampled")
    if mark is None:
        return True
    (every,) = mark.args
    test = item.nodeid.partition("[")[0]
    seen[test] += 1
    return bool((seen[test] - 1) % every == 0)


def _try_fewer(test: Any) -> None:
    # `settings` can stand above a test once only, and then says so; this is where it leaves them.
    whole = test._hypothesis_internal_use_settings
    fewer = max(whole.max_examples // FEWER, min(whole.max_examples, FEWEST))
    test._hypothesis_internal_use_settings = settings(whole, max_examples=fewer)


@pytest.fixture(autouse=True, scope="session")
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home: Path = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        for name in [name for name in os.environ if name.startswith(("TEAMFLOW_", "GIT_"))]:
            patch.delenv(name)
        yield
