"""A plan that is revised while the cache is looked at: what has gone from it is no more asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from teamflow.core.events import Admitted
from teamflow.core.state import RunState
from teamflow.run.probe import Prober
from tests.fakes.plans import make_step
from tests.fakes.runs import run_of


class Looked:
    """Reads and results of an empty cache; steps are removed when the disk is looked at."""

    def __init__(self, state: RunState) -> None:
        self._state = state

    def look_again(self) -> None:
        self._state.steps = {}

    def digests(self, patterns: object) -> dict[str, str]:
        return {}

    def missing(self, artifacts: Sequence[object]) -> list[object]:
        return []

    def look_up(self, keys: Sequence[str]) -> dict[str, object]:
        return {}

    def last_keys(self, steps: Sequence[str]) -> dict[str, str]:
        return {}

    def last_parts(self, step: str) -> None:
        return None

    def forget_last(self, steps: Sequence[str]) -> None:
        pass


@pytest.mark.parametrize("force", [frozenset[str](), frozenset({"build"})])
def test_steps_that_are_removed_meanwhile_are_answered_for(force: frozenset[str]) -> None:
    run = run_of((make_step("build", cache=True, reads=("src/*",)), "pending"))
    world = cast("Any", Looked(run.state))
    prober = Prober(
        run.state,
        root="/nowhere",
        results=world,
        reads=world,
        run={"number": 1},
        digest_file=lambda *_: "",
        force=force,
    )
    (answer,) = prober.probe_now(["build"])
    assert isinstance(answer, Admitted)
    assert answer.step == "build"
