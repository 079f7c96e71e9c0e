"""Loops in a plan: which steps they may open again, what they may not rework, what a changed one redefines."""

from __future__ import annotations

import pytest

from teamflow.core.events import AttemptEnded, AttemptStarted, Event, Reopened
from teamflow.core.outcome import Succeeded
from teamflow.core.plan import Loop
from teamflow.plan.checked import check_graph
from teamflow.plan.converge import reopen
from teamflow.plan.diff import Change, compare
from tests.fakes.plans import make_step
from tests.fakes.runs import Run, run_of
from tests.fakes.teams import errors_of, load_team, plan_of, step_of

CHAIN = """
agents:
  spec: {command: x}
  build: {command: x, depends_on: [spec], matrix: [a, b]}
  beside: {command: x, depends_on: [build]}
  test: {command: x, depends_on: [build]}
  review:
    command: x
    depends_on: [test]
    outputs: {ok: boolean}
    loop: {until: outputs.ok, max: 3, rework: build}
  ship: {command: x, depends_on: [review, beside]}
"""


def test_what_a_loop_may_open_again_is_marked_and_its_words_are_kept() -> None:
    plan = plan_of(CHAIN)
    assert [step.id for step in plan.steps if step.reworked] == ["build/a", "build/b", "test"]
    assert [step.id for step in plan.steps if step.text_used] == ["review"], "its text is feedback"
    assert step_of(plan, "review").loop == Loop("outputs.ok", 3, "build")


def test_a_loop_step_within_the_span_of_another_is_marked_too() -> None:
    plan = plan_of("""
agents:
  a: {command: x}
  b: {command: x, depends_on: [a], outputs: {ok: boolean}, loop: {until: outputs.ok, max: 2, rework: a}}
  c: {command: x, depends_on: [b], outputs: {ok: boolean}, loop: {until: outputs.ok, max: 2, rework: a}}
""")
    assert [step.id for step in plan.steps if step.reworked] == ["a", "b"]


@pytest.mark.parametrize(
    ("team", "message"),
    [
        (CHAIN.replace("rework: build", "rework: beside"), "review does not depend on beside"),
        (CHAIN.replace("rework: build", "rework: ship"), "review does not depend on ship"),
        (
            "defaults: {loop: {until: text == '', max: 2, rework: a}}\nagents:\n  a: {command: x}\n",
            "a cannot rework itself",
        ),
    ],
)
def test_what_a_loop_reworks_comes_before_it(team: str, message: str) -> None:
    found = errors_of(team)
    assert [item.code for item in found] == ["rework-not-before"]
    assert found[0].message.startswith(message)
    assert [item.code for item in check_graph(load_team(team))] == ["rework-not-before"], "validate says it as well"


def test_a_question_inherits_no_loop_and_no_verify_that_it_does_not_have() -> None:
    plan = plan_of("""
defaults: {loop: {until: text == '', max: 2, rework: a}, skip_if_verified: true}
agents:
  a: {ask: Go?}
  b: {command: x, depends_on: [a], verify: [y]}
  c: {command: x, depends_on: [a]}
""")
    assert step_of(plan, "a").loop is None
    assert [step.id for step in plan.steps if step.skip_if_verified] == ["b"]


def test_a_changed_loop_redefines_its_step_and_no_other() -> None:
    for other in (CHAIN.replace("max: 3", "max: 4"), CHAIN.replace("until: outputs.ok", "until: not outputs.ok")):
        changes = compare(plan_of(CHAIN), plan_of(other))
        assert {name: change.aspects for name, change in changes.items() if change.aspects} == {"review": ("loop",)}


# -- a run that goes on in the middle of a round -----------------------------------------------------------------


def in_round_two(*, cache: bool = False) -> Run:
    """`build` has been reworked, `test` is to look at it, `review` has asked for it."""
    loop = Loop("outputs.ok", 3, "build")
    run = run_of(
        (make_step("prep", cache=cache), "succeeded"),
        (make_step("build", needs=["prep"], cache=cache, reworked=True), "succeeded"),
        (make_step("test", needs=["build"], reworked=True), "succeeded"),
        (make_step("review", needs=["test"], loop=loop), "running"),
    )
    rejects = AttemptEnded("review", 1, Succeeded("no", {"ok": False}))
    again = Reopened(("build", "test", "review"), "rework", {}, by="review")
    run.record(rejects, again)
    if cache:
        run.admit("build")
    run.record(AttemptStarted("build", 2, "rework", 1))
    run.record(AttemptEnded("build", 2, Succeeded("better")))
    run.end_step("build")
    return run


def test_what_was_done_in_the_round_that_goes_on_stays_even_with_a_key() -> None:
    found = reopen(in_round_two().state, in_round_two().plan, {})
    assert found.retry == found.revision == found.resume == found.ripple == {}
    run = in_round_two(cache=True)
    found = reopen(run.state, run.plan, {})
    assert found.revision == {"prep": "looked up again"}
    assert set(found.stays) == {"build"}
    assert found.ripple["build"] == ("prep",), "unless what it rests on really runs again"


def test_a_redefined_step_forgets_what_it_was_asked_for() -> None:
    run = in_round_two()
    converged = reopen(run.state, run.plan, {"build": Change("redefined", ("prompt",))})
    run.record(*converged.events())
    assert run.state.steps["build"].feedback is None
    assert run.state.steps["test"].feedback is not None
    assert run.state.steps["review"].round == 2


def test_a_failed_rework_that_is_tried_again_is_told_the_same() -> None:
    run = in_round_two()
    run.record(AttemptStarted("test", 2, "rework", 1))
    run.fail("test", 2)
    before = run.state.steps["test"].feedback
    events: tuple[Event, ...] = reopen(run.state, run.plan, {}).events()
    run.record(*events)
    assert before is not None
    assert run.state.steps["test"].feedback == before
    assert run.state.steps["review"].round == 1, "the loop starts over, with all its rounds"
