"""What people see of steps that a run adds: instances in the place of what stood for them."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from teamflow.core.events import (
    AttemptEnded,
    AttemptStarted,
    Event,
    QuestionAsked,
    Reopened,
    RunEnded,
    RunnerStarted,
    StepEnded,
    StepsAdded,
)
from teamflow.core.outcome import Succeeded
from teamflow.views.figures import counts
from teamflow.views.json import run_object
from teamflow.views.junit import junit_xml
from teamflow.views.live import live_table
from teamflow.views.plain import PlainPrinter
from teamflow.views.shown import shown_dependencies, shown_steps
from teamflow.views.summary import summary
from teamflow.views.text import status_text
from teamflow.views.waiting import wait_of
from teamflow.views.why import why
from tests.fakes.teams import plan_of
from tests.unit.views.stories import HEADER, later, told

PLAN = plan_of("""
agents:
  plan: {command: p, outputs: {tasks: array}}
  lint: {command: l}
  build: {command: b, matrix: agents.plan.outputs.tasks, workdir: "parts/{{ matrix.item }}"}
  test: {command: t, matrix: build, depends_on: [lint]}
""")
PLANNED: list[Event] = [
    RunnerStarted("boot", 1, 4),
    AttemptStarted("plan", 1, "first"),
    AttemptEnded("plan", 1, Succeeded()),
    StepEnded("plan", "succeeded", ""),
]
BUILD = StepsAdded("build/?", {"build/x": {"item": "x"}, "build/y": {"item": "y"}})
TEST = StepsAdded("test/?", {"test/x": {"item": "x"}, "test/y": {"item": "y"}})


def shown(*events: Event) -> list[str]:
    return [known.step.id for known in shown_steps(told(PLAN, [*PLANNED, *events])[0])]


def test_a_step_that_stands_for_others_is_there_until_they_are() -> None:
    assert shown() == ["plan", "lint", "build/?", "test/?"]
    assert shown(BUILD) == ["plan", "lint", "build/x", "build/y", "test/?"]
    assert shown(BUILD, TEST) == ["plan", "lint", "build/x", "build/y", "test/x", "test/y"]
    again = Reopened(("build/?",), "revision", {"build/?": "plan runs again"})
    assert shown(BUILD, TEST, again) == [
        "plan", "lint", "build/?", "build/x", "build/y", "test/x", "test/y",
    ]  # fmt: skip
    assert shown(StepsAdded("build/?", {})) == ["plan", "lint", "build/?", "test/?"]


def test_dependencies_are_those_that_a_plan_would_have() -> None:
    state, _ = told(PLAN, [*PLANNED, BUILD, TEST])
    seen = {known.step.id: shown_dependencies(state, known.step) for known in shown_steps(state)}
    assert seen == {
        "plan": [], "lint": [], "build/x": ["plan"], "build/y": ["plan"],
        "test/x": ["lint", "build/x"], "test/y": ["lint", "build/y"],
    }  # fmt: skip


def test_every_screen_agrees() -> None:
    state, log = told(PLAN, [*PLANNED, BUILD, TEST])
    now = later(log)
    ids = ["plan", "lint", "build/x", "build/y", "test/x", "test/y"]
    shown = run_object(state, HEADER, now)["steps"]
    assert isinstance(shown, list)
    objects = [step for step in shown if isinstance(step, dict)]
    assert [step["id"] for step in objects] == ids
    assert {step["parent"] for step in objects} == {None}
    assert objects[2]["workspace"] == "/project/parts/x"
    assert sum(counts(state).values()) == 6
    assert "6 steps: 2 pending, 3 queued, 1 succeeded" in status_text(state, HEADER, now)
    table = live_table(state, HEADER, now, lines=4)
    assert (len(table.rows), table.left_out) == (4, 2)
    assert [case.get("name") for case in ET.fromstring(junit_xml(state, HEADER, now)).iter("testcase")] == ids
    assert "build/?" not in "\n".join(summary(state, HEADER, now))


def test_what_it_waits_for() -> None:
    state, log = told(PLAN, PLANNED[:2])
    now = later(log)
    assert why(state, "build/?", log, now) == "build/?: pending: waits for plan (running)"
    assert why(state, "test/?", log, now) == "test/?: pending: waits for build/? (pending)", (
        "lint is for each of its own"
    )
    state, log = told(PLAN, PLANNED)
    wait = wait_of(state, state.steps["build/?"], later(log))
    assert wait is not None
    assert (wait.what, wait.detail) == ("expansion", "its instances are found next")
    text = "build/? would add 9 steps, and limits.max_steps is 3. Add them?"
    state, log = told(PLAN, [*PLANNED, QuestionAsked("build/?", "budget", text, ("go on", "stop"))])
    assert text in why(state, "build/?", log, later(log))
    assert text in "\n".join(summary(state, HEADER, later(log)))


def test_before_it_is_known_a_directory_is_shown_as_it_is_written() -> None:
    state, log = told(PLAN, PLANNED)
    shown = run_object(state, HEADER, later(log))["steps"]
    assert isinstance(shown, list)
    places = {step["id"]: step["workspace"] for step in shown if isinstance(step, dict)}
    assert places["build/?"] == "/project/parts/{{ matrix.item }}"


def test_lines_of_what_was_added() -> None:
    empty = StepsAdded("build/?", {})
    many = StepsAdded("build/?", {f"build/{number}": {} for number in range(9)})
    for added, line in (
        (BUILD, "build/?: 2 instances: build/x, build/y"),
        (many, "build/?: 9 instances: build/0, build/1, build/2, build/3, build/4 and 4 more"),
        (empty, "build/?: its matrix is empty, so it has no instances"),
    ):
        state, log = told(PLAN, [*PLANNED, added])
        assert PlainPrinter(HEADER).records(log, state)[-1] == line
        assert PlainPrinter(HEADER).records(log, state)[0] == "run 12 of ship starts: 4 steps, at most 4 at once"
    state, log = told(PLAN, [*PLANNED, empty, StepsAdded("test/?", {}), RunEnded("failed", "step_failed", {})])
    assert "  empty    build/?, test/?: no instances" in summary(state, HEADER, later(log))
    assert why(state, "build/?", log, later(log)).endswith(": no instances")
