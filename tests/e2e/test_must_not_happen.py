"""What other orchestrators are known to do wrong, each as a test named after what must not happen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from teamflow.core.events import AttemptEnded, Now, StepEnded
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded
from teamflow.core.requested import CancelRequested
from teamflow.policy.control import steps_args
from teamflow.policy.granting import Asker, Granted
from teamflow.policy.requests import granted
from teamflow.run.brief import make_brief
from teamflow.run.place import Place
from tests.e2e.tool import Project, until
from tests.fakes.story import Story

AGENT = """
engines: {mine: {command: [mine], output: json, message: text, session: id, resume: [--resume, "{{ session }}"]}}
personas: {careful: {instructions: Be careful., engine: mine}}
agents:
  build: {persona: careful, prompt: Build it., permissions: read, retry: {attempts: 1}}
"""


def ask(story: Story, verb: str, args: str) -> None:
    found = granted(story.state, verb, args, Asker("ana@box", 1, Now("boot", 1.0, 1.0)))
    assert isinstance(found, Granted), found
    story.tell(*found.events)


def prompt(story: Story) -> str:
    known = story.state.steps["build"]

    brief = make_brief(story.state, known, known.attempts[-1], cwd="/", log_limit=None, place=Place("/", "/run", {}))
    return "\n".join((brief.instructions, brief.prompt or "", brief.notice, *brief.messages))


def test_ten_retries_do_not_grow_the_prompt() -> None:
    story, sizes = Story(AGENT), []
    for _ in range(11):
        number = len(story.state.steps["build"].attempts)
        story.tell(AttemptEnded("build", number, Failed(FailureClass.EXIT, "the same again", exit_code=1)))
        ask(story, "retry", steps_args(["build"]))
        sizes.append(len(prompt(story)))
    assert len(story.state.steps["build"].attempts) == 12
    assert set(sizes) == {sizes[0]}
    assert prompt(story).count("the same again") == 1
    assert prompt(story).count("Be careful.") == 1


def test_ten_relaunches_do_not_grow_the_prompt() -> None:
    story, sizes = Story(AGENT), []
    ask(story, "tell", steps_args(["build"], text="mind the gap"))
    for _ in range(10):
        ask(story, "relaunch", json.dumps({"step": "build", "changes": {"prompt": "Build it."}}))
        story.tell(AttemptEnded("build", len(story.state.steps["build"].attempts), Stopped("relaunch")))
        sizes.append(len(prompt(story)))
    assert max(sizes) <= len("Be careful.\nBuild it.\n\nMessage from ana@box:\nmind the gap")


def test_a_resume_does_not_lose_engine_persona_and_session() -> None:
    story = Story(AGENT)
    ask(story, "pause", steps_args(["build"]))
    story.tell(AttemptEnded("build", 1, Stopped("pause", session="s7")))
    ask(story, "resume", steps_args(["build"]))
    known = story.state.steps["build"]
    live = known.attempts[-1]
    brief = make_brief(story.state, known, live, cwd="/", log_limit=None, place=Place("/", "/run", {}))
    assert (live.engine, brief.session, brief.instructions, brief.prompt) == ("mine", "s7", "Be careful.", "Build it.")


def test_a_session_that_cannot_go_on_is_not_started_without_a_word() -> None:
    story = Story(AGENT)
    ask(story, "pause", steps_args(["build"]))
    story.tell(AttemptEnded("build", 1, Stopped("pause")))
    ask(story, "resume", steps_args(["build"]))
    assert "An earlier attempt was stopped before it was done. What it printed is in /run/logs/build.1.log" in prompt(
        story
    )


def test_a_late_success_does_not_revive_what_was_cancelled() -> None:
    story = Story(AGENT)
    ask(story, "cancel", steps_args(["build"]))
    story.tell(AttemptEnded("build", 1, Succeeded(text="late, but done")))
    known = story.state.steps["build"]
    assert story.status("build") == "cancelled"
    assert isinstance(known.attempts[0].outcome, Succeeded), "what it gave is kept on the attempt"


def test_cancelled_is_not_failed_first() -> None:
    story = Story(AGENT)
    ask(story, "cancel", steps_args(["build"]))
    told = story.tell(AttemptEnded("build", 1, Stopped("cancel", signal=15)))
    assert [event.status for event in told if isinstance(event, StepEnded)] == ["cancelled"]


def test_a_message_to_what_has_ended_is_not_taken_for_heard() -> None:
    story = Story(AGENT)
    story.end("build")
    found = granted(story.state, "tell", steps_args(["build"], text="x"), Asker("ana", 1, Now("boot", 1.0, 1.0)))
    assert found == "build has ended (succeeded): `teamflow relaunch build` starts it anew"


def test_a_dependent_does_not_wait_for_ever_for_what_was_cancelled() -> None:
    story = Story(
        "agents: {a: {command: a}, b: {command: b, depends_on: [a]}, c: {command: c, depends_on: {b: finished}}}"
    )
    story.tell(CancelRequested(("a",), "ana"))
    story.tell(AttemptEnded("a", 1, Stopped("cancel")))
    assert (story.status("b"), story.reason("b")) == ("skipped", "a was cancelled")
    assert story.status("c") == "running"


@pytest.mark.slow
def test_a_waiter_is_not_left_when_what_is_pending_is_cancelled() -> None:
    team = "agents: {a: {command: ./work agent 0 60, grace: 100ms}, b: {depends_on: [a], command: ./work agent 0}}"
    with Project(team) as project:
        assert project.call("run", "-d").code == 0
        until(lambda: project.begun("a"), "it begins")
        waiting = project.start("wait", "b")
        until(lambda: waiting.has_open(project.layout.database), "it waits")
        assert project.call("cancel", "b").code == 0
        done = waiting.wait()
        assert (done.code, done.out) == (1, "b: cancelled\n")
        project.call("cancel", "--all")


@pytest.mark.slow
def test_a_purge_does_not_take_what_another_run_needs(tmp_path: Path) -> None:
    team = """
agents:
  a:
    command: ./work agent 0 && echo made > made.txt
    reads: [source.txt]
    cache: true
    outputs: {made: {file: made.txt}}
"""
    with Project(team, files={"source.txt": "x"}) as project:
        assert project.run().code == 0
        (project.root / "made.txt").unlink()
        assert project.run("--new").code == 0
        assert project.statuses(2) == {"a": "cached"}
        assert project.call("rm", "1", "--purge").code == 0
        (project.root / "made.txt").unlink()
        assert project.run("--new").code == 0
        assert (project.root / "made.txt").read_text() == "made\n"
        assert project.call("why", "a", "-r", "2").code == 0


@pytest.mark.slow
def test_a_cancelled_step_is_not_forgotten_by_hooks() -> None:
    team = """
hooks: {after_step: 'echo "$TEAMFLOW_STEP $TEAMFLOW_STATUS" >> told'}
agents:
  a: {command: ./work agent 0 60, grace: 100ms}
"""
    with Project(team) as project:
        assert project.call("run", "-d").code == 0
        until(lambda: project.begun("a"), "it begins")
        project.call("cancel", "a")
        told = project.root / "told"
        until(lambda: told.exists() and told.read_text() == "a cancelled\n", "the hook is told")
        assert project.gone()
