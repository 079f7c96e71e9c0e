"""Runs that are paused or stopped, and the sessions that go on with them: what holds on and what does not."""

from __future__ import annotations

from teamflow.core.events import AttemptEnded, RunEnded, RunnerStarted
from teamflow.core.outcome import FailureClass, Stopped
from teamflow.core.requested import RunPaused, RunResumed, StopRequested
from tests.fakes.story import Story

TEAM = "agents: {a: {command: a}, b: {command: b, depends_on: [a]}}"


def test_nothing_new_starts_while_it_is_paused() -> None:
    story = Story(TEAM)
    story.tell(RunPaused("you"))
    story.end("a")
    assert (story.status("a"), story.status("b"), story.state.ended) == ("succeeded", "queued", None)
    story.tell(RunResumed("you"))
    assert story.status("b") == "running"


def test_it_stays_paused_with_the_next_runner() -> None:
    story = Story(TEAM)
    story.tell(RunPaused("you"))
    story.end("a")
    story.tell(RunnerStarted("boot", 2, 9, resumed=True))
    assert (story.status("b"), story.state.ended) == ("queued", None)
    story.tell(RunResumed("you"))
    assert story.status("b") == "running"


def test_who_may_not_wait_ends_paused() -> None:
    story = Story(TEAM, no_input=True)
    story.tell(RunPaused("you"))
    story.end("a")
    ended = story.state.ended
    assert ended is not None
    assert (ended.status, ended.exit_reason, ended.reason) == ("paused", "needs_person", "paused by you")


def test_pausing_what_has_ended_ends_nothing_anew() -> None:
    story = Story(TEAM)
    story.end("a")
    story.end("b")
    assert story.tell(RunPaused("you")) == []
    assert isinstance(story.state.ended, RunEnded)


def test_fail_fast_leaves_nothing_that_was_interrupted_before() -> None:
    story = Story("agents: {a: {command: a}, b: {command: b}}")
    story.tell(StopRequested("SIGINT", "Ctrl-C"))
    story.tell(RunnerStarted("boot", 2, 9, fail_fast=True, resumed=True))
    story.end("b", failure=FailureClass.FATAL)
    story.tell(AttemptEnded("a", 1, Stopped("interrupt")))
    assert (story.status("a"), story.status("b")) == ("cancelled", "failed")
    assert isinstance(story.state.ended, RunEnded)
