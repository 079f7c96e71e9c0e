"""A run that is taken up again, or changed while it lives, and has added steps to itself."""

from __future__ import annotations

import pytest

from teamflow.core.added import effective
from teamflow.core.events import Record, StepsAdded
from teamflow.core.fold import apply
from teamflow.core.plan import Plan
from teamflow.plan.converge import Converged, reopen
from teamflow.plan.diff import compare
from teamflow.plan.ripple import rippled
from tests.fakes.runs import Run
from tests.fakes.teams import plan_of

TEAM = """
agents:
  plan: {command: p, outputs: {tasks: array}}
  lint: {command: l}
  build: {command: [b, "{{ matrix.item }}"], matrix: agents.plan.outputs.tasks}
  test: {command: t, matrix: build, depends_on: [lint]}
  all: {command: a, depends_on: [test]}
"""
PLAN = plan_of(TEAM)


def run(**ends: str) -> Run:
    """Everything has succeeded but what is told; `a__b` is a/b."""
    found = Run(PLAN)
    how = {name.replace("__", "/"): end for name, end in ends.items()}
    for name in ("plan", "lint"):
        found.end(name, how.get(name, "succeeded"))
    for agent in ("build", "test"):
        added = StepsAdded(f"{agent}/?", {f"{agent}/{name}": {"item": name} for name in "xy"})
        apply(found.state, Record(found.state.seq + 1, 1000.0, 1.0, added))
    for name in ("build/x", "build/y", "test/x", "test/y", "all"):
        if how.get(name) != "pending":
            found.end(name, how.get(name, "succeeded"))
    return found


def converged(found: Run, text: str = TEAM, *, forced: str = "") -> Converged:
    plan = effective(plan_of(text), found.state.added)
    changes = compare(effective(PLAN, found.state.added), plan)
    if forced:
        changes[forced] = changes[forced]._replace(kind="redefined", asked="--force")
    return reopen(found.state, plan, changes)


def opened(found: Converged) -> dict[str, str]:
    return {**found.retry, **found.revision, **found.resume}


def test_where_nothing_has_changed_nothing_is_done() -> None:
    found = converged(run())
    assert found.events() == ()
    assert found.ripple == {}


def test_a_producer_that_runs_again_is_listed_again_and_touches_nothing_yet() -> None:
    found = converged(run(), forced="plan")
    assert opened(found) == {
        "plan": "--force", "build/?": "plan runs again", "test/?": "build/? may change again",
    }  # fmt: skip
    assert found.ripple == {}
    assert {"build/x", "test/x", "all"} <= found.stays.keys()


def test_an_instance_that_failed_runs_again_without_its_list() -> None:
    found = converged(run(build__x="failed", test__x="skipped", all="skipped"))
    assert opened(found) == {
        "build/x": "failed before: exited 1", "test/x": "build/x runs again", "all": "test/x may run again",
    }  # fmt: skip


def test_a_definition_of_all_is_one_of_each() -> None:
    found = converged(run(), TEAM.replace("command: [b,", "command: [b2,"))
    assert {"build/x", "build/y", "test/x", "test/y", "all"} <= opened(found).keys()
    assert opened(found)["build/x"] == "definition changed: command"


def test_another_expression_is_worked_out_again_and_redefines_nothing() -> None:
    found = converged(run(), TEAM.replace("outputs.tasks}", "outputs.tasks | list}"))
    assert opened(found) == {"build/?": "definition changed: matrix", "test/?": "build/? may change again"}


def test_what_others_wait_for_does_not_reach_a_list_that_is_paired() -> None:
    found = converged(run(lint="failed", test__x="skipped", test__y="skipped", all="skipped"))
    assert "test/?" not in opened(found)
    assert opened(found)["test/x"] == "lint runs again"


def test_a_step_that_runs_is_done_again_with_what_it_rests_on() -> None:
    found = converged(run(build__x="running", test__x="pending", test__y="pending", all="pending"), forced="plan")
    assert found.later == {}, "build/x rests on its values, which may be the same"
    found = converged(run(test__x="running", all="pending"), forced="build/x")
    assert found.later == {"test/x": "build/x runs again"}


def test_what_was_skipped_because_there_was_no_list_is_looked_at_again() -> None:
    story = Run(PLAN)
    story.end("lint", "succeeded")
    story.end("plan", "failed")
    for name in ("build/?", "test/?", "all"):
        story.end(name, "skipped")
    found = reopen(story.state, PLAN, {})
    assert opened(found) == {
        "plan": "failed before: exited 1", "build/?": "plan runs again", "test/?": "build/? may change again",
        "all": "test/? may change again",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("redefined", "reopened"),
    [
        ("plan", {"plan": "why", "build/?": "plan runs again"}),
        ("build/x", {"build/x": "why", "test/x": "build/x runs again", "all": "test/x runs again"}),
        ("build/?", {"build/?": "why"}),
    ],
)
def test_the_same_while_the_run_lives(redefined: str, reopened: dict[str, str]) -> None:
    story = run()
    found = rippled(story.state, story.state.plan, redefined={redefined: "why"}, touched={})
    assert found.reopen == reopened
    assert (found.stop, found.later, found.ripple) == ({}, {}, {})


def test_an_instance_that_runs_is_stopped_for_another_value_and_not_for_another_list() -> None:
    story = run(build__y="running", test__y="pending", all="pending")
    state = story.state
    plan: Plan = state.plan
    assert rippled(state, plan, redefined={"plan": "why"}, touched={}).stop == {}
    assert rippled(state, plan, redefined={"build/y": "why"}, touched={}).stop == {"build/y": "why"}
