from __future__ import annotations

import pytest

from teamflow.plan.selection import Selection
from teamflow.plan.taken import unresolved
from tests.fakes.runs import Run
from tests.fakes.teams import plan_of

TEAM = """
agents:
  plan: {command: x}
  lint: {command: x}
  ship: {command: [ship, "{{ agents.plan.text }}"], depends_on: [lint]}
"""
SHIP = plan_of(TEAM, selection=Selection(since=("ship",)))


def test_a_result_that_is_there_is_taken() -> None:
    run = Run(plan_of(TEAM))
    run.end("plan", "succeeded")
    assert len(unresolved(SHIP, run.state.steps)) == 0


@pytest.mark.parametrize(("how", "state"), [("failed", "is failed"), ("skipped", "is skipped"), (None, "is queued")])
def test_a_result_that_is_not_there_is_an_error(how: str | None, state: str) -> None:
    run = Run(plan_of(TEAM))
    if how:
        run.end("plan", how)
    [found] = unresolved(SHIP, run.state.steps)
    assert found.code == "result-missing"
    assert found.message == f"ship names results of plan, which is not selected and {state} in the newest run"


def test_a_new_run_has_no_results() -> None:
    [found] = unresolved(SHIP, {})
    assert "has not run" in found.message


def test_without_a_selection_nothing_is_taken() -> None:
    assert len(unresolved(plan_of(TEAM), {})) == 0
