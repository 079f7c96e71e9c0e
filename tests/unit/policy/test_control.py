"""Verbs that steer a run: what is granted, what is refused and why, and what follows for each step."""

from __future__ import annotations

import json

import pytest

from teamflow.core.capabilities import Capabilities
from teamflow.core.events import AttemptEnded, Event, Now, Reopened, RunnerStarted
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded
from teamflow.core.requested import MessageSent, PauseRequested, RunPaused, StopRequested
from teamflow.core.state import Pause
from teamflow.policy.control import progress_args, steps_args
from teamflow.policy.granting import Asker, Granted
from teamflow.policy.relaunching import checked
from teamflow.policy.requests import granted
from teamflow.views.waiting import wait_of
from tests.fakes.story import Story

TEAM = """
agents:
  plan: {command: p}
  build: {command: b, depends_on: [plan], retry: {attempts: 2, backoff: fixed, delay: 10s}}
  test: {command: t, depends_on: [build]}
  after: {command: a, depends_on: {build: finished}}
  gate: {ask: Go?}
  off: {command: x, if: "false"}
"""
PROMPTS = """
engines:
  mine: {command: [mine], model: [-m, "{{ model }}"]}
  plain: {command: [plain], inherit_env: [PLAIN_TOKEN]}
agents:
  write: {engine: mine, prompt: Write, permissions: read}
  lint: {command: l}
"""
ENGINES = {
    "command": Capabilities(),
    "scripted": Capabilities(),
    "fenced": Capabilities(enforces=frozenset({"read"}), mcp=frozenset({"http"})),
    "free": Capabilities(),
}


def ask(story: Story, verb: str, args: str) -> str:
    """What is said; what is granted is recorded, and decided upon."""
    found = granted(story.state, verb, args, Asker("ana@box", 7, Now("boot", 1.0, 1.0), ENGINES))
    if not isinstance(found, Granted):
        return f"no: {found}"
    if found.events:
        story.tell(*found.events)
    return found.message


def ended(story: Story, step: str, attempt: int, outcome: Succeeded | Failed | Stopped) -> list[Event]:
    return story.tell(AttemptEnded(step, attempt, outcome))


def stopping(story: Story, step: str) -> str | None:
    return story.state.steps[step].attempts[-1].stopping


# -- pause and resume -----------------------------------------------------------------------------------------


def test_a_running_step_is_ended_and_goes_on_with_its_session() -> None:
    story = Story(TEAM)
    assert ask(story, "pause", steps_args(["plan"])) == "pausing plan"
    assert (story.status("plan"), stopping(story, "plan")) == ("running", "pause")
    ended(story, "plan", 1, Stopped("pause", session="s1"))
    assert (story.status("plan"), story.reason("plan")) == ("waiting", "paused by ana@box")
    assert ask(story, "pause", steps_args(["plan"])) == "plan: paused already"
    assert ask(story, "resume", steps_args(["plan"])) == "resuming plan"
    newest = story.state.steps["plan"].attempts[-1]
    assert (newest.number, newest.cause, newest.continues) == (2, "resume", 1)
    assert story.state.steps["plan"].counted_from == 0, "it is no retry"


def test_a_step_that_has_not_started_is_held_back() -> None:
    story = Story(TEAM)
    ask(story, "pause", steps_args(["build"]))
    assert story.status("build") == "waiting"
    story.end("plan")
    assert story.status("build") == "waiting"
    ask(story, "resume", steps_args(["build"]))
    assert story.status("build") == "running"
    assert story.state.steps["build"].attempts[0].cause == "first"


def test_what_it_waited_for_may_have_failed_meanwhile() -> None:
    story = Story(TEAM)
    ask(story, "pause", steps_args(["build"]))
    story.end("plan", failure=FailureClass.FATAL)
    assert story.status("build") == "waiting"
    ask(story, "resume", steps_args(["build"]))
    assert (story.status("build"), story.status("test")) == ("skipped", "skipped")


def test_a_retry_that_is_due_waits_for_the_resume_and_keeps_its_cause() -> None:
    story = Story(TEAM)
    story.end("plan")
    ask(story, "pause", steps_args(["build"]))
    ended(story, "build", 1, Failed(FailureClass.EXIT, "b exited 1"))
    assert story.status("build") == "waiting"
    ask(story, "resume", steps_args(["build"]))
    assert story.state.steps["build"].attempts[-1].cause == "retry"


def test_what_ends_well_before_it_is_stopped_has_ended() -> None:
    story = Story(TEAM)
    ask(story, "pause", steps_args(["plan"]))
    ended(story, "plan", 1, Succeeded())
    assert (story.status("plan"), story.state.held) == ("succeeded", set())


def test_who_resumes_before_it_has_stopped_has_it_go_on_at_once() -> None:
    story = Story(TEAM)
    ask(story, "pause", steps_args(["plan"]))
    ask(story, "resume", steps_args(["plan"]))
    ended(story, "plan", 1, Stopped("pause"))
    assert story.status("plan") == "running"
    assert story.state.steps["plan"].attempts[-1].cause == "resume"


def test_frozen_is_halted_and_keeps_its_attempt_and_its_slot() -> None:
    story = Story(TEAM, parallel=1)
    assert ask(story, "pause", steps_args(["plan"], freeze=True)) == "freezing plan"
    known = story.state.steps["plan"]
    assert (story.status("plan"), known.frozen, stopping(story, "plan")) == ("waiting", True, None)
    assert story.state.running == {"plan"}
    assert story.state.active_since is None, "the time does not count"
    ask(story, "resume", steps_args(["plan"]))
    assert (story.status("plan"), known.frozen, len(known.attempts)) == ("running", False, 1)
    assert known.attempts[0].still_for > 0
    story.end("plan")
    assert story.status("plan") == "succeeded"


def test_a_frozen_one_can_be_ended_paused_cancelled_and_interrupted() -> None:
    for verb, cause in (("pause", "pause"), ("cancel", "cancel"), ("relaunch", "relaunch")):
        story = Story(TEAM)
        ask(story, "pause", steps_args(["plan"], freeze=True))
        args = steps_args(["plan"]) if verb != "relaunch" else json.dumps({"step": "plan"})
        assert not ask(story, verb, args).startswith("no:")
        assert (story.status("plan"), stopping(story, "plan")) == ("running", cause)
    story = Story(TEAM)
    ask(story, "pause", steps_args(["plan"], freeze=True))
    story.tell(StopRequested("SIGINT", "Ctrl-C"))
    assert stopping(story, "plan") == "interrupt"
    ended(story, "plan", 1, Stopped("interrupt"))
    assert story.status("plan") == "waiting"
    story.tell(RunnerStarted("boot", 2, 9, resumed=True))
    assert story.status("plan") == "waiting", "it is paused still"


def test_one_that_ended_just_before_it_was_frozen_goes_on() -> None:
    story = Story(TEAM)
    ask(story, "pause", steps_args(["plan"], freeze=True))
    story.end("plan")
    assert (story.status("plan"), story.status("build"), story.state.frozen) == ("succeeded", "running", set())


def test_a_frozen_one_whose_keeper_dies_waits() -> None:
    story = Story(TEAM)
    ask(story, "pause", steps_args(["plan"], freeze=True))
    ended(story, "plan", 1, Failed(FailureClass.LOST, "lost"))
    assert (story.status("plan"), story.reason("plan")) == ("waiting", "paused by ana@box")


def test_a_question_stays_open_and_its_answer_waits() -> None:
    story = Story(TEAM)
    ask(story, "pause", steps_args(["gate"]))
    assert story.status("gate") == "waiting"
    ask(story, "answer", json.dumps({"question": 1, "verb": "approve", "text": "", "note": ""}))
    assert story.status("gate") == "waiting"
    ask(story, "resume", steps_args(["gate"]))
    assert story.status("gate") == "succeeded"


def test_the_whole_run() -> None:
    story = Story(TEAM)
    assert ask(story, "pause", steps_args(None)) == "pausing the run: nothing new starts, stopping plan"
    ended(story, "plan", 1, Stopped("pause"))
    assert story.state.ended is None
    assert ask(story, "pause", steps_args(None)) == "the run is paused already"
    assert ask(story, "resume", steps_args(["plan"])).endswith(
        "the run is paused, too: `teamflow resume` lets it go on"
    )
    assert story.status("plan") == "queued"
    assert ask(story, "resume", steps_args(None)) == "resuming the run"
    assert story.status("plan") == "running"
    assert ask(story, "resume", steps_args(None)) == "no: nothing is paused in this run"


def test_a_run_of_which_only_paused_steps_are_left_stays_unless_nobody_may_be_asked() -> None:
    story, alone = Story("agents: {a: {command: a}}"), Story("agents: {a: {command: a}}", no_input=True)
    for one in (story, alone):
        ask(one, "pause", steps_args(["a"]))
        ended(one, "a", 1, Stopped("pause"))
    assert story.state.ended is None
    assert alone.state.ended is not None
    assert (alone.state.ended.status, alone.state.ended.reason) == ("paused", "1 paused: a")


# -- retry ------------------------------------------------------------------------------------------------------


def failed(team: str = TEAM) -> Story:
    story = Story(team)
    story.end("plan", failure=FailureClass.FATAL)
    return story


def test_a_retry_takes_along_what_was_skipped_because_of_it() -> None:
    story = failed()
    assert ask(story, "retry", steps_args(["plan"])).startswith("retrying plan, and then build, test")
    assert [story.status(name) for name in ("plan", "build", "test", "off")] == [
        "running",
        "pending",
        "pending",
        "skipped",
    ]
    newest = story.state.steps["plan"].attempts[-1]
    assert (newest.number, newest.cause) == (2, "retry")


def test_what_ran_to_its_end_is_done_again_only_downstream() -> None:
    for downstream in (False, True):
        story = Story(TEAM)
        story.end("plan")
        story.end("build", failure=FailureClass.FATAL)
        story.end("after")
        assert story.status("after") == "succeeded"
        ask(story, "retry", steps_args(None, downstream=downstream))
        assert story.status("after") == ("pending" if downstream else "succeeded")


def test_what_waits_to_be_tried_again_is_tried_at_once() -> None:
    story = Story(TEAM)
    story.end("plan")
    ended(story, "build", 1, Failed(FailureClass.EXIT, "b exited 1"))
    assert story.status("build") == "queued"
    assert ask(story, "retry", steps_args(["build"])) == "retrying build"
    assert story.status("build") == "running"


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("plan", "plan has not failed (succeeded): `teamflow relaunch plan` does it again"),
        ("test", "test was skipped because build failed: retry that, and it comes along"),
        ("off", "off was skipped by its own `if`"),
        ("gate", "gate has not failed: it waits for an answer, see `teamflow inbox`"),
        ("nobody", "there is no step nobody"),
    ],
)
def test_what_cannot_be_retried(step: str, why: str) -> None:
    story = Story(TEAM)
    story.end("plan")
    story.end("build", failure=FailureClass.FATAL)
    before = story.state.seq
    assert ask(story, "retry", steps_args([step])) == f"no: {why}"
    assert ask(story, "retry", steps_args(["build", step])) == f"no: {why}", "all or nothing"
    assert story.state.seq == before


# -- relaunch ---------------------------------------------------------------------------------------------------


def relaunch(story: Story, step: str, **changes: object) -> str:
    return ask(story, "relaunch", json.dumps({"step": step, "changes": changes}))


def test_from_any_state() -> None:
    story = Story(TEAM)
    assert relaunch(story, "build") == "relaunching build: it starts when its turn comes"
    assert relaunch(story, "plan") == "relaunching plan: attempt 1 is stopped first"
    ended(story, "plan", 1, Stopped("relaunch"))
    assert [(one.number, one.cause) for one in story.state.steps["plan"].attempts] == [(1, "first"), (2, "relaunch")]
    story.end("plan")
    story.end("build", failure=FailureClass.FATAL)
    assert story.status("test") == "skipped"
    relaunch(story, "plan")
    assert story.status("plan") == "running", "succeeded, and yet anew"
    assert story.status("build") == "failed", "what has ended stays"
    relaunch(story, "build")
    assert [story.status(name) for name in ("build", "test")] == ["pending", "pending"]


def test_what_waits_to_be_tried_again_is_forgotten() -> None:
    story = Story(TEAM)
    story.end("plan")
    ended(story, "build", 1, Failed(FailureClass.EXIT, "b exited 1"))
    relaunch(story, "build")
    assert story.state.backoff == []
    newest = story.state.steps["build"].attempts[-1]
    assert (newest.number, newest.cause, story.status("build")) == (2, "relaunch", "running")


def test_a_late_result_does_not_end_it() -> None:
    story = Story(TEAM)
    relaunch(story, "plan")
    ended(story, "plan", 1, Succeeded(text="late"))
    assert story.status("plan") == "running"
    assert len(story.state.steps["plan"].attempts) == 2


def test_whoever_comes_last_is_obeyed() -> None:
    story = Story(TEAM)
    relaunch(story, "plan")
    ask(story, "cancel", steps_args(["plan"]))
    ended(story, "plan", 1, Stopped("relaunch"))
    assert story.status("plan") == "cancelled"
    other = Story(TEAM)
    ask(other, "cancel", steps_args(["plan"]))
    relaunch(other, "plan")
    ended(other, "plan", 1, Stopped("cancel"))
    assert other.status("plan") == "running"


def test_what_is_changed_holds_for_all_attempts_of_the_run() -> None:
    story = Story(PROMPTS)
    before = story.state.steps["write"].step
    assert relaunch(story, "write", prompt="Else", engine="plain", timeout=90) == (
        "relaunching write (reads; not enforced by a custom engine): attempt 1 is stopped first"
    )
    ended(story, "write", 1, Stopped("relaunch"))
    step = story.state.steps["write"].step
    assert (step.prompt, step.engine, step.model, step.timeout) == ("Else", "plain", None, 90.0)
    assert step.custom == story.state.plan.engines["plain"]
    assert step.inherit_env == ("PLAIN_TOKEN",)
    assert step.key != before.key
    assert story.state.steps["write"].attempts[0].engine == "mine"
    assert story.state.running_by_engine == {"mine": 0, "plain": 1, "command": 1}
    story.end("write")
    relaunch(story, "write", engine="mine", model="large")
    step = story.state.steps["write"].step
    assert (step.prompt, step.engine, step.model) == ("Else", "mine", "large")


@pytest.mark.parametrize(
    ("step", "changes", "why"),
    [
        ("write", {"engine": "min"}, 'write: there is no engine min here; did you mean "mine"?'),
        ("write", {"engine": "command"}, "write: there is no engine command here; there is fenced, free, mine, plain"),
        ("write", {"engine": "scripted"}, "write: engine scripted plays a script, and this step has none"),
        (
            "write",
            {"engine": "free"},
            "write: free cannot be kept from changing files: it neither asks for leave nor has a sandbox",
        ),
        ("write", {"prompt": " \n"}, "write: the prompt is empty"),
        ("write", {"timeout": 0}, "write: a timeout is a duration above 0, such as 30m"),
        ("write", {"engine": "plain", "model": "x"}, "write: engine plain takes no model"),
        ("write", {"colour": "red"}, "write: there is nothing called colour to change"),
        ("lint", {"prompt": "x"}, "lint: it is no prompt, so it takes a timeout alone, and no prompt"),
        ("nobody", {}, "there is no step nobody"),
    ],
)
def test_changes_are_checked_before_anything_is_stopped(step: str, changes: dict[str, object], why: str) -> None:
    story = Story(PROMPTS)
    before = story.state.seq
    assert relaunch(story, step, **changes) == f"no: {why}"
    assert story.state.seq == before
    assert stopping(story, "write") is None


def test_a_variant_is_held_to_what_its_engine_can_keep() -> None:
    team = PROMPTS.replace("engines:\n", "engines:\n  local: {engine: claude, base_url: 'http://h:1', model: m}\n")
    story = Story(team)
    step, plan = story.state.steps["write"].step, story.state.plan
    for changes in ({"engine": "local"}, {"engine": "local", "model": "other"}):
        assert checked(step, changes, plan, {"claude": ENGINES["fenced"]}) == changes
    found = checked(step, {"engine": "local"}, plan, {"claude": ENGINES["free"]})
    assert isinstance(found, str)
    assert found.startswith("claude cannot be kept from changing files")


# -- agents for their steps, progress ---------------------------------------------------------------------------

MATRIX = """
agents:
  build: {command: b, matrix: {x: [one, two, three]}}
"""


def test_an_agent_stands_for_those_of_its_steps_that_may() -> None:
    story = Story(MATRIX)
    story.end("build/two")
    assert ask(story, "pause", steps_args(["build"])) == "pausing build/one, build/three"
    assert ask(story, "retry", steps_args(["build"])).startswith("no: build/one has not failed")
    assert ask(story, "relaunch", json.dumps({"step": "build"})).startswith(
        "no: build stands for its instances: name one"
    )


def test_progress_is_cut_and_only_of_the_attempt_that_runs() -> None:
    story = Story(TEAM)
    assert ask(story, "progress", progress_args("plan", 1, 250, "nearly")) == "recorded"
    assert story.state.steps["plan"].progress == (100.0, "nearly")
    assert ask(story, "progress", progress_args("plan", 1, None, "more")) == "recorded"
    assert ask(story, "progress", progress_args("plan", 2, 5, "")) == "no: plan: attempt 2 does not run any more"
    assert ask(story, "progress", progress_args("nobody", 1, 5, "")) == "no: there is no step nobody"
    assert ask(story, "progress", '{"step": "plan", "attempt": 1, "percent": "x", "text": ""}').startswith(
        "no: the request"
    )


def test_nothing_is_paused_after_the_end() -> None:
    story = Story("agents: {a: {command: a}}")
    story.end("a")
    assert ask(story, "pause", steps_args(None)) == "no: the run has ended (succeeded)"
    assert ask(story, "pause", steps_args(["a"])) == "no: a has ended (succeeded)"
    assert ask(story, "cancel", steps_args(None)) == "no: the run has ended (succeeded)"
    story.tell(RunPaused("ana"))
    assert story.state.ended is not None


def test_another_engine_may_take_over_where_it_keeps_what_the_step_may_not() -> None:
    story = Story(PROMPTS)
    assert relaunch(story, "write", engine="fenced").startswith("relaunching write")
    assert story.state.steps["write"].step.engine == "fenced"
    servers = PROMPTS.replace("prompt: Write,", "prompt: Write, mcp_servers: {notes: {command: x}}, isolate: true,")
    said = relaunch(Story(servers), "write", engine="fenced")
    assert "fenced cannot be given the MCP server notes (stdio): it takes http" in said
    assert "fenced cannot be started without your own settings and memory" in said


FREE = "not enforced by a custom engine"


def test_it_says_that_a_program_of_the_team_keeps_no_permissions() -> None:
    """In the words of `plan`."""
    fenced = PROMPTS.replace("permissions: read", "permissions: {run: [git], net: deny}")
    said = relaunch(Story(fenced), "write", engine="mine")
    assert said == f"relaunching write (edits; runs git; no network; {FREE}): attempt 1 is stopped first"
    assert relaunch(Story(PROMPTS), "write", engine="mine").startswith(f"relaunching write (reads; {FREE}): ")
    full = PROMPTS.replace("permissions: read", "permissions: full")
    assert FREE not in relaunch(Story(full), "write", engine="mine")
    assert FREE not in relaunch(Story(fenced), "write", prompt="Write more.")


def test_another_engine_is_asked_for_its_own_model() -> None:
    """The one that an earlier relaunch has named is of the engine that it was named for."""
    story = Story(PROMPTS)
    relaunch(story, "write", model="large")
    ended(story, "write", 1, Stopped("relaunch"))
    relaunch(story, "write", engine="plain")
    ended(story, "write", 2, Stopped("relaunch"))
    step = story.state.steps["write"].step
    assert (step.engine, step.model) == ("plain", None)
    assert story.status("write") == "running"


def test_a_relaunch_tells_all_again() -> None:
    story = Story(PROMPTS)
    story.tell(MessageSent(("write",), "ana", "leave the database alone"))
    for number in (1, 2, 3):
        relaunch(story, "write")
        ended(story, "write", number, Stopped("relaunch"))
        newest = story.state.steps["write"].attempts[-1]
        assert (newest.number, newest.heard_from, newest.told_from) == (number + 1, 0, 1)
    assert [message.text for message in story.state.steps["write"].messages] == ["leave the database alone"]


def test_what_is_held_back_without_a_runner_is_shown_so() -> None:
    story = Story(TEAM)
    story.tell(PauseRequested(("plan",), "ana"))
    ended(story, "plan", 1, Stopped("pause"))
    state = story.state
    now = Now("boot", 1.0, 1.0)
    state.steps["build"].pause = Pause("ana", freeze=False)
    held = wait_of(state, state.steps["build"], now, gone=True)
    assert held is not None
    assert "paused by ana" in held.detail
    state.steps["plan"].pause = None
    resumed = wait_of(state, state.steps["plan"], now, gone=True)
    assert resumed is not None
    assert resumed.detail.startswith("resumed; no runner works on this run")


def test_a_pause_after_a_relaunch_holds() -> None:
    story = Story(TEAM)
    relaunch(story, "plan")
    ask(story, "pause", steps_args(["plan"]))
    ended(story, "plan", 1, Stopped("relaunch"))
    assert story.status("plan") == "waiting"
    assert [one.number for one in story.state.steps["plan"].attempts] == [1]
    ask(story, "resume", steps_args(["plan"]))
    assert story.state.steps["plan"].attempts[-1].cause == "relaunch"


def test_a_retry_lets_go_of_one_that_was_paused_meanwhile() -> None:
    """Without a runner a paused step may still be queued for its next attempt."""
    story = Story(TEAM)
    story.end("plan")
    story.end("build", failure=FailureClass.EXIT)
    known = story.state.steps["build"]
    known.pause = Pause("ana", freeze=False)
    story.state.held.add("build")
    assert ask(story, "retry", steps_args(["build"])) == "retrying build"
    assert (story.status("build"), known.pause) == ("running", None)


def test_what_was_skipped_is_not_relaunched_in_vain() -> None:
    story = Story(TEAM)
    story.end("plan", failure=FailureClass.FATAL)
    assert story.status("build") == "skipped"
    assert relaunch(story, "build") == "no: build was skipped because plan failed: retry that, and it comes along"


@pytest.mark.parametrize("timeout", [1e300, 10**400, float("inf"), 11 * 365 * 86_400])
def test_a_timeout_has_an_end(timeout: float) -> None:
    story = Story(TEAM)
    assert relaunch(story, "gate", timeout=timeout).startswith("no: gate: a timeout is a duration above 0")


def test_many_are_resumed_together() -> None:
    names = [f"s{number}" for number in range(300)]
    story = Story("agents:\n" + "".join(f"  {name}: {{command: x}}\n" for name in names), parallel=1)
    ask(story, "pause", steps_args(names))
    ended(story, "s0", 1, Stopped("pause"))
    assert {story.status(name) for name in names} == {"waiting"}
    before = len(story.events)
    ask(story, "resume", steps_args(names))
    reopened = [event for event in story.events[before:] if isinstance(event, Reopened)]
    assert [len(event.steps) for event in reopened] == [300]
