"""Which hooks follow from which records, and what they are told."""

from __future__ import annotations

from collections.abc import Sequence

from teamflow.core.events import (
    AttemptStarted,
    Event,
    PlanRevised,
    QuestionAsked,
    Record,
    RunEnded,
    RunnerStarted,
    StepEnded,
)
from teamflow.core.fold import apply, initial
from teamflow.core.plan import Command
from teamflow.core.requested import CancelRequested, StopRequested
from teamflow.policy.hooks import TEXT_LIMIT, Announcer, Call, declared_calls, stops_all
from tests.fakes.plans import make_plan, make_step

NOTHING = {f"TEAMFLOW_{name}": "" for name in ("STATUS", "STEP", "AGENT", "ATTEMPT", "REASON", "QUESTION", "TEXT")}


def logged(*events: Event) -> list[Record]:
    return [Record(seq, 0.0, 0.0, event) for seq, event in enumerate(events, 1)]


def calls(records: Sequence[Record]) -> list[Call]:
    announcer = Announcer(12)
    return [call for record in records for call in announcer.calls(record)]


def test_what_each_record_leads_to() -> None:
    found = calls(
        logged(
            RunnerStarted("b", 1, 2),
            AttemptStarted("build/api", 1, "first"),
            AttemptStarted("build/api", 2, "retry"),
            StepEnded("build/api", "failed", "it is red"),
            StepEnded("b", "succeeded", ""),
            StepEnded("c", "skipped", "b"),
            QuestionAsked("d", "approval", "Ship\0 it?"),
            RunEnded("failed", "step_failed", {}, "1 failed"),
            RunEnded("waiting", "needs_person", {}, "1 waiting"),
            RunEnded("succeeded", "ok", {}),
        )
    )
    assert [(call.event, call.seq) for call in found] == [
        *(("after_step", 4), ("failed", 4), ("after_step", 5), ("succeeded", 5), ("after_step", 6), ("needs_user", 7)),
        *(("failed", 8), ("after_run", 8), ("after_run", 9), ("succeeded", 10), ("after_run", 10)),
    ]
    assert found[1].variables == {
        **NOTHING,
        "TEAMFLOW_STATUS": "failed",
        "TEAMFLOW_STEP": "build/api",
        "TEAMFLOW_AGENT": "build",
        "TEAMFLOW_ATTEMPT": "2",
        "TEAMFLOW_REASON": "it is red",
    }
    asked = {"TEAMFLOW_STEP": "d", "TEAMFLOW_AGENT": "d", "TEAMFLOW_QUESTION": "12.1", "TEAMFLOW_TEXT": "Ship� it?"}
    assert found[5].variables == {**NOTHING, **asked}
    assert found[6].variables == {**NOTHING, "TEAMFLOW_STATUS": "failed", "TEAMFLOW_REASON": "1 failed"}


def test_a_runner_that_comes_later_counts_on() -> None:
    records = logged(
        RunnerStarted("b", 1, 2),
        AttemptStarted("b", 1, "first"),
        QuestionAsked("a", "question", "Which?", ("x", "y")),
    )
    state = initial(make_plan([make_step("a"), make_step("b")]))
    for record in records:
        apply(state, record)
    later = Announcer.at(state, 12)
    (asked,) = later.calls(Record(4, 0.0, 0.0, QuestionAsked("b", "guard", "And?", ("x", "y"))))
    assert asked.variables["TEAMFLOW_QUESTION"] == "12.2"
    assert asked.variables["TEAMFLOW_ATTEMPT"] == "1"


def test_the_plan_in_force_decides_who_is_told() -> None:
    """What came before a hook was declared, or after it was taken away, is not told any more."""
    plan = make_plan([make_step("a")])
    hooked = plan._replace(hooks=(("after_step", Command("x")),))
    records = logged(
        RunnerStarted("b", 1, 2),
        StepEnded("a", "succeeded", ""),
        PlanRevised(2, "changed"),
        StepEnded("b", "succeeded", ""),
        PlanRevised(3, "changed"),
        StepEnded("c", "succeeded", ""),
    )
    found = declared_calls(records, {1: plan, 2: hooked, 3: plan}, run=1)
    assert [(call.event, call.seq) for call in found] == [("after_step", 4)]


def test_a_variable_can_hold_it() -> None:
    (call,) = calls(logged(QuestionAsked("a", "approval", "é" * (TEXT_LIMIT + 1))))
    assert call.variables["TEAMFLOW_TEXT"] == "é" * TEXT_LIMIT + "…"


def test_what_stops_everything() -> None:
    assert stops_all(StopRequested("SIGINT", ""))
    assert stops_all(CancelRequested(None, "me"))
    assert not stops_all(CancelRequested(("a",), "me"))
    assert not stops_all(StepEnded("a", "failed", ""))
