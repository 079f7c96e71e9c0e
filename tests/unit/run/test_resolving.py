"""A step that mends a merge: what it is told, when it begins anew, what a loop opens again, and its note."""

from __future__ import annotations

import json

from teamflow.core.events import AttemptEnded, AttemptStarted, RetryScheduled, StepEnded
from teamflow.core.outcome import Failed, FailureClass, Succeeded, Usage
from teamflow.core.phases import CLEAN
from teamflow.core.work import Left, Ready, WorkspaceReady
from teamflow.policy.rework import span_of
from teamflow.policy.trees import goes_on
from teamflow.run.brief import make_brief
from teamflow.run.place import Place
from teamflow.run.trees import note_of, ready_from
from tests.fakes.runs import Run
from tests.fakes.teams import plan_of

TEAM = """
agents:
  a: {prompt: x}
  b: {prompt: x}
  ship:
    prompt: y
    depends_on: [a, b]
    on_conflict: fixer
    outputs: {ok: boolean}
    loop: {until: outputs.ok, max: 3, rework: b}
  fixer: {start: never, prompt: Mend it.}
"""
FIXER = "fixer/ship"
READY = Ready("/w/fixer--ship", "c" * 40, "teamflow/1/fixer--ship", conflicts=("src/x.py", "y"))


def begun() -> Run:
    run = Run(plan_of(TEAM, git=True))
    for name in ("a", "b"):
        left = Left(name * 40, "0" * 40)
        run.record(AttemptStarted(name, 1, "first"), AttemptEnded(name, 1, Succeeded(left=left)))
        run.record(StepEnded(name, "succeeded", ""))
    run.record(AttemptStarted(FIXER, 1, "first"), WorkspaceReady(FIXER, 1, READY))
    return run


def notice(run: Run) -> str:
    known = run.state.steps[FIXER]
    attempt = known.attempts[-1]
    return make_brief(run.state, known, attempt, cwd="/", log_limit=None, place=Place("/", "/run", {})).notice


def test_it_is_told_the_files_the_sides_and_why_the_last_attempt_failed() -> None:
    run = begun()
    told = notice(run)
    for line in ("does not merge for ship:", f"- a: {'a' * 40}", f"- b: {'b' * 40}", "- src/x.py", "- y", "markers"):
        assert line in told
    run.record(AttemptEnded(FIXER, 1, Failed(FailureClass.VERIFY, "y still has conflict markers", detail="y")))
    run.record(RetryScheduled(FIXER, "repair", 0.0, "", 0.0, "markers", 1))
    run.record(AttemptStarted(FIXER, 2, "repair", 1), WorkspaceReady(FIXER, 2, READY))
    again = notice(run)
    assert again.startswith(told)
    assert again.endswith("The last attempt failed (verify): y still has conflict markers\ny")


def test_its_workspace_travels_with_a_start() -> None:
    assert ready_from(json.loads(json.dumps(note_of(READY)))) == READY
    old = {name: value for name, value in READY._asdict().items() if name != "conflicts"}
    assert ready_from(old) == READY._replace(conflicts=())


def test_a_loop_opens_it_again_and_it_begins_with_the_new_merge() -> None:
    run = begun()
    loop = run.state.steps["ship"].step.loop
    assert loop is not None
    assert span_of(run.state, "ship", loop).steps == ("b", FIXER)
    known = run.state.steps[FIXER]
    live = known.attempts[-1]
    live.continues = 1
    live.cause = "rework"
    assert not goes_on(known, live)
    live.cause = "retry"
    assert goes_on(known, live)


def test_one_that_had_nothing_to_mend_is_no_sample_of_what_the_others_cost() -> None:
    run = begun()
    run.record(AttemptEnded(FIXER, 1, Succeeded(CLEAN, usage=Usage(0, 0, 0.0)), ""))
    assert ("fixer", "usd") not in run.state.ledger.taken
