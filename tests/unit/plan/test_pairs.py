"""`matrix: other_agent`, and what the plan says of a matrix that only a run can tell."""

from __future__ import annotations

import pytest

from teamflow.core.plan import Deferred, Edge, Expansion
from teamflow.plan.explain import preview
from teamflow.plan.selection import Selection
from teamflow.plan.stored import plan_from_json, plan_from_plain, plan_to_json, plan_to_plain
from tests.fakes.teams import errors_of, plan_of, step_of, try_plan

PAIRS = """
inputs: {svc: {type: array, default: [api, web]}}
agents:
  lint: {command: l}
  build: {command: [b, "{{ matrix.svc }}"], matrix: {svc: inputs.svc}}
  test:
    matrix: build
    depends_on: [lint]
    command: [t, "{{ matrix.svc }}", "{{ agents.build.text }}", "{{ agents.build.outputs.x }}"]
  deploy: {matrix: test, depends_on: {test: finished}, command: [d, "{{ step.id }}"]}
  all: {command: [a, "{{ agents.deploy.instances }}"]}
""".replace("matrix: {svc: inputs.svc}", "matrix: {svc: inputs.svc}, outputs: {x: string}")
SVC = {"svc": ["api", "web"]}


def test_each_has_one_for_each_and_waits_only_for_its_own() -> None:
    plan = plan_of(PAIRS, inputs=SVC)
    assert [step.id for step in plan.steps] == [
        "lint", "build/api", "build/web", "test/api", "test/web", "deploy/api", "deploy/web", "all",
    ]  # fmt: skip
    test = step_of(plan, "test/web")
    why = "matrix: build, agents.build.text in command"
    assert test.edges == (Edge("lint", "succeeded", "depends_on"), Edge("build/web", "succeeded", why))
    assert test.refers == test.needs_text == ("build/web",)
    assert test.matrix == {"svc": "web"}
    assert test.command is not None
    assert test.command.argv[:2] == ("t", "web")
    assert test.command.argv[2] == Deferred("{{ agents.build.text }}")
    assert step_of(plan, "deploy/api").edges == (Edge("test/api", "finished", "depends_on, matrix: test"),)
    assert step_of(plan, "deploy/api").matrix == {"svc": "api"}, "through the chain"
    assert step_of(plan, "all").dependencies == ("deploy/api", "deploy/web")
    assert [step_of(plan, name).level for name in ("build/api", "test/api", "deploy/api", "all")] == [0, 1, 2, 3]
    assert plan.critical_path == ("lint", "test/api", "deploy/api", "all")
    assert plan_from_json(plan_to_json(plan)) == plan_from_plain(plan_to_plain(plan)) == plan


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(steps=("test/api",)), "lint build/api test/api"),
        (Selection(steps=("deploy/web",)), "lint build/web test/web deploy/web"),
        (Selection(since=("build/web",)), "build/web test/web deploy/web all"),
        (Selection(since=("build/web",), until=("deploy",)), "build/web test/web deploy/web"),
        (Selection(until=("deploy/api",), since=("test",)), "test/api deploy/api"),
        (Selection(steps=("build/api", "test/web")), "lint build/api build/web test/web"),
        (Selection(since=("lint",), steps=("test/api",)), "lint test/api"),
    ],
)
def test_a_selected_instance_takes_its_own_along(selection: Selection, expected: str) -> None:
    plan = plan_of(PAIRS, inputs=SVC, selection=selection)
    assert sorted(step.id for step in plan.steps) == sorted(expected.split())


def test_what_a_selection_leaves_out_is_taken_of_its_own_only() -> None:
    plan = plan_of(PAIRS, inputs=SVC, selection=Selection(since=("test/web",)))
    test = step_of(plan, "test/web")
    assert test.edges == ()
    assert test.taken == ("lint", "build/web")
    assert test.refers == ("build/web",)


def test_who_names_all_instances_depends_on_all() -> None:
    plan = plan_of("""
agents:
  build: {command: b, matrix: [a, b]}
  test: {command: [t, "{{ agents.build.instances | length }}", "{{ agents.build.text }}"], matrix: build}
""")
    assert step_of(plan, "test/a").dependencies == step_of(plan, "test/b").dependencies == ("build/a", "build/b")


def test_pairs_with_nothing_have_no_steps_and_are_told_once() -> None:
    plan, found = try_plan(PAIRS, inputs={"svc": []})
    assert plan is not None
    assert [step.id for step in plan.steps] == ["lint", "all"]
    assert plan.empty == ("build", "test", "deploy")
    assert [item.message for item in found] == ["the matrix of build is empty, so it has no steps"]


def test_many_pairs_are_not_many_times_many_edges() -> None:
    plan = plan_of("""
agents:
  build: {command: b, matrix: range(2000)}
  test: {command: t, matrix: build}
  deploy: {command: d, matrix: test}
""")
    assert sum(len(step.edges) for step in plan.steps) == 4000


@pytest.mark.parametrize(
    ("agents", "codes"),
    [
        ("a: {command: x, matrix: b}\n  b: {command: x, matrix: a}", ["cycle"]),
        ("a: {command: x, matrix: b}\n  b: {command: x, matrix: c}\n  c: {command: x, matrix: a}", ["cycle"]),
        ("a: {command: x, matrix: b}\n  b: {command: x, matrix: [1], depends_on: [a]}", ["cycle"]),
        ("a: {command: x, matrix: b}\n  b: {command: x, matrix: [1, 1]}", ["duplicate-instance"]),
    ],
)
def test_what_pairs_in_a_circle_is_an_error(agents: str, codes: list[str]) -> None:
    assert [item.code for item in errors_of(f"agents:\n  {agents}\n")] == codes


LATE = """
agents:
  plan: {command: p, outputs: {tasks: {type: array, maxItems: 5}, go: boolean}}
  lint: {command: l, outputs: {words: array}}
  build:
    matrix: {task: agents.plan.outputs.tasks, os: [linux, mac]}
    command: [b, "{{ matrix.task }}"]
    if: agents.plan.outputs.go
    workdir: "{{ matrix.os }}"
    reads: ["{{ matrix.os }}/**"]
    writes: ["out/{{ step.slug }}"]
  test: {matrix: build, command: [t, "{{ agents.lint.outputs.words }}"], if: matrix.os == 'linux'}
  free: {matrix: agents.lint.outputs.words, command: [f, "{{ agents.lint.text }}"], depends_on: [plan]}
"""


def test_what_the_run_has_to_find_out() -> None:
    plan = plan_of(LATE)
    assert [step.id for step in plan.steps] == ["plan", "lint", "build/?", "test/?", "free/?"]
    build, test, free = (step_of(plan, f"{name}/?") for name in ("build", "test", "free"))
    axes = (("task", "agents.plan.outputs.tasks"), ("os", ["linux", "mac"]))
    # `if` names plan as well: what an instance does depends on it.
    assert build.expansion == Expansion(axes, condition="agents.plan.outputs.go", most=10)
    assert test.expansion == Expansion(pairs_with="build/?", most=10)
    assert free.expansion == Expansion((("item", "agents.lint.outputs.words"),))
    assert build.workdir == Deferred("{{ matrix.os }}")
    assert build.reads == (Deferred("{{ matrix.os }}/**"),)
    assert build.writes == (Deferred("out/{{ step.slug }}"),)
    assert build.deferred
    assert test.condition == "matrix.os == 'linux'"
    assert plan_from_json(plan_to_json(plan)) == plan_from_plain(plan_to_plain(plan)) == plan


def test_the_most_steps_that_there_can_be() -> None:
    assert preview(plan_of(LATE)).most_steps is None, "lint may say any number of words"
    bounded = LATE.replace("{words: array}", "{words: {type: array, maxItems: 3}}")
    assert preview(plan_of(bounded)).most_steps == 2 + 10 + 10 + 3
    assert preview(plan_of("limits: {max_steps: 4}" + bounded)).most_steps == 2 + 4
    assert preview(plan_of("limits: {max_steps: 400}" + bounded)).most_steps == 2 + 23
    one = preview(plan_of(bounded, selection=Selection(steps=("test/x,linux",))))
    assert one.most_steps == 2 + 2


@pytest.mark.parametrize(
    ("words", "steps", "only"),
    [
        (("build/x,mac",), "plan build/?", {"build": ("x,mac",)}),
        (("test/a,mac", "build/b,mac"), "plan lint build/? test/?", {"build": ("a,mac", "b,mac"), "test": ("a,mac",)}),
        (("test/a,mac", "build"), "plan lint build/? test/?", {"build": None, "test": ("a,mac",)}),
        (("free/x",), "plan lint free/?", {"free": ("x",)}),
    ],
)
def test_an_instance_that_only_the_run_will_know_can_be_selected(
    words: tuple[str, ...], steps: str, only: dict[str, tuple[str, ...] | None]
) -> None:
    plan = plan_of(LATE, selection=Selection(steps=words))
    assert sorted(step.id for step in plan.steps) == sorted(steps.split())
    assert {step.agent: step.expansion.only for step in plan.steps if step.expansion is not None} == only


def test_what_follows_such_an_instance() -> None:
    plan = plan_of(LATE, selection=Selection(since=("build/x,mac",)))
    assert {step.id: step.expansion.only for step in plan.steps if step.expansion} == {
        "build/?": ("x,mac",), "test/?": ("x,mac",),
    }  # fmt: skip
    assert step_of(plan, "build/?").taken == ("plan",)


@pytest.mark.parametrize(
    "workdir", ["{{ agents.plan.text }}", "{{ matrix.task }}/{{ agents.plan.text }}", "{{ step.attempt }}"]
)
def test_a_workdir_waits_for_the_instance_and_for_nothing_else(workdir: str) -> None:
    team = f"""
agents:
  plan: {{command: p, outputs: {{tasks: array}}}}
  build: {{command: b, matrix: {{task: agents.plan.outputs.tasks}}, workdir: "{workdir}"}}
"""
    [found] = errors_of(team)
    assert found.code == "template-failed"
    assert "has to be known before the run" in found.message
