from __future__ import annotations

import pytest

from teamflow.core.events import Hit, Record, ResultsTaken, StepsAdded
from teamflow.core.fold import apply
from teamflow.core.plan import Json
from teamflow.plan.selection import Selection
from teamflow.policy.context import step_context, team_context
from teamflow.team.template import TemplateError, render
from tests.fakes.runs import Run
from tests.fakes.teams import plan_of, step_of

TEAM = """
inputs: {s: array}
agents:
  build: {command: x, matrix: {i: inputs.s}}
  after: {command: [echo, "{{ agents.build.instances }}"]}
"""


def test_an_agent_without_instances_has_an_empty_map_of_them() -> None:
    run = Run(plan_of(TEAM, inputs={"s": []}))
    context = step_context(run.state, step_of(run.plan, "after"), run={})
    assert render("{{ agents.build.instances }}", context) == {}
    assert render("{{ agents.build.instances }}", team_context(run.state, run={})) == {}


def test_instances_are_seen_by_their_names() -> None:
    run = Run(plan_of(TEAM, inputs={"s": ["a", "b"]}))
    run.end("build/a", "succeeded")
    run.end("build/b", "succeeded")
    context = step_context(run.state, step_of(run.plan, "after"), run={})
    assert render("{{ agents.build.instances.b.text }}", context) == "text"


LATE = """
agents:
  plan: {command: p, outputs: {tasks: array}}
  build: {command: x, matrix: agents.plan.outputs.tasks, outputs: {n: integer}}
  pair: {command: [echo, "{{ agents.build.text }}"], matrix: build}
  after: {command: [echo, "{{ agents.build.instances }}"]}
  never: {command: [echo, "{{ agents.plan.text }}"], depends_on: [build]}
"""


def late(*names: str) -> Run:
    run = Run(plan_of(LATE))
    run.end("plan", "succeeded")
    for agent in ("build", "pair"):
        added = StepsAdded(f"{agent}/?", {f"{agent}/{name}": {"item": name} for name in names})
        apply(run.state, Record(run.state.seq + 1, 0.0, 0.0, added))
    return run


def of(run: Run, step_id: str) -> dict[str, Json]:
    return step_context(run.state, run.state.steps[step_id].step, run={})


def test_instances_that_a_run_has_added_come_in_the_order_of_their_list() -> None:
    run = late("z", "a", "m")
    for name in ("m", "a", "z"):
        run.end(f"build/{name}", "succeeded")
    context = of(run, "after")
    assert render("{{ agents.build.instances | join(' ') }}", context) == "z a m"
    assert render("{{ agents.build.instances.a.text }}", context) == "text"
    assert render("{{ agents.build.instances.m.matrix.item }}", context) == "m"
    with pytest.raises(TemplateError, match=r'agents\.build.instances has no key "b"; it has a, m, z'):
        render("{{ agents.build.instances.b.text }}", context)


def test_only_what_a_step_depends_on_is_there() -> None:
    run = late("a", "b")
    assert set(_keys(of(run, "build/a")["agents"])) == set(), "the list is none of its own business"
    assert set(_keys(of(run, "build/?")["agents"])) == {"plan"}
    assert set(_keys(of(run, "never")["agents"])) == {"plan", "build"}


def test_who_is_paired_sees_its_own_as_the_agent() -> None:
    run = late("a", "b")
    run.end("build/a", "succeeded")
    context = of(run, "pair/a")
    assert render("{{ agents.build.text }} {{ agents.build.status }}", context) == "text succeeded"
    assert render("{{ agents.build.instances | join(' ') }}", context) == "a"
    assert context["matrix"] == {"item": "a"}


def test_an_empty_list_is_an_empty_map() -> None:
    run = late()
    assert render("{{ agents.build.instances }}", of(run, "after")) == {}
    assert render("{{ agents.build.instances }}", team_context(run.state, run={})) == {}


def test_results_of_another_run_come_with_its_list() -> None:
    plan = plan_of(LATE, selection=Selection(since=("after",)))
    run = Run(plan)
    hits = {f"build/{name}": Hit("k", "from run 1", f"text of {name}") for name in ("b", "a")}
    lists = {"build/?": {f"build/{name}": {"item": name} for name in ("b", "a")}}
    apply(run.state, Record(run.state.seq + 1, 0.0, 0.0, ResultsTaken(1, {**hits, "build/?": Hit("", "")}, lists)))
    context = of(run, "after")
    assert render("{{ agents.build.instances | join(' ') }}", context) == "b a"
    assert render("{{ agents.build.instances.a.text }}", context) == "text of a"
    assert render("{{ agents.build.instances.a.matrix }}", context) == {"item": "a"}
    assert [step.id for step in run.state.plan.steps] == ["after"]


def _keys(value: Json) -> list[str]:
    assert isinstance(value, dict)
    return list(value)
