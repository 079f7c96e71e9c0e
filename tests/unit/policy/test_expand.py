"""Expanding a step: limits that ask, what cannot be added, whose turn it is, and how many failures are enough."""

from __future__ import annotations

import pytest

from teamflow.core.events import (
    AttemptStarted,
    Now,
    QuestionAnswered,
    QuestionAsked,
    Record,
    Reopened,
    RunEnded,
    RunnerStarted,
    StepEnded,
)
from teamflow.core.fold import apply
from teamflow.core.outcome import FailureClass
from teamflow.core.plan import Json
from teamflow.core.requested import CancelRequested
from teamflow.core.status import Status
from teamflow.plan.selection import Selection
from teamflow.policy.decide import decide
from tests.fakes.story import Story
from tests.fakes.teams import plan_of

TEAM = """
limits: {max_steps: 3}
agents:
  plan: {command: p, outputs: {tasks: {}}}
  build: {command: b, matrix: agents.plan.outputs.tasks}
  test: {command: t, matrix: build}
  end: {command: e, depends_on: [test]}
"""


# -- limits.max_steps -----------------------------------------------------------------------------------------------


def test_over_max_steps_somebody_is_asked_and_nothing_is_cut() -> None:
    story = Story(TEAM)
    story.end("plan", ["a", "b"])
    assert story.added == ["build/?"]
    [question] = [event for event in story.events if isinstance(event, QuestionAsked)]
    assert question == QuestionAsked(
        "test/?",
        "budget",
        "test/? would add 2 steps to the 2 that were added before, and limits.max_steps is 3. Add them?",
        ("go on", "stop"),
    )
    assert story.status("test/?") == "waiting"
    story.end("build/a")
    assert story.status("build/b") == "running", "other branches go on"
    story.end("build/b")
    assert story.state.ended is None
    story.tell(QuestionAnswered(1, "go on", "ana"))
    assert story.added == ["build/?", "test/?"]
    for name in ("test/a", "test/b", "end"):
        story.end(name)
    assert story.state.ended == RunEnded("succeeded", "ok", {})


def test_lists_that_are_found_at_once_count_together() -> None:
    story = Story(TEAM + "  more: {command: m, matrix: agents.plan.outputs.tasks}\n")
    story.end("plan", ["a", "b"])
    assert story.added == ["build/?"]
    assert [text.partition(",")[0] for text in story.asked] == [
        "test/? would add 2 steps to the 2 that were added before",
        "more/? would add 2 steps to the 2 that were added before",
    ]


def test_stop_is_an_answer_too() -> None:
    story = Story(TEAM)
    story.end("plan", ["a", "b", "c", "d"])
    story.tell(QuestionAnswered(1, "stop", "ana", "far too many"))
    assert (story.status("build/?"), story.status("test/?"), story.status("end")) == ("failed", "skipped", "skipped")
    assert story.reason("build/?") == "stopped by ana: far too many"
    assert story.state.ended is not None
    assert story.state.ended.exit_reason == "step_failed"


def test_who_may_ask_nobody_stops_with_exit_4() -> None:
    story = Story(TEAM, no_input=True)
    story.end("plan", ["a", "b", "c", "d"])
    ended = story.state.ended
    assert ended is not None
    assert (ended.status, ended.exit_reason) == ("limited", "limit")
    assert story.status("end") == "pending"
    assert story.status("build/?") == "waiting"


def test_yes_confirms_beforehand() -> None:
    story = Story(TEAM, yes=True, no_input=True)
    story.end("plan", ["a", "b", "c", "d"])
    assert story.added == ["build/?", "test/?"]
    assert story.asked == []


MORE = """
  other: {command: o, outputs: {tasks: {}}}
  each: {command: c, matrix: agents.other.outputs.tasks}
"""


def test_a_question_stands_as_long_as_it_would_be_asked() -> None:
    story = Story(TEAM + MORE)
    story.end("plan", ["a", "b", "c", "d"])
    # Another runner, and steps that something else adds, change nothing about it.
    assert story.tell(RunnerStarted("boot", 2, 9, resumed=True)) == []
    story.end("other", ["a", "b"])
    assert (story.added, len(story.asked)) == (["each/?"], 1)
    # Another list does, once it is there: until then nobody knows whether it is another one.
    story.tell(Reopened(("plan",), "revision", {}))
    assert [question.open for question in story.state.questions] == [True]
    story.end("plan", ["a", "b", "c", "d", "e"])
    assert story.asked[1].startswith("build/? would add 5 steps to the 2")
    assert [question.open for question in story.state.questions] == [False, True]
    # Somebody has confirmed it beforehand.
    story.tell(RunnerStarted("boot", 3, 9, resumed=True, yes=True))
    assert story.added == ["each/?", "build/?", "test/?"]
    assert story.state.unanswered == {}


def test_an_answer_is_for_so_many_steps_and_for_no_others() -> None:
    story = Story(TEAM.replace("  test: {command: t, matrix: build}\n", "").replace("[test]", "[build]"))
    story.end("plan", ["a", "b", "c", "d"])
    story.tell(QuestionAnswered(1, "go on", "ana"))
    assert story.added == ["build/?"]
    # The list is found again: fewer, or others of which none is new, need no answer; other ones do.
    for listed, asked in ((["a", "b"], 1), (["a", "b", "c"], 1), (["e", "f", "g", "h", "i"], 2)):
        story.state.steps["plan"].outputs = {"tasks": listed}
        story.tell(Reopened(("build/?",), "revision", {}))
        assert len(story.asked) == asked, listed
    assert story.asked[1].startswith("build/? would add 5 steps, and")


# -- what cannot be added ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ("text", "matrix.item must be a list, but agents.plan.outputs.tasks is a text"),
        (["a", "a"], "matrix.item holds a twice, so two steps would be one"),
        ([float("nan")], "an entry of matrix.item is no plain value"),
        (list(range(30_000)), "this matrix has 30000 instances; at most 20000 are planned"),
    ],
)
def test_what_is_no_list_of_different_things(listed: Json, told: str) -> None:
    story = Story(TEAM)
    story.end("plan", listed)
    assert story.status("build/?") == "failed"
    assert told in story.reason("build/?")
    assert story.state.steps["build/?"].failure is FailureClass.OUTPUT
    assert story.reason("test/?") == "build/? failed, so there is nothing to pair with"
    assert story.state.ended is not None


def test_two_steps_do_not_share_a_directory() -> None:
    story = Story(TEAM + "  build--x: {command: x}\n")
    story.end("plan", ["y", "X"])
    assert story.reason("build/?") == "build/X and build--x would share the directory name build--X"


def test_more_dependencies_than_a_plan_may_have() -> None:
    team = """
agents:
  plan: {command: p, outputs: {tasks: {}}}
  build: {command: b, matrix: agents.plan.outputs.tasks}
  cross: {command: t, matrix: agents.plan.outputs.tasks, depends_on: [build]}
"""
    story = Story(team)
    story.end("plan", list(range(1100)))
    for known in list(story.state.steps.values()):
        if known.step.agent == "build" and known.step.parent:
            known.status = Status.SUCCEEDED
    story.state.open = {name for name, k in story.state.steps.items() if k.status is not Status.SUCCEEDED}
    story.tell(Reopened(("cross/?",), "revision", {})) if story.status("cross/?") != "pending" else None
    apply(story.state, Record(story.state.seq + 1, 0.0, 0.0, CancelRequested((), "nobody")))
    story.state.steps["cross/?"].status = Status.QUEUED
    [event] = [e for e in decide(story.state, ["cross/?"], Now("boot", 1.0, 0.0)).events if isinstance(e, StepEnded)]
    assert event.status == "failed"
    assert "dependencies between steps; a plan has at most 1000000" in event.reason


def test_the_matrix_of_an_agent_whose_if_is_the_same_for_all_has_no_value_when_it_is_not_wanted() -> None:
    team = TEAM.replace("outputs.tasks}", "outputs.tasks.list, if: 'agents.plan.outputs.tasks != {}'}")
    story = Story(team)
    story.end("plan", {})
    assert (story.status("build/?"), story.reason("build/?")) == ("skipped", "if: agents.plan.outputs.tasks != {}")
    assert story.state.steps["build/?"].own_skip
    assert story.status("end") == "skipped"


def test_selected_instances_must_be_there() -> None:
    story = Story(plan_of(TEAM, selection=Selection(steps=("build/b", "build/nope"))))
    story.end("plan", ["a", "b"])
    assert story.reason("build/?") == "there is no build/nope: there are build/a, build/b"
    empty = Story(plan_of(TEAM, selection=Selection(steps=("build/b",))))
    empty.end("plan", [])
    assert empty.reason("build/?") == "there is no build/b: there are no instances"


# -- whose turn it is -----------------------------------------------------------------------------------------------


def test_pairs_are_known_as_soon_as_what_they_pair_with_is() -> None:
    story = Story(TEAM.replace("matrix: build}", "matrix: build, depends_on: [slow]}") + "  slow: {command: s}\n")
    story.end("plan", ["a"])
    assert story.added == ["build/?", "test/?"]
    assert story.status("test/a") == "pending"
    story.end("slow", failure=FailureClass.FATAL)
    assert story.reason("test/a") == "", "it waits for build/a as well"
    story.end("build/a")
    assert story.reason("test/a") == "slow failed"


def test_pairs_with_what_was_skipped_are_skipped_whatever_they_ask_for() -> None:
    story = Story(TEAM.replace("matrix: build}", "matrix: build, depends_on: {build: finished}}"))
    story.end("plan", failure=FailureClass.FATAL)
    assert story.reason("build/?") == "plan failed"
    assert story.reason("test/?") == "build/? skipped, so there is nothing to pair with"
    assert story.state.ended is not None


# -- max_failures ---------------------------------------------------------------------------------------------------

FAILING = """
agents:
  plan: {command: p, outputs: {tasks: {}}}
  build: {command: b, matrix: agents.plan.outputs.tasks, max_failures: 2, retry: {attempts: 2, delay: 4m}}
"""


def failing(parallel: int = 2) -> Story:
    story = Story(FAILING, parallel=parallel)
    story.end("plan", ["a", "b", "c", "d", "e"])
    return story


def test_after_so_many_failures_no_other_one_starts_and_what_has_begun_goes_on() -> None:
    story = failing(parallel=3)
    story.end("build/c", failure=FailureClass.EXIT)  # tried again in a while
    story.end("build/a", failure=FailureClass.FATAL)
    assert story.status("build/e") == "running"
    story.end("build/b", failure=FailureClass.FATAL)
    assert [story.status(f"build/{name}") for name in "abcde"] == ["failed", "failed", "queued", "running", "running"]
    story.end("build/d")
    story.end("build/e", failure=FailureClass.EXIT)
    assert [story.status(f"build/{name}") for name in "ce"] == ["queued", "queued"], "begun is begun"


def test_those_that_never_began_are_cancelled_with_the_reason() -> None:
    story = failing(parallel=1)
    story.end("build/a", failure=FailureClass.FATAL)
    story.end("build/b", failure=FailureClass.FATAL)
    assert [story.status(f"build/{name}") for name in "cde"] == ["cancelled"] * 3
    assert story.reason("build/c") == "max_failures of 2 reached: build/a, build/b failed"
    ended = story.state.ended
    assert ended is not None
    assert ended.status == "failed"
    # Opened again together, the failures of before do not count; new ones do.
    story.tell(RunnerStarted("boot", 2, 1, resumed=True))
    story.tell(Reopened(tuple(f"build/{name}" for name in "abcde"), "retry", {}))
    story.end("build/a", failure=FailureClass.FATAL)
    assert story.status("build/b") == "running"
    story.end("build/b", failure=FailureClass.FATAL)
    assert [story.status(f"build/{name}") for name in "cde"] == ["cancelled"] * 3


def test_one_that_somebody_opens_again_runs_whatever_failed_before() -> None:
    story = failing(parallel=1)
    for name in "ab":
        story.end(f"build/{name}", failure=FailureClass.FATAL)
    story.tell(RunnerStarted("boot", 2, 1, resumed=True))
    decided = story.tell(Reopened(("build/d",), "retry", {"build/d": "ana wants it"}))
    assert decided == [AttemptStarted("build/d", 1, "first", None, "")]


def test_a_matrix_that_has_no_value_is_no_failed_instance() -> None:
    story = Story(FAILING.replace("max_failures: 2", "max_failures: 1"))
    story.end("plan", "text")
    assert story.status("build/?") == "failed"
    story.state.steps["plan"].outputs = {"tasks": ["a"]}
    story.tell(RunnerStarted("boot", 2, 1, resumed=True))
    story.tell(Reopened(("build/?",), "retry", {}))
    assert story.status("build/a") == "running"
