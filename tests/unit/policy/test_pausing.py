"""A run that is paused at its terminal: nothing new starts, until it goes on or somebody else runs it."""

from __future__ import annotations

from teamflow.core.events import RunEnded, RunnerStarted, RunPaused, RunResumed
from tests.unit.policy.test_expand import Story

TEAM = "agents: {a: {command: a}, b: {command: b, depends_on: [a]}}"


def test_nothing_new_starts_while_it_is_paused() -> None:
    story = Story(TEAM)
    story.tell(RunPaused("you"))
    story.end("a")
    assert (story.status("a"), story.status("b"), story.state.ended) == ("succeeded", "queued", None)
    story.tell(RunResumed("you"))
    assert story.status("b") == "running"


def test_the_next_runner_goes_on() -> None:
    story = Story(TEAM)
    story.tell(RunPaused("you"))
    story.end("a")
    story.tell(RunnerStarted("boot", 2, 9, resumed=True))
    assert story.status("b") == "running"


def test_pausing_what_has_ended_ends_nothing_anew() -> None:
    story = Story(TEAM)
    story.end("a")
    story.end("b")
    assert story.tell(RunPaused("you")) == []
    assert isinstance(story.state.ended, RunEnded)
