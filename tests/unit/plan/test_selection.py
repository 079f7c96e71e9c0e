from __future__ import annotations

import pytest

from teamflow.plan.selection import Selection
from tests.fakes.teams import errors_of, plan_of, step_of

TEAM = """
agents:
  plan: {command: "true"}
  build: {command: "true", matrix: [api, web], depends_on: [plan]}
  lint: {command: "true"}
  ship: {command: [echo, "{{ agents.plan.text }}"], depends_on: [build, lint]}
  later: {command: "true", depends_on: [ship]}
  late: {prompt: x, matrix: {t: agents.plan.outputs.t}}
  docs: {command: "true"}
  helper: {start: never, prompt: x}
""".replace('plan: {command: "true"}', 'plan: {command: "true", outputs: {t: array}}')


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), "plan build/api build/web lint ship later late/? docs"),
        (Selection(steps=("build",)), "plan build/api build/web"),
        (Selection(steps=("build/api",)), "plan build/api"),
        (Selection(steps=("build/api", "docs")), "plan build/api docs"),
        (Selection(until=("ship",)), "plan build/api build/web lint ship"),
        (Selection(since=("ship",)), "ship later"),
        (Selection(since=("build/web",)), "build/web ship later"),
        (Selection(since=("build",), until=("ship",)), "build/api build/web ship"),
        (Selection(steps=("late",)), "plan late/?"),
        (Selection(since=("plan",), steps=("ship",)), "plan build/api build/web ship"),
    ],
)
def test_what_is_selected(selection: Selection, expected: str) -> None:
    plan = plan_of(TEAM, selection=selection)
    assert sorted(step.id for step in plan.steps) == sorted(expected.split())
    assert plan.selected == (tuple(step.id for step in plan.steps) if selection else None)


def test_edges_to_what_was_left_out_are_taken_from_the_newest_run() -> None:
    plan = plan_of(TEAM, selection=Selection(since=("build/web",)))
    build, ship = step_of(plan, "build/web"), step_of(plan, "ship")
    assert build.edges == ()
    assert build.taken == ("plan",)
    assert build.refers == ()
    assert ship.dependencies == ("build/web",)
    assert ship.taken == ("build/api", "lint", "plan")
    assert ship.refers == ship.needs_text == ("plan",)
    assert [(step.id, step.level, step.height) for step in plan.steps] == [
        ("build/web", 0, 3),
        ("ship", 1, 2),
        ("later", 2, 1),
    ]
    assert plan.critical_path == ("build/web", "ship", "later")


@pytest.mark.parametrize(
    ("word", "message", "hint"),
    [
        ("buidl", 'there is no step or agent "buidl"', 'did you mean "build"?'),
        ("build/ap", 'there is no step or agent "build/ap"', 'did you mean "build/api"?'),
        ("helper", "helper never starts as a step (start: never)", "select who starts it"),
        (
            "zzz",
            'there is no step or agent "zzz"',
            "there are: plan, build, lint, ship, later, late, docs, build/api, …",
        ),
        ("late/-x", 'there is no step or agent "late/-x"', 'did you mean "late/?"?'),
    ],
)
def test_unknown_names(word: str, message: str, hint: str) -> None:
    found = errors_of(TEAM, selection=Selection(steps=(word,)))
    assert [(item.code, item.message, item.hint) for item in found] == [("unknown-step", message, hint)]


def test_all_unknown_names_are_told_at_once() -> None:
    selection = Selection(steps=("x1", "docs"), since=("x2",), until=("x3",))
    assert [item.code for item in errors_of(TEAM, selection=selection)] == ["unknown-step"] * 3


def test_nothing_left_is_an_error() -> None:
    found = errors_of(TEAM, selection=Selection(since=("ship",), until=("docs",)))
    assert [item.code for item in found] == ["nothing-selected"]
