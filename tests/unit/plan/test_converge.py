from __future__ import annotations

import pytest

from teamflow.core.events import Record
from teamflow.core.fold import apply
from teamflow.core.state import RunState
from teamflow.core.status import Status
from teamflow.plan.converge import Converged, reopen
from teamflow.plan.diff import Change
from tests.fakes.plans import make_plan, make_step
from tests.fakes.runs import Run, run_of


def converged(
    run: Run, *, changes: dict[str, Change] | None = None, keys: dict[str, str | None] | None = None
) -> Converged:
    return reopen(run.state, run.plan, changes or {}, keys=keys)


def test_failed_runs_again_with_what_was_skipped_because_of_it() -> None:
    run = run_of(
        (make_step("a"), "succeeded"),
        (make_step("b", needs=["a"]), "failed"),
        (make_step("c", needs=["b"]), "skipped"),
        (make_step("d", needs=["c"]), "skipped"),
        (make_step("e", needs=["a"]), "succeeded"),
    )
    found = converged(run)
    assert found.retry == {"b": "failed before: exited 1"}
    assert found.revision == {"c": "b runs again", "d": "c may run again"}
    assert found.stays == {
        "a": "succeeded at 1970-01-01 00:16:44 UTC",
        "e": "succeeded at 1970-01-01 00:16:52 UTC",
    }
    assert found.ripple == {}


def test_cancelled_interrupted_and_paused() -> None:
    run = run_of(
        (make_step("cancelled"), "cancelled"),
        (make_step("interrupted"), "interrupted"),
        (make_step("paused"), "paused"),
        (make_step("after", needs=["interrupted"]), "pending"),
        (make_step("behind", needs=["paused"]), "pending"),
    )
    found = converged(run)
    assert found.retry == {"cancelled": "was cancelled"}
    assert found.resume == {"interrupted": "interrupted"}
    assert found.paused == {"paused": "paused"}
    assert found.revision == found.stays == found.skipped == {}


def test_redefined_steps_run_again_with_what_depends_on_them() -> None:
    run = run_of(
        (make_step("a"), "succeeded"),
        (make_step("b", needs=["a"]), "succeeded"),
        (make_step("c", needs=["b"]), "succeeded"),
        (make_step("d"), "interrupted"),
        (make_step("e"), "failed"),
    )
    changed = Change("redefined", ("prompt",))
    found = converged(run, changes={"a": changed, "d": changed, "e": changed})
    assert found.revision == {
        "a": "definition changed: prompt",
        "b": "a runs again",
        "c": "b runs again",
        "d": "definition changed: prompt",
        "e": "definition changed: prompt",
    }
    assert found.resume == found.retry == found.stays == {}


def test_a_running_step_that_was_redefined_is_named() -> None:
    run = run_of((make_step("a"), "running"), (make_step("b"), "running"))
    assert converged(run, changes={"a": Change("redefined", ("command",))}).stop == ("a",)


def test_a_changed_key_runs_again_and_an_unchanged_one_stays() -> None:
    run = run_of(
        (make_step("a", cache=True), "cached"),
        (make_step("b", cache=True), "succeeded"),
        (make_step("c", cache=True, needs=["a"]), "succeeded"),
        (make_step("d", needs=["b"]), "succeeded"),
        (make_step("e", needs=["a"]), "succeeded"),
    )
    found = converged(run, keys={"a": None, "b": "reads: src/b.py changed", "c": None})
    assert found.revision == {"b": "reads: src/b.py changed", "d": "b runs again"}
    assert set(found.stays) == {"a", "c", "e"}
    assert found.stays["a"] == "unchanged: cached at 1970-01-01 00:16:42 UTC"


def test_what_nobody_looked_up_is_looked_up_in_the_run_and_costs_nobody_behind_it() -> None:
    run = run_of(
        (make_step("lint", cache=True), "succeeded"),
        (make_step("expensive", needs=["lint"]), "succeeded"),
        (make_step("report", cache=True, needs=["expensive"]), "succeeded"),
        (make_step("after", needs=["expensive"]), "succeeded"),
    )
    found = converged(run)
    assert found.revision == {"lint": "looked up again", "report": "looked up again: expensive may run again"}
    assert found.ripple == {"expensive": ("lint",), "report": ("expensive",), "after": ("expensive",)}
    assert set(found.stays) == {"expensive", "after"}


def test_an_upstream_that_runs_again_makes_keys_unknown() -> None:
    run = run_of(
        (make_step("a"), "failed"),
        (make_step("b", cache=True, needs={"a": "finished"}), "succeeded"),
        (make_step("c", needs=["b"]), "succeeded"),
    )
    found = converged(run, keys={"b": None})
    assert found.revision == {"b": "looked up again: a runs again"}
    assert found.ripple == {"c": ("b",)}


def test_what_ran_because_something_failed_is_looked_at_again() -> None:
    run = run_of((make_step("a"), "failed"), (make_step("mend", needs={"a": "failed"}), "succeeded"))
    assert converged(run).revision == {"mend": "a runs again"}


def test_skipped_steps_with_nothing_new_before_them_stay() -> None:
    run = run_of(
        (make_step("a"), "succeeded"),
        (make_step("static", skip="if: no", needs=["a"]), "own"),
        (make_step("dynamic", condition="agents.a.text", needs=["a"]), "own"),
        (make_step("b"), "failed"),
        (make_step("both", skip="if: no", needs=["b"]), "own"),
        (make_step("open", condition="agents.b.text", needs={"b": "finished"}), "own"),
        (make_step("last", needs={"open": "passed"}), "succeeded"),
    )
    found = converged(run)
    assert found.skipped == {"static": "if: no", "dynamic": "if: no", "both": "if: no"}
    assert found.revision == {"open": "b runs again"}
    assert found.ripple == {"last": ("open",)}


def test_new_steps_are_none_of_its_business() -> None:
    run = run_of((make_step("a"), "succeeded"))
    plan = make_plan([make_step("a"), make_step("new", needs=["a"])])
    found = reopen(run.state, plan, {"a": Change("same"), "new": Change("added")})
    assert set(found.stays) == {"a"}
    assert found.events() == ()


@pytest.mark.parametrize("how", ["succeeded", "failed", "skipped", "cancelled", "interrupted"])
def test_the_records_are_ones_that_the_fold_accepts(how: str) -> None:
    run = run_of((make_step("a"), "failed"), (make_step("b", needs={"a": "failed"}), how))
    found = converged(run)
    for event in found.events():
        apply(run.state, Record(run.state.seq + 1, 2000.0, 2000.0, event))
    opened = {**found.retry, **found.revision, **found.resume}
    assert set(opened) == {"a", "b"}
    assert statuses(run.state) == {"a": Status.QUEUED, "b": Status.PENDING}
    assert {step_id: known.reason for step_id, known in run.state.steps.items()} == opened


def statuses(state: RunState) -> dict[str, Status]:
    return {step_id: known.status for step_id, known in state.steps.items()}
