"""Backoffs in the fold: none is forgotten, whatever happens to the step or the machine meanwhile."""

from __future__ import annotations

from teamflow.core.events import (
    AttemptEnded,
    AttemptStarted,
    BackoffEnded,
    Event,
    Now,
    PlanRevised,
    Record,
    Reopened,
    RetryScheduled,
    RunnerStarted,
    StepEnded,
)
from teamflow.core.fold import apply, initial
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.plan import Plan, Retry
from teamflow.core.state import RunState
from teamflow.core.status import Status
from teamflow.policy.decide import decide
from tests.fakes.plans import make_plan, make_step

LOST = Failed(FailureClass.LOST, "lost")
RETRY = Retry(1, "fixed", 1.0, 1.0)


def played(plan: Plan, *events: Event, plans: dict[int, Plan] | None = None) -> RunState:
    state = initial(plan)
    for event in events:
        apply(state, Record(state.seq + 1, 1000.0, 100.0, event), plans=plans)
    return state


def failed_once(step: str, *, mono: float, boot: str = "boot") -> list[Event]:
    return [
        AttemptStarted(step, 1, "first"),
        AttemptEnded(step, 1, LOST),
        RetryScheduled(step, "retry", mono - 100.0, boot, mono, "again"),
    ]


def settled(state: RunState, mono: float, boot: str = "boot") -> list[Event]:
    """What is decided at that moment, until it comes to rest."""
    events: list[Event] = []
    changed: list[str] = list(state.steps)
    while True:
        decision = decide(state, changed, Now(boot, mono, 1000.0))
        if not decision.events:
            return events
        for event in decision.events:
            events.append(event)
            changed = apply(state, Record(state.seq + 1, 1000.0, mono, event))


def test_a_backoff_outlives_the_reopening_of_a_dependency() -> None:
    plan = make_plan([make_step("a", retry=RETRY), make_step("b", needs={"a": "failed"}, retry=RETRY)])
    state = played(
        plan,
        RunnerStarted("boot", 1, 4),
        AttemptStarted("a", 1, "first"),
        AttemptEnded("a", 1, Failed(FailureClass.FATAL, "no")),
        StepEnded("a", "failed", "no"),
        *failed_once("b", mono=105.0),
        RunnerStarted("boot", 2, 4, resumed=True),
        Reopened(("a",), "retry", {}),
        AttemptStarted("a", 2, "retry"),
        AttemptEnded("a", 2, Failed(FailureClass.FATAL, "no")),
    )
    assert settled(state, 101.0) == [StepEnded("a", "failed", "no")]
    assert state.steps["b"].status is Status.QUEUED
    assert decide(state, (), Now("boot", 101.0, 1000.0)).wake_at == 105.0
    assert settled(state, 105.5) == [BackoffEnded("b"), AttemptStarted("b", 2, "retry", None, "again")]


def test_a_backoff_that_is_over_while_a_dependency_runs_again_waits_for_it() -> None:
    plan = make_plan([make_step("a", retry=RETRY), make_step("b", needs={"a": "failed"}, retry=RETRY)])
    state = played(
        plan,
        RunnerStarted("boot", 1, 4),
        AttemptStarted("a", 1, "first"),
        AttemptEnded("a", 1, Failed(FailureClass.FATAL, "no")),
        StepEnded("a", "failed", "no"),
        *failed_once("b", mono=105.0),
        RunnerStarted("boot", 2, 4, resumed=True),
        Reopened(("a",), "retry", {}),
    )
    assert settled(state, 110.0) == [AttemptStarted("a", 2, "retry", None, "")]
    assert state.steps["b"].status is Status.PENDING


def test_a_start_that_a_journal_proved_ends_the_backoff() -> None:
    plan = make_plan([make_step("b", retry=RETRY)])
    state = played(plan, RunnerStarted("boot", 1, 4), *failed_once("b", mono=105.0), AttemptStarted("b", 2, "retry"))
    assert settled(state, 110.0) == []
    assert decide(state, (), Now("boot", 101.0, 1000.0)).wake_at is None


def test_after_another_boot_every_backoff_is_over() -> None:
    plan = make_plan([make_step(name, retry=RETRY) for name in ("c", "a", "b")])
    events = [*failed_once("c", mono=900.0), *failed_once("a", mono=901.0), *failed_once("b", mono=902.0)]
    state = played(plan, RunnerStarted("boot", 1, 4), *events, RunnerStarted("other", 2, 4, resumed=True))
    started = [event for event in settled(state, 5.0, "other") if isinstance(event, AttemptStarted)]
    assert sorted(event.step for event in started) == ["a", "b", "c"]


def test_a_revision_keeps_the_order_of_backoffs() -> None:
    names = [f"s{number}" for number in range(7)]
    monos = [101.0, 150.0, 102.0, 160.0, 151.0, 103.0, 104.0]
    plan = make_plan([make_step(name, retry=RETRY) for name in names])
    less = make_plan([make_step(name, retry=RETRY) for name in names if name != "s0"])
    events = [e for name, mono in zip(names, monos, strict=True) for e in failed_once(name, mono=mono)]
    state = played(plan, RunnerStarted("boot", 1, 9), *events, PlanRevised(2, "less"), plans={1: plan, 2: less})
    started = [event.step for event in settled(state, 105.0) if isinstance(event, AttemptStarted)]
    assert started == ["s2", "s5", "s6"]
