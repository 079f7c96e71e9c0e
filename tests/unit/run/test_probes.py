"""Answers about the cache that come when the question does not hold any more: a loop has opened what came before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from teamflow.core.events import Admitted, AttemptEnded, AttemptStarted, Cached, Event, Hit, Reopened
from teamflow.core.outcome import Succeeded
from teamflow.core.plan import Loop
from teamflow.core.status import Status
from teamflow.run.probes import Probes
from tests.fakes.plans import make_step
from tests.fakes.runs import Run, run_of


class Answer:
    """A prober during whose look something happens."""

    def __init__(self, meanwhile: Callable[[], None], *events: Event) -> None:
        self._meanwhile = meanwhile
        self._events = list(events)

    async def probe(self, step_ids: Sequence[str]) -> list[Event]:
        self._meanwhile()
        return self._events


def asked(meanwhile: Callable[[Run], None], answer: Event) -> tuple[Run, list[Event]]:
    """`test` is looked up while `review`, beside it, asks for a rework of what both have seen."""
    run = run_of(
        (make_step("build", reworked=True), "succeeded"),
        (make_step("test", needs=["build"], cache=True), "pending"),
        (make_step("review", needs=["build"], loop=Loop("outputs.ok", 3, "build")), "running"),
    )
    assert run.state.steps["test"].status is Status.QUEUED
    probes = Probes(run.state, Answer(lambda: meanwhile(run), answer))
    wanted = probes.take(["test"])
    return run, asyncio.run(probes.answers(wanted))


def reopen(run: Run) -> None:
    run.record(AttemptEnded("review", 1, Succeeded("no", {"ok": False})))
    run.record(Reopened(("build", "review"), "rework", {}, by="review"))


def rework(run: Run) -> None:
    reopen(run)
    run.record(AttemptStarted("build", 2, "rework", 1), AttemptEnded("build", 2, Succeeded("other")))
    run.end_step("build")


def test_an_answer_counts_while_nothing_has_happened() -> None:
    admitted = Admitted("test", "k", "never ran")
    assert asked(lambda run: None, admitted)[1] == [admitted]


def test_a_step_that_waits_again_is_not_admitted() -> None:
    run, answers = asked(reopen, Admitted("test", "k", "never ran"))
    assert run.state.steps["test"].status is Status.PENDING
    assert answers == []


def test_an_answer_about_what_was_there_before_the_rework_is_dropped() -> None:
    for answer in (Admitted("test", "old", "never ran"), Cached({"test": Hit("old", "unchanged")})):
        run, answers = asked(rework, answer)
        assert run.state.steps["test"].status is Status.QUEUED, "its turn again"
        assert answers == []
