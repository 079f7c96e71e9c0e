"""The plan with what a run has added to it."""

from __future__ import annotations

from teamflow.core.added import effective, visible_edges
from teamflow.core.events import AttemptEnded, Event, Now, Record, Reopened, RunEnded, StepsAdded
from teamflow.core.fold import apply
from teamflow.core.outcome import Stopped
from teamflow.core.plan import APART, Edge, Plan, Step
from teamflow.core.status import Status
from teamflow.policy.decide import decide
from tests.fakes.runs import Run
from tests.fakes.teams import plan_of

PLAN = plan_of("""
agents:
  plan: {command: p, outputs: {tasks: array}}
  lint: {command: l}
  build: {command: [b, "{{ matrix.t }}"], matrix: {t: agents.plan.outputs.tasks}, depends_on: [lint]}
  test: {command: [t, "{{ agents.build.text }}"], matrix: build}
  deploy: {command: d, matrix: test, depends_on: {test: finished}}
  mend: {command: m, depends_on: {build: failed}}
  all: {command: [a, "{{ agents.build.instances }}"], depends_on: {test: passed}}
""")


def added(agent: str, *names: str) -> StepsAdded:
    return StepsAdded(f"{agent}/?", {f"{agent}/{name}": {"t": name} for name in names})


ALL = {each.parent: each for each in (added("build", "x", "y"), added("test", "x", "y"), added("deploy", "x", "y"))}


def edges(plan: Plan, step_id: str) -> list[tuple[str, str]]:
    return [(edge.on, edge.when) for edge in plan.by_id()[step_id].edges]


def test_nothing_added_is_the_plan_itself() -> None:
    assert effective(PLAN, {}) is PLAN


def test_instances_stand_behind_their_parent_and_for_it() -> None:
    plan = effective(PLAN, ALL)
    assert [step.id for step in plan.steps] == [
        "plan", "lint", "build/?", "build/x", "build/y", "test/?", "test/x", "test/y", "deploy/?", "deploy/x",
        "deploy/y", "mend", "all",
    ]  # fmt: skip
    assert edges(plan, "build/?") == [("lint", "succeeded"), ("plan", "succeeded")]
    assert edges(plan, "build/x") == [("build/?", "succeeded"), ("lint", "succeeded")], "only the matrix needs plan"
    assert edges(plan, "test/?") == [("build/?", "succeeded")], "it needs the list, not what becomes of it"
    assert edges(plan, "test/y") == [("test/?", "succeeded"), ("build/?", "succeeded"), ("build/y", "succeeded")]
    assert edges(plan, "deploy/x") == [("deploy/?", "succeeded"), ("test/?", "finished"), ("test/x", "finished")]
    assert edges(plan, "mend") == [("build/?", "finished"), ("build/x", "failed"), ("build/y", "failed")]
    assert edges(plan, "all") == [
        ("test/?", "passed"), ("test/x", "passed"), ("test/y", "passed"),
        ("build/?", "succeeded"), ("build/x", "succeeded"), ("build/y", "succeeded"),
    ]  # fmt: skip
    by_id = plan.by_id()
    assert by_id["test/y"].refers == by_id["test/y"].needs_text == ("build/?", "build/y")
    assert by_id["all"].refers == ("build/?", "build/x", "build/y")
    assert by_id["build/x"].refers == ()
    assert by_id["build/x"].matrix == {"t": "x"}
    assert by_id["build/x"].parent == "build/?"
    assert by_id["build/x"].expansion is None


def test_a_key_is_of_the_definition_the_name_and_the_values() -> None:
    one, other = effective(PLAN, ALL).by_id(), effective(PLAN, {"build/?": added("build", "x")}).by_id()
    assert one["build/x"].key == other["build/x"].key != one["build/y"].key
    changed = StepsAdded("build/?", {"build/x": {"t": "z"}})
    assert effective(PLAN, {"build/?": changed}).by_id()["build/x"].key != one["build/x"].key


def test_a_parent_without_instances_is_waited_for_itself() -> None:
    plan = effective(PLAN, {"build/?": StepsAdded("build/?", {})})
    assert edges(plan, "mend") == [("build/?", "failed")]
    assert edges(plan, "all")[-1] == ("build/?", "succeeded")


def test_a_part_of_what_was_added() -> None:
    build = PLAN.by_id()["build/?"]
    assert build.expansion is not None
    part = build._replace(expansion=build.expansion._replace(only=("y", "z")))
    plan = effective(PLAN._replace(steps=tuple(part if step is build else step for step in PLAN.steps)), ALL)
    assert [step.id for step in plan.steps if step.agent == "build"] == ["build/?", "build/y"]
    assert edges(plan, "test/x") == [("test/?", "succeeded"), ("build/?", "succeeded")]
    assert edges(plan, "mend") == [("build/?", "finished"), ("build/y", "failed")]


def test_of_parents_that_are_left_out_only_results_are_seen() -> None:
    left = [step for step in PLAN.steps if step.id == "all"]
    alone = left[0]._replace(edges=(), taken=("test/?", "build/?"))
    plan = effective(PLAN._replace(steps=(alone,)), ALL)
    assert plan.steps[0].edges == ()
    assert plan.steps[0].refers == ("build/?", "build/x", "build/y")
    assert plan.steps[0].taken == ("test/?", "test/x", "test/y", "build/?", "build/x", "build/y")


def test_edges_beyond_those_of_the_plan_hold_and_lead_nowhere_else() -> None:
    one = added("build", "x", "y")._replace(
        edges=(("build/y", "build/x", "both write a"), ("build/y", "gone", "no"), ("gone", "build/x", "no"))
    )
    plan = effective(PLAN, {"build/?": one})
    assert plan.by_id()["build/y"].edges[-1] == Edge("build/x", APART, "both write a")
    assert len(plan.by_id()["build/y"].edges) == 3
    run = Run(PLAN)
    for name in ("plan", "lint"):
        run.end(name, "succeeded")
    apply(run.state, Record(run.state.seq + 1, 0.0, 0.0, one))
    assert run.state.steps["build/x"].status is Status.QUEUED
    assert run.state.steps["build/y"].status is Status.PENDING
    run.end("build/x", "failed")
    assert run.state.steps["build/y"].status is Status.QUEUED, "it waits for the other to end, not for its success"


def test_what_is_kept_apart_counts_for_nothing_else() -> None:
    one = added("build", "x", "y")._replace(edges=(("build/y", "build/x", "both write a"),))
    step = effective(PLAN, {"build/?": one}).by_id()["build/y"]
    assert [edge.on for edge in step.edges] == ["build/?", "lint", "build/x"]
    assert [edge.on for edge in step.counted_edges] == ["build/?", "lint"]


def test_what_is_kept_apart_gives_way_to_what_the_file_says() -> None:
    one = added("build", "x", "y")._replace(edges=(("build/x", "late", "both write a"), ("build/y", "build/x", "b")))
    text = "agents: {plan: {command: p, outputs: {t: array}}, late: {command: x}, %s}"
    build = "build: {command: b, matrix: {t: agents.plan.outputs.t}}"
    before = effective(plan_of(text % build), {"build/?": one})
    assert edges(before, "build/x")[-1] == ("late", APART)
    # Now somebody has put it behind the other one.
    after = effective(plan_of(text.replace("command: x", "command: x, depends_on: [build]") % build), {"build/?": one})
    assert edges(after, "late") == [(name, "succeeded") for name in ("build/?", "build/x", "build/y")]
    assert edges(after, "build/x") == [("build/?", "succeeded")]
    assert edges(after, "build/y")[-1] == ("build/x", APART), "those that lead on stay"


def test_what_people_see_of_dependencies() -> None:
    steps: dict[str, Step] = effective(PLAN, ALL).by_id()
    hidden = {"build/?", "test/?", "deploy/?"}
    seen = {name: [edge.on for edge in visible_edges(step, steps, hidden)] for name, step in steps.items()}
    assert seen["build/x"] == ["lint", "plan"]
    assert seen["test/y"] == ["build/y"]
    assert seen["deploy/x"] == ["test/x"]
    assert seen["all"] == ["test/x", "test/y", "build/x", "build/y"]
    shown = [edge.on for edge in visible_edges(steps["build/x"], steps, {"test/?"})]
    assert shown == ["build/?", "lint"], "a parent that is to be expanded anew is there"


def test_a_step_that_is_no_longer_on_the_list_is_stopped_and_its_end_is_no_end_of_the_run() -> None:
    plan = plan_of(
        "agents: {plan: {command: p, outputs: {t: array}}, b: {command: x, matrix: agents.plan.outputs.t}}\n"
    )
    run = Run(plan)
    state = run.state
    run.end("plan", "succeeded")

    def record(event: Event) -> None:
        apply(state, Record(state.seq + 1, 1100.0, float(state.seq), event))

    record(StepsAdded("b/?", {"b/x": {}, "b/y": {}}))
    run.end("b/x", "running")
    run.end("b/y", "failed")
    record(Reopened(("b/?",), "revision", {}))
    record(StepsAdded("b/?", {"b/z": {}}))
    assert "b/y" in state.removed
    assert "b/y" not in state.steps
    now = Now("boot", 50.0, 1050.0)
    [stopping] = [e for e in decide(state, list(state.steps), now).events if getattr(e, "step", "") == "b/x"]
    record(stopping)
    record(AttemptEnded("b/x", 1, Stopped("cancel")))
    for event in decide(state, ["b/x"], now).events:
        record(event)
    run.end("b/z", "succeeded")
    [ended] = decide(state, [], now).events
    assert isinstance(ended, RunEnded)
    assert ended.status == "succeeded", "neither what was stopped nor what had failed is missed"
