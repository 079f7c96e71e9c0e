"""Where a step starts and works, from the records alone."""

from __future__ import annotations

from teamflow.core.events import AttemptEnded, AttemptStarted, Cached, Event, Hit, StepEnded
from teamflow.core.outcome import Failed, FailureClass, Succeeded
from teamflow.core.plan import Step
from teamflow.core.work import DEPENDENCY, PROJECT, WORKTREE, Left, Ready, WorkspaceReady
from teamflow.policy.trees import borrowed, goes_on, in_use, is_making, message, parents
from tests.fakes.plans import make_plan, make_step
from tests.fakes.runs import Run

BASE = "0" * 40


def tree(name: str, *needs: str, mode: str = WORKTREE, **more: object) -> Step:
    return make_step(name, needs=needs, kind="prompt", engine="sh", workspace=mode, **more)


def begun(name: str, attempt: int = 1, cause: str = "first", continues: int | None = None) -> tuple[Event, Event]:
    ready = Ready(f"/w/{name}", BASE, f"teamflow/1/{name}")
    return AttemptStarted(name, attempt, cause, continues), WorkspaceReady(name, attempt, ready)


def done(name: str, attempt: int = 1) -> tuple[Event, Event]:
    left = Left(f"c-{name}", BASE, f"teamflow/1/{name}", 1, 1, 0)
    return AttemptEnded(name, attempt, Succeeded(left=left)), StepEnded(name, "succeeded", "")


def test_parents_are_the_nearest_commits_in_the_order_of_the_plan_each_once() -> None:
    steps = [
        tree("b"),
        tree("a"),
        make_step("ask", needs=("b", "a"), kind="ask", workspace=DEPENDENCY),
        make_step("plain", needs=("a",), workspace=PROJECT),
        tree("last", "plain", "ask", "a"),
    ]
    run = Run(make_plan(steps))
    for name in ("a", "b"):
        run.record(*begun(name), *done(name))
    assert parents(run.state, steps[-1]) == (("b", "c-b"), ("a", "c-a"))
    assert parents(run.state, steps[0]) == ()


def test_what_failed_passes_on_what_it_had_itself() -> None:
    steps = [tree("a"), tree("b", "a"), make_step("mend", needs={"b": "failed"}, workspace=DEPENDENCY)]
    run = Run(make_plan(steps))
    run.record(*begun("a"), *done("a"), *begun("b"))
    run.record(AttemptEnded("b", 1, Failed(FailureClass.EXIT, "no")), StepEnded("b", "failed", "no"))
    assert parents(run.state, steps[2]) == (("a", "c-a"),)


def test_what_a_look_at_the_cache_has_just_found_counts() -> None:
    steps = [tree("a"), tree("b", "a")]
    run = Run(make_plan(steps))
    found = Left("found", BASE)
    assert parents(run.state, steps[1], {"a": found}) == (("a", "found"),)
    run.record(Cached({"a": Hit("k", "why", left=found)}))
    assert parents(run.state, steps[1]) == (("a", "found"),)


def test_a_worktree_is_lent_to_one_at_a_time() -> None:
    steps = [tree("a"), make_step("x", needs=("a",), workspace=DEPENDENCY), make_step("y", needs=("a",))]
    run = Run(make_plan(steps))
    run.record(*begun("a"), *done("a"))
    x = run.state.steps["x"]
    assert borrowed(run.state, x, (("a", "c-a"),)) == "/w/a"
    assert borrowed(run.state, x, (("a", "c-a"), ("b", "c-b"))) == ""
    run.record(AttemptStarted("y", 1, "first"), WorkspaceReady("y", 1, Ready("/w/a", BASE, own=False)))
    assert borrowed(run.state, x, (("a", "c-a"),)) == ""
    assert in_use(run.state, "/w/a", by_other_than="x") == "y"
    assert in_use(run.state, "/w/a", by_other_than="y") == ""


def test_an_attempt_lacks_its_workspace_until_the_record() -> None:
    run = Run(make_plan([tree("a"), make_step("p")]))
    started, ready = begun("a")
    run.record(started)
    assert is_making(run.state.steps["a"])
    run.record(ready, AttemptStarted("p", 1, "first"))
    assert not is_making(run.state.steps["a"])
    assert not is_making(run.state.steps["p"])


def test_who_goes_on_where_it_was() -> None:
    run = Run(make_plan([tree("a"), make_step("look", needs=("a",), workspace=DEPENDENCY)]))
    run.record(*begun("a"), *done("a"))
    known = run.state.steps["a"]
    first = known.attempts[0]
    assert not goes_on(known, first)
    for cause, expected in (("repair", True), ("resume", True), ("rework", True)):
        first.cause, first.continues = cause, 1
        assert goes_on(known, first) is expected
    look = run.state.steps["look"]
    run.record(AttemptStarted("look", 1, "first"), WorkspaceReady("look", 1, Ready("/w/a", BASE, own=False)))
    look.attempts[0].cause, look.attempts[0].continues = "rework", 1
    assert not goes_on(look, look.attempts[0]), "what was made by others is another commit by now"


def test_a_commit_says_what_was_asked_and_who_made_it() -> None:
    run = Run(make_plan([tree("a")]))
    run.record(*begun("a"))
    known = run.state.steps["a"]
    known.attempts[0].engine, known.attempts[0].model = "claude", "opus"
    text = message(known, known.attempts[0], work="write\tit  all " + "x" * 90, run="7 01J")
    subject, blank, *rows = text.splitlines()
    assert subject.startswith("a: write it all xxx")
    assert subject.endswith("…")
    assert len(subject) <= 63
    assert blank == ""
    assert rows == [
        "Teamflow-Run: 7 01J",
        "Teamflow-Step: a",
        "Teamflow-Attempt: 1",
        "Teamflow-Agent: a",
        "Teamflow-Engine: claude",
        "Teamflow-Model: opus",
    ]


def test_a_list_of_instances_stands_for_nothing_where_its_instances_are() -> None:
    steps = [
        tree("plan"),
        tree("build/?", "plan"),
        tree("build/a", "build/?", parent="build/?"),
        make_step("look/?", needs=("build/?",), workspace=DEPENDENCY),
        make_step("look/a", needs=("look/?", "build/a"), workspace=DEPENDENCY, parent="look/?"),
        tree("last", "look/?", "look/a"),
    ]
    run = Run(make_plan(steps))
    run.record(*begun("plan"), *done("plan"))
    assert parents(run.state, steps[2]) == (("plan", "c-plan"),)
    run.state.steps["build/a"].left = Left("c-build/a", BASE)
    assert parents(run.state, steps[4]) == (("build/a", "c-build/a"),)
    assert parents(run.state, steps[5]) == (("build/a", "c-build/a"),)
