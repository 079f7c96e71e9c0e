from __future__ import annotations

import pytest

from teamflow.plan.diff import Change, compare
from teamflow.plan.selection import Selection
from tests.fakes.teams import plan_of

TEAM = """
inputs: {x: {type: string, default: d}}
agents:
  plan: {command: x, outputs: {t: array}}
  build: {command: [make, "{{ matrix.item }}"], matrix: [api, web], depends_on: [plan]}
  ship: {command: y, depends_on: [build], if: inputs.x == 'd', timeout: 5m}
"""


def changes(old: str, new: str) -> dict[str, Change]:
    assert old in TEAM
    before, after = plan_of(TEAM, inputs={"x": "d"}), plan_of(TEAM.replace(old, new), inputs={"x": "d"})
    return {step_id: change for step_id, change in compare(before, after).items() if change.kind != "same"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("agents:", "# nothing\nagents:", {}),
        ("timeout: 5m", "timeout: 6m, retry: {attempts: 9}, continue_on_error: true", {}),
        ("command: y", "command: z", {"ship": Change("redefined", ("command",))}),
        ("command: y", "command: y, env: {A: '1'}, verify: t", {"ship": Change("redefined", ("env", "verify"))}),
        ("inputs.x == 'd'", "inputs.x == 'e'", {"ship": Change("redefined", ("if",))}),
        ("[build]", "{build: finished}", {"ship": Change("redefined", ("depends_on",))}),
        ("[build]", "[build, plan]", {"ship": Change("redefined", ("depends_on",))}),
        (
            "[api, web]",
            "[api, app]",
            {
                "build/app": Change("added"),
                "build/web": Change("removed"),
                "ship": Change("redefined", ("depends_on",)),
            },
        ),
        (", depends_on: [plan]", "", {f"build/{i}": Change("redefined", ("depends_on",)) for i in ("api", "web")}),
        (
            "make,",
            '"{{ agents.plan.text }}",',
            {f"build/{i}": Change("redefined", ("command",)) for i in ("api", "web")},
        ),
    ],
)
def test_what_became_of_each_step(old: str, new: str, expected: dict[str, Change]) -> None:
    assert changes(old, new) == expected


def test_a_dependency_outside_the_selection_is_still_one() -> None:
    inputs = {"x": "d"}
    whole = plan_of(TEAM, inputs=inputs)
    part = plan_of(TEAM, inputs=inputs, selection=Selection(since=("ship",)))
    assert compare(whole, part)["ship"] == Change("same")
    assert compare(part, whole)["ship"] == Change("same")


def test_reasons() -> None:
    assert Change("redefined", ("prompt", "model")).reason == "definition changed: prompt, model"
    assert Change("added").reason == "added"


def test_steps_that_were_not_selected_for_a_while_are_not_new() -> None:
    inputs = {"x": "d"}
    whole = plan_of(TEAM, inputs=inputs)
    part = plan_of(TEAM, inputs=inputs, selection=Selection(steps=("plan",)))
    changed = plan_of(TEAM.replace("make", "cmake"), inputs=inputs)
    assert compare(part, whole)["ship"] == Change("added")
    assert compare(part, whole, older=[whole])["ship"] == Change("same")
    assert compare(part, changed, older=[whole])["build/api"] == Change("redefined", ("command",))
