"""What an agent is told in a round: its own prompt, the newest feedback once, the session to go on with."""

from __future__ import annotations

import pytest

from teamflow.core.events import AttemptEnded, AttemptStarted, Reopened, RetryScheduled, StepEnded
from teamflow.core.invocation import Brief
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded, Usage
from teamflow.core.permissions import ALLOW, READ, Permissions, Wish
from teamflow.core.plan import Json
from teamflow.policy.permitting import judge
from teamflow.run.brief import FEEDBACK_LIMIT, make_brief
from teamflow.run.place import Place
from tests.fakes.runs import Run
from tests.fakes.teams import plan_of

TEAM = """
agents:
  build: {prompt: PROMPT}
  review:
    command: x
    matrix: [api]
    depends_on: [build]
    outputs: {ok: boolean, findings: string}
    loop: {until: outputs.ok, max: 20, rework: build}
"""
REVIEW = "review/api"


def begin(prompt: str = "Build it.") -> Run:
    run = Run(plan_of(TEAM.replace("PROMPT", prompt)))
    run.record(AttemptStarted("build", 1, "first"), AttemptEnded("build", 1, Succeeded("built", session="s1")))
    run.end_step("build")
    return run


def reject(run: Run, text: str | None, outputs: dict[str, Json] | None = None) -> None:
    """One look that asks for another round, whose rework begins."""
    looks = len(run.state.steps[REVIEW].attempts)
    tries = len(run.state.steps["build"].attempts)
    run.record(AttemptStarted(REVIEW, looks + 1, "rework"), AttemptEnded(REVIEW, looks + 1, Succeeded(text, outputs)))
    run.record(Reopened(("build", REVIEW), "rework", {}, by=REVIEW))
    known = run.state.steps["build"]
    run.record(AttemptStarted("build", tries + 1, known.next_cause, known.next_continues))


def rebuilt(run: Run) -> None:
    number = len(run.state.steps["build"].attempts)
    run.record(AttemptEnded("build", number, Succeeded("built", session=f"s{number}")))
    run.end_step("build")


def brief(run: Run) -> Brief:
    known = run.state.steps["build"]
    return make_brief(run.state, known, known.attempts[-1], cwd="/", log_limit=None, place=Place("/", "/run", {}))


def test_feedback_comes_behind_the_prompt_under_a_heading() -> None:
    run = begin()
    assert brief(run).prompt == "Build it."
    reject(run, "It has a bug.\n")
    told = brief(run)
    assert told.prompt == "Build it.\n\nFeedback from review/api (round 2 of 20):\n\nIt has a bug.\n"
    assert (told.cause, told.session, told.notice) == ("rework", "s1", "")


@pytest.mark.parametrize(
    ("text", "outputs", "shown"),
    [
        ("", {"ok": False, "findings": "ä"}, '{"ok": false, "findings": "ä"}'),
        (None, {"ok": False}, '{"ok": false}'),
        ("both", {"ok": False}, "both"),
        (None, None, "(it said nothing)"),
        ("{{ inputs.x }}", None, "{{ inputs.x }}"),
    ],
)
def test_the_text_else_the_outputs(text: str | None, outputs: dict[str, Json] | None, shown: str) -> None:
    run = begin()
    reject(run, text, outputs)
    assert (brief(run).prompt or "").endswith(f":\n\n{shown}")


def test_ten_rounds_do_not_grow_the_prompt() -> None:
    run = begin()
    sizes = []
    for number in range(10):
        reject(run, f"feedback {number}")
        sizes.append(len(brief(run).prompt or ""))
        assert (brief(run).prompt or "").count("feedback") == 1
        rebuilt(run)
    assert max(sizes) - min(sizes) <= 1


def test_long_feedback_keeps_its_head_and_tail() -> None:
    run = begin()
    reject(run, "head" + "x" * 90_000 + "tail")
    prompt = brief(run).prompt or ""
    assert len(prompt) <= FEEDBACK_LIMIT + 200
    assert "head" in prompt
    assert prompt.endswith("tail")
    assert "bytes left out" in prompt


def test_a_retry_within_the_round_is_told_the_same_and_why_it_failed() -> None:
    run = begin()
    reject(run, "It has a bug.")
    run.record(AttemptEnded("build", 2, Failed(FailureClass.CRASH, "crashed")))
    run.record(RetryScheduled("build", "retry", 0.0, "boot", 0.0, "attempt 2/2"), AttemptStarted("build", 3, "retry"))
    told = brief(run)
    assert (told.prompt or "").endswith("It has a bug.")
    assert "crashed" in told.notice
    assert told.session is None


def test_a_round_that_was_interrupted_goes_on_with_its_session() -> None:
    """Even where it was stopped before it had opened one of its own."""
    run = begin()
    reject(run, "It has a bug.")
    run.record(AttemptEnded("build", 2, Stopped("orphaned")))
    run.record(
        RetryScheduled("build", "resume", 0.0, "boot", 0.0, "goes on", 2), AttemptStarted("build", 3, "resume", 2)
    )
    told = brief(run)
    assert (told.prompt or "").endswith("It has a bug.")
    assert told.session == "s1"


def test_what_its_session_has_cost_is_the_sum_of_its_attempts() -> None:
    run = Run(plan_of(TEAM.replace("PROMPT", "Build it.")))
    run.record(AttemptStarted("build", 1, "first"))
    assert brief(run).charged is None
    run.record(AttemptEnded("build", 1, Succeeded("built", session="s", usage=Usage(usd=0.5))))
    run.end_step("build")
    spent = [(0.25, "s", 0.5), (1.0, "t", 0.75), (None, "t", 1.0), (1.0, "t", None)]
    for number, (cost, session, before) in enumerate(spent, 2):
        reject(run, "no")
        assert brief(run).charged == before
        run.record(AttemptEnded("build", number, Succeeded("built", session=session, usage=Usage(usd=cost))))
        run.end_step("build")


def test_a_prompt_that_names_feedback_gets_it_where_it_says() -> None:
    run = begin(
        '"{% if feedback.text %}Mend: {{ feedback.text }}{% else %}Begin.{% endif %} {{ feedback.outputs.findings }}"'
    )
    assert brief(run).prompt == "Begin. "
    reject(run, "It has a bug.", {"findings": "f"})
    assert brief(run).prompt == "Mend: It has a bug. f"


def test_a_step_that_works_again_for_another_reason_is_told_nothing() -> None:
    run = begin()
    reject(run, "It has a bug.")
    run.record(AttemptEnded("build", 2, Failed(FailureClass.FATAL, "no")), StepEnded("build", "failed", "no"))
    run.record(Reopened(("build",), "revision", {}), AttemptStarted("build", 3, "retry"))
    assert brief(run).prompt == "Build it."


def test_an_agent_is_told_how_to_report_by_a_command_that_everybody_may_run() -> None:
    told = brief(begin()).reporting
    command = told.rpartition(": ")[2].rstrip(".").replace("PERCENT", "40")
    assert command.startswith("teamflow progress 40 ")
    assert judge(Permissions(READ), Wish("run", command, command=command), cwd="/").answer == ALLOW


def test_an_agent_is_told_the_truth_about_who_may_talk_to_it() -> None:
    told = brief(begin()).context
    assert "Nobody" not in told
    assert "Somebody may write to you meanwhile" in told
