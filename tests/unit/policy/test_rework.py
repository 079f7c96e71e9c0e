"""What follows a look of a step with a loop: the span of a round, its end, and when a round does not count."""

from __future__ import annotations

from teamflow.core.codec import dump_event, load_event
from teamflow.core.events import (
    Admitted,
    AttemptEnded,
    AttemptStarted,
    Cached,
    Hit,
    Now,
    Reopened,
    StepEnded,
    StepsAdded,
)
from teamflow.core.outcome import Failed, FailureClass, Succeeded
from teamflow.core.plan import Edge, Expansion, Loop
from teamflow.core.requested import CancelRequested, StopRequested
from teamflow.core.status import Status
from teamflow.policy.decide import decide
from teamflow.policy.rework import Span, span_of
from tests.fakes.plans import make_plan, make_step
from tests.fakes.runs import Run, run_of

LOOP = Loop("outputs.ok", 3, "build")
NOW = Now("boot", 50.0, 1050.0)


def verdict(run: Run, step_id: str, *, ok: object = False) -> object:
    """What is decided after the running attempt of a step has given this."""
    number = len(run.state.steps[step_id].attempts)
    run.record(AttemptEnded(step_id, number, Succeeded("said", {"ok": ok})))
    (event,) = decide(run.state, [step_id], NOW).events
    return event


def looked(*, loop: Loop = LOOP, **changes: object) -> Run:
    """`review` looks at what `build` has made."""
    return run_of(
        (make_step("build", reworked=True, **changes), "succeeded"),
        (make_step("review", needs=["build"], loop=loop), "running"),
    )


def rework(run: Run, *, tree: str = "") -> None:
    """The round that was decided, up to the next look."""
    number = len(run.state.steps["build"].attempts) + 1
    run.record(AttemptStarted("build", number, "rework"), AttemptEnded("build", number, Succeeded(), tree=tree))
    run.end_step("build")
    run.record(AttemptStarted("review", len(run.state.steps["review"].attempts) + 1, "rework"))


def test_a_round_is_one_record_that_survives_the_log() -> None:
    event = verdict(looked(), "review")
    assert isinstance(event, Reopened)
    assert event._replace(made="") == Reopened(
        ("build", "review"), "rework", {"build": "for review, round 2 of 3", "review": "round 2 of 3"}, by="review"
    )
    for one in (event, event._replace(made="ab12")):
        assert load_event("Reopened", dump_event(one)) == one


def test_the_first_look_needs_no_more_words() -> None:
    assert verdict(looked(), "review", ok=True) == StepEnded("review", "succeeded", "")


def test_a_round_goes_alone_and_what_was_decided_beside_it_is_decided_anew() -> None:
    """One decision once let `mid` start, whose condition had come true, although the round opened `build` again."""
    run = run_of(
        (make_step("build", reworked=True), "succeeded"),
        (make_step("mid", needs=["build"], condition="agents.build.text == ''"), "pending"),
        (make_step("review", needs=["build"], loop=LOOP), "running"),
    )
    run.record(AttemptEnded("review", 1, Succeeded("said", {"ok": False})))
    decision = decide(run.state, ["mid", "review"], NOW)
    assert [type(event) for event in decision.events] == [Reopened]
    assert decision.left == ("mid", "review")
    run.record(*decision.events)
    assert run.state.steps["mid"].status is Status.PENDING
    (begun,) = decide(run.state, decision.left, NOW).events
    assert isinstance(begun, AttemptStarted)
    assert begun.step == "build"


def test_a_stopped_run_does_not_take_a_verdict_for_a_success() -> None:
    run = looked()
    run.record(StopRequested("SIGINT", "interrupted by SIGINT"))
    event = verdict(run, "review")
    assert isinstance(event, Reopened), "the next session goes on with round 2"
    run.record(event)
    assert {run.state.steps[name].status for name in ("build", "review")} == {Status.QUEUED, Status.PENDING}
    assert decide(run.state, ["build", "review"], NOW).events[0].status == "interrupted"  # type: ignore[union-attr]


def test_fail_fast_begins_no_round() -> None:
    run = looked()
    run.record(StopRequested("fail_fast", "x failed (--fail-fast)"))
    assert verdict(run, "review") == StepEnded("review", "cancelled", "x failed (--fail-fast)")
    assert run.state.steps["build"].status is Status.SUCCEEDED


def test_what_was_cancelled_is_not_worked_on_again() -> None:
    run = run_of(
        (make_step("build"), "cancelled"),
        (make_step("review", needs={"build": "finished"}, loop=LOOP), "running"),
    )
    event = verdict(run, "review")
    assert event == StepEnded(
        "review",
        "failed",
        "`outputs.ok` is still false, and build, which it reworks, was cancelled",
        failure=FailureClass.NOT_CONVERGED,
    )


def test_a_cancel_in_the_middle_of_a_round_ends_it() -> None:
    run = looked()
    event = verdict(run, "review")
    assert isinstance(event, Reopened)
    run.record(event, CancelRequested(("review",), "somebody"))
    (cancelled,) = decide(run.state, ["review"], NOW).events
    assert cancelled == StepEnded("review", "cancelled", "cancelled by somebody")


# -- rounds that change nothing ----------------------------------------------------------------------------------


def ends(run: Run, *trees: str) -> object:
    """The verdict after rounds that left these trees."""
    event = verdict(run, "review")
    for tree in trees:
        if not isinstance(event, Reopened):
            break
        run.record(event)
        rework(run, tree=tree)
        event = verdict(run, "review")
    return event


def first_tree(tree: str, *, loop: Loop) -> Run:
    run = run_of(
        (make_step("build", reworked=True), "running"), (make_step("review", needs=["build"], loop=loop), "pending")
    )
    run.record(AttemptEnded("build", 1, Succeeded(), tree=tree))
    run.end_step("build")
    run.record(AttemptStarted("review", 1, "first"))
    return run


def test_two_rounds_in_a_row_without_a_change_are_enough() -> None:
    many = LOOP._replace(max=9)
    for trees, end in (
        (("a", "a"), StepEnded),
        (("b", "b", "b"), StepEnded),
        (("b", "a", "b", "a", "b"), Reopened),
        (("a", "b", "b"), Reopened),
        (("", "", ""), Reopened),
        (("a", "", "a", "a"), Reopened),
        (("a", "", "a", "a", "a"), StepEnded),
    ):
        assert isinstance(ends(first_tree("a", loop=many), *trees), end), trees
    event = ends(first_tree("a", loop=many), "a", "a")
    assert event == StepEnded(
        "review",
        "failed",
        "`outputs.ok` is still false, and the last 2 rounds changed nothing",
        failure=FailureClass.NOT_CONVERGED,
    )
    event = ends(first_tree("a", loop=LOOP), "a", "a")
    assert isinstance(event, StepEnded)
    assert (
        event.reason == "`outputs.ok` is still false after 3 rounds (loop.max), and the last 2 of them changed nothing"
    )


def test_words_count_only_where_somebody_reads_them() -> None:
    for used, end in ((True, StepEnded), (False, Reopened)):
        run = looked(loop=LOOP._replace(max=9), text_used=used)
        event = verdict(run, "review")
        for number in (2, 3):
            assert isinstance(event, Reopened)
            run.record(
                event, AttemptStarted("build", number, "rework"), AttemptEnded("build", number, Succeeded("text"))
            )
            run.end_step("build")
            run.record(AttemptStarted("review", number, "rework"))
            event = verdict(run, "review")
        assert isinstance(event, end)


def test_steps_that_are_skipped_in_every_round_change_nothing() -> None:
    run = run_of(
        (make_step("build", skip="if: false"), "own"),
        (make_step("review", needs={"build": "passed"}, loop=LOOP._replace(max=9)), "running"),
    )
    event = verdict(run, "review")
    for number in (2, 3):
        assert isinstance(event, Reopened)
        run.record(
            event, StepEnded("build", "skipped", "if: false", own=True), AttemptStarted("review", number, "rework")
        )
        event = verdict(run, "review")
    assert isinstance(event, StepEnded)


# -- which steps -------------------------------------------------------------------------------------------------


def test_a_span_has_no_step_that_is_not_between() -> None:
    run = run_of(
        (make_step("before"), "succeeded"),
        (make_step("build", needs=["before"]), "succeeded"),
        (make_step("test", needs=["build"]), "succeeded"),
        (make_step("aside", needs=["build"]), "succeeded"),
        (make_step("other", needs=["before"]), "succeeded"),
        (make_step("review", needs=["test", "other"], loop=LOOP), "running"),
    )
    assert span_of(run.state, "review", LOOP) == Span(("build",), ("build", "test"))


def test_of_several_instances_the_one_of_the_same_name_or_all_that_come_before() -> None:
    parts = [(make_step(f"build/{part}"), "succeeded") for part in "abc"]
    run = run_of(
        *parts,
        (make_step("review/a", needs=["build/a", "build/b"], loop=LOOP), "running"),
        (make_step("review/x", needs=["build/a", "build/b"], loop=LOOP), "running"),
        (make_step("judge", needs=["build/b", "build/c"], loop=LOOP), "running"),
    )
    assert span_of(run.state, "review/a", LOOP) == Span(("build/a",), ("build/a",))
    assert span_of(run.state, "review/x", LOOP) == Span(("build/a", "build/b"), ("build/a", "build/b"))
    assert span_of(run.state, "judge", LOOP) == Span(("build/b", "build/c"), ("build/b", "build/c"))


def paired(*, rework: str) -> Run:
    """plan → build per task of it → review per build, both known only at run time; a loop over `rework`."""
    loop = Loop("outputs.ok", 3, rework)
    run = run_of(
        (make_step("plan"), "succeeded"),
        (make_step("build/?", needs=["plan"], expansion=Expansion((("task", "agents.plan.outputs.l"),))), "pending"),
        (make_step("review/?", needs=["build/?"], expansion=Expansion(pairs_with="build/?"), loop=loop), "pending"),
    )
    tasks = {"a": {"task": 1}, "b": {"task": 2}}
    run.record(StepsAdded("build/?", {f"build/{name}": values for name, values in tasks.items()}))
    run.record(StepsAdded("review/?", {f"review/{name}": values for name, values in tasks.items()}))
    return run


def test_added_instances_are_reworked_alone() -> None:
    run = paired(rework="build")
    assert span_of(run.state, "review/a", Loop("", 3, "build")) == Span(("build/a",), ("build/a",))


def test_what_the_instances_come_from_is_found_anew_when_it_is_reworked() -> None:
    run = paired(rework="plan")
    found = span_of(run.state, "review/a", Loop("", 3, "plan"))
    assert found.targets == ("plan",)
    assert set(found.steps) == {"plan", "build/?", "build/a", "review/?"}


# -- rounds that do not count, and what else a round meets -------------------------------------------------------


def two_reviews() -> Run:
    """Both look at what `build` made; the first one has asked for a rework, which runs."""
    run = run_of(
        (make_step("build", reworked=True), "succeeded"),
        (make_step("fast", needs=["build"], loop=LOOP), "running"),
        (make_step("slow", needs=["build"], loop=LOOP), "running"),
    )
    event = verdict(run, "fast")
    assert isinstance(event, Reopened)
    run.record(event, AttemptStarted("build", 2, "rework", 1))
    return run


def test_a_verdict_on_what_is_being_reworked_is_no_round() -> None:
    run = two_reviews()
    event = verdict(run, "slow")
    assert event == Reopened(("slow",), "rework", {"slow": "looks again after build"}, by="slow")
    run.record(event)
    slow = run.state.steps["slow"]
    assert (slow.round, slow.status, slow.next_cause, slow.next_continues) == (1, Status.PENDING, "rework", 1)
    assert run.state.steps["build"].feedback == ("fast", 1, 2), "what it was told stays"


def test_a_retry_waits_for_what_has_been_opened_again() -> None:
    run = two_reviews()
    run.record(AttemptEnded("slow", 1, Failed(FailureClass.LOST, "lost")))
    (again,) = decide(run.state, ["slow"], NOW).events
    run.record(again)
    assert run.state.steps["slow"].status is Status.PENDING
    run.record(AttemptEnded("build", 2, Succeeded()))
    run.end_step("build")
    assert run.state.steps["slow"].status is Status.QUEUED
    assert run.state.steps["slow"].backoff is not None


def test_a_loop_within_the_span_starts_over() -> None:
    run = run_of(
        (make_step("build", reworked=True), "succeeded"),
        (make_step("inner", needs=["build"], loop=LOOP._replace(max=2)), "running"),
        (make_step("outer", needs=["inner"], loop=LOOP), "pending"),
    )
    event = verdict(run, "inner")
    assert isinstance(event, Reopened)
    run.record(event, AttemptStarted("build", 2, "rework"), AttemptEnded("build", 2, Succeeded()))
    run.end_step("build")
    run.record(AttemptStarted("inner", 2, "rework"))
    inner = verdict(run, "inner", ok=True)
    assert inner == StepEnded("inner", "succeeded", "in round 2 of 2")
    assert isinstance(inner, StepEnded)
    run.record(inner, AttemptStarted("outer", 1, "first"))
    event = verdict(run, "outer")
    assert isinstance(event, Reopened)
    assert event.steps == ("build", "inner", "outer")
    run.record(event)
    assert (run.state.steps["inner"].round, run.state.steps["inner"].feedback) == (1, ("outer", 1, 2))
    assert run.state.steps["build"].feedback == ("outer", 1, 2)


def test_a_cached_step_is_reworked_as_its_first_attempt() -> None:
    run = run_of(
        (make_step("build", cache=True, reworked=True), "pending"),
        (make_step("review", needs=["build"], loop=LOOP), "pending"),
    )
    run.record(Cached({"build": Hit("k", "unchanged")}), AttemptStarted("review", 1, "first"))
    event = verdict(run, "review")
    assert isinstance(event, Reopened)
    run.record(event)
    build = run.state.steps["build"]
    assert (build.next_cause, build.next_continues, build.admitted, build.reworking) == ("rework", None, False, True)
    run.record(Admitted("build", "k", build.reason))
    start = decide(run.state, ["build"], NOW).events
    assert start == (AttemptStarted("build", 1, "rework", None, "for review, round 2 of 3"),)


def test_a_session_goes_on_from_the_last_attempt_that_came_to_its_end() -> None:
    run = run_of(
        (make_step("build", reworked=True), "succeeded"),
        (make_step("review", needs={"build": "finished"}, loop=LOOP), "running"),
    )
    event = verdict(run, "review")
    assert isinstance(event, Reopened)
    run.record(event, AttemptStarted("build", 2, "rework", 1))
    run.record(AttemptEnded("build", 2, Failed(FailureClass.CRASH, "crashed")), StepEnded("build", "failed", "crashed"))
    run.record(AttemptStarted("review", 2, "rework", 1))
    event = verdict(run, "review")
    assert isinstance(event, Reopened)
    run.record(event)
    assert run.state.steps["build"].next_continues == 1
    assert run.state.failures == []


def test_a_condition_is_looked_at_again() -> None:
    step = make_step("between", needs=["build"], condition="agents.build.text == 'go'", reworked=True)
    run = run_of(
        (make_step("build"), "succeeded"),
        (step, "own"),
        (make_step("review", needs={"between": "passed"}, loop=LOOP), "running"),
    )
    event = verdict(run, "review")
    assert isinstance(event, Reopened)
    assert event.steps == ("build", "between", "review")
    run.record(event, AttemptStarted("build", 2, "rework", 1), AttemptEnded("build", 2, Succeeded("go")))
    run.end_step("build")
    assert decide(run.state, ["between"], NOW).events == (Admitted("between", None, "for review, round 2 of 3"),)


def test_edges_of_unequal_kind_do_not_hide_a_path() -> None:
    one = make_step("one", needs={"build": "finished"})
    steps = [make_step("build"), one, make_step("review", needs={"one": "passed"}, loop=LOOP)]
    steps[2] = steps[2]._replace(edges=(*steps[2].edges, Edge("build", "succeeded", "depends_on")))
    run = Run(make_plan(steps))
    assert span_of(run.state, "review", LOOP).steps == ("build", "one")
