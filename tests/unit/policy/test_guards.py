"""Guards: work that goes round in circles is stopped, and somebody is asked."""

from __future__ import annotations

import pytest

from teamflow.core.events import AttemptEnded, AttemptStarted, Event, QuestionAnswered, QuestionAsked
from teamflow.core.guarding import GuardTripped, gist
from teamflow.core.outcome import Failed, FailureClass, Stopped, Usage
from teamflow.core.requested import MessageSent, PauseRequested, ResumeRequested
from teamflow.policy.control import tell
from teamflow.policy.granting import Asker
from tests.fakes.story import Story

TEAM = """
engines: {alpha: {command: [alpha]}}
defaults: {permissions: read, workspace: {mode: shared}}
agents:
"""


def one(keys: str) -> Story:
    return Story(f"{TEAM}  work: {{engine: alpha, prompt: Work, {keys}}}\n")


def fail(told: Story, reason: str, failure: FailureClass = FailureClass.EXIT, detail: str = "") -> list[Event]:
    number = len(told.state.steps["work"].attempts)
    return told.tell(AttemptEnded("work", number, Failed(failure, reason, detail=detail)))


def asks(event: Event) -> bool:
    return isinstance(event, QuestionAsked)


def asked(events: list[Event]) -> str:
    (event,) = [event for event in events if isinstance(event, QuestionAsked)]
    assert event.about == "guard"
    return event.text


def test_the_same_failure_again_and_again() -> None:
    told = one("retry: {attempts: 9, delay: 1s}")
    for number in (1, 2):
        fail(told, f"the agent exited 1 after {number} s, at 0x7ffe{number}")
        told.wait(1.0)
    found = fail(told, "the agent exited 1 after 3 s, at 0x7ffe3")
    assert asked(found) == (
        "it has failed 3 times in the same way: the agent exited 1 after 3 s, at 0x7ffe3. May it go on?"
    )
    assert told.status("work") == "waiting"
    found = told.tell(QuestionAnswered(1, "go on", "ann"))
    begun = found[-1]
    assert isinstance(begun, AttemptStarted)
    assert (begun.cause, begun.attempt) == ("retry", 4)
    for _ in range(2):
        assert not [event for event in fail(told, "the agent exited 1") if isinstance(event, QuestionAsked)]
        told.wait(10.0)
    assert asked(fail(told, "the agent exited 1")), "counted anew"
    told.tell(QuestionAnswered(2, "stop", "ann"))
    assert told.status("work") == "failed"
    assert told.reason("work") == "stopped by ann"


def test_other_failures_in_between_are_something_new() -> None:
    told = one("retry: {attempts: 9, delay: 1s}")
    for reason in ("red", "red", "green", "red", "red"):
        assert not [event for event in fail(told, reason) if isinstance(event, QuestionAsked)], reason
        told.wait(60.0)
    assert asked(fail(told, "red"))


def test_what_differs_in_what_failed_is_something_new() -> None:
    told = one("retry: {attempts: 9, delay: 1s}, verify: [test]")
    for name in ("parser", "lexer", "printer", "parser"):
        assert not [e for e in fail(told, "verify: `test` exited 1", FailureClass.VERIFY, name) if asks(e)]
    assert not [e for e in fail(told, "verify: `test` exited 1", FailureClass.VERIFY, "parser") if asks(e)]
    assert asked(fail(told, "verify: `test` exited 1", FailureClass.VERIFY, "parser"))


@pytest.mark.parametrize("keys", ["guards: {same_failure: 0}, retry: {attempts: 5, delay: 1s}", "retry: {attempts: 2}"])
def test_where_it_is_off_or_never_reached_it_fails_as_ever(keys: str) -> None:
    told = one(keys)
    for _ in range(5):
        if told.status("work") == "running":
            fail(told, "the agent exited 1")
        told.wait(60.0)
    assert told.status("work") == "failed"
    assert told.asked == []


def test_commands_are_not_looked_at_unasked() -> None:
    told = Story("agents:\n  work: {command: make, retry: {attempts: 5, delay: 1s}}\n")
    for _ in range(5):
        fail(told, "`make` exited 2")
        told.wait(60.0)
    assert told.status("work") == "failed"


def test_trouble_of_the_service_has_its_own_allowance() -> None:
    told = one("retry: {attempts: 2, delay: 1s}")
    for _ in range(5):
        fail(told, "overloaded", FailureClass.TRANSIENT)
        told.wait(60.0)
    assert told.asked == []


def test_no_progress_is_asked_about_and_no_failure() -> None:
    told = one("guards: {no_progress: 10m}, retry: {attempts: 3}")
    assert asked(fail(told, "the agent gave no output for 10m and was stopped", FailureClass.IDLE))
    told = one("guards: {no_progress: 10m}, idle_timeout: 1m, retry: {attempts: 3}")
    assert not [event for event in fail(told, "idle", FailureClass.IDLE) if isinstance(event, QuestionAsked)]


def test_a_tripped_attempt_is_stopped_and_goes_on_with_its_session() -> None:
    told = one("guards: {turns: 5}")
    found = told.tell(GuardTripped("work", 1, "it has taken 5 turns"))
    assert [type(event).__name__ for event in found] == ["AttemptStopping"]
    found = told.tell(AttemptEnded("work", 1, Stopped("guard", session="s1")))
    assert asked(found) == "it has taken 5 turns. May it go on?"
    found = told.tell(QuestionAnswered(1, "go on", "ann"))
    begun = found[-1]
    assert isinstance(begun, AttemptStarted)
    assert (begun.cause, begun.continues) == ("resume", 1)


def test_a_success_in_spite_of_a_guard_is_one() -> None:
    told = one("guards: {turns: 5}")
    told.tell(GuardTripped("work", 1, "it has taken 5 turns"))
    told.end("work")
    assert told.status("work") == "succeeded"


# -- several ---------------------------------------------------------------------------------------------------------

TWO = f"{TEAM}  a: {{engine: alpha, prompt: A, guards: {{ping_pong: 5}}}}\n  b: {{engine: alpha, prompt: B}}\n"


def say(told: Story, sender: str, to: str) -> list[Event]:
    return told.tell(MessageSent((to,), sender, "hm", sender))


def test_messages_to_and_fro() -> None:
    told = Story(TWO)
    for _ in range(2):
        assert say(told, "a", "b") == []
        assert say(told, "b", "a") == []
    found = say(told, "a", "b")
    assert [type(event).__name__ for event in found] == ["AttemptStopping"]
    found = told.tell(AttemptEnded("a", 1, Stopped("guard")))
    assert asked(found) == "it and b have told each other something 5 times in turn (guards.ping_pong). May it go on?"


def test_one_that_only_tells_is_no_ping_pong() -> None:
    told = Story(TWO)
    for _ in range(20):
        assert say(told, "a", "b") == []


def test_a_word_of_a_person_begins_anew() -> None:
    told = Story(TWO)
    for _ in range(2):
        say(told, "a", "b")
        say(told, "b", "a")
    told.tell(MessageSent(("b",), "ann", "enough"))
    assert say(told, "a", "b") == []


LOOP = f"""{TEAM}
  build: {{engine: alpha, prompt: B, loop: null}}
  review:
    engine: alpha
    prompt: R
    depends_on: [build]
    outputs: {{tasks: array}}
    loop: {{until: outputs.tasks | length == 0, max: 9, rework: build}}
""".replace(", loop: null", "")


def test_a_loop_that_finds_the_same_round_after_round() -> None:
    told = Story(LOOP)
    for tasks in (["one"], ["two"], ["two"]):
        told.end("build")
        told.end("review", tasks)
        assert told.status("build") == "running", tasks
    told.end("build")
    assert asked(told.end("review", ["two"])) == (
        "it has found the same in 3 rounds one after the other. May it go on?"
    )
    told.tell(QuestionAnswered(1, "go on", "ann"))
    told.end("review", ["two"])
    assert told.status("build") == "running", "it looks again, and goes on from there"


@pytest.mark.parametrize(
    ("one", "other"),
    [("at line 12", "at line  345"), ("commit 1a2b3c4d5e", "commit 99ffab01"), ("Took 1.5s", "took 20.25s")],
)
def test_what_differs_every_time_does_not_count(one: str, other: str) -> None:
    assert gist(one) == gist(other)


def test_words_count() -> None:
    assert gist("expected a") != gist("expected b")


# -- what a review found ---------------------------------------------------------------------------------------------


def test_go_on_keeps_feedback_session_round_and_budget() -> None:
    team = LOOP.replace("prompt: B", "prompt: B, verify: [test], retry: {attempts: 9}, budget: {usd: 2}")
    told = Story(team)
    told.end("build")
    told.end("review", ["one"])
    known = told.state.steps["build"]
    before = known.feedback
    assert before is not None
    for _ in range(3):
        failed = Failed(FailureClass.VERIFY, "verify: x", session="s9", usage=Usage(1, 1, 0.4))
        told.tell(AttemptEnded("build", len(known.attempts), failed))
    begun = told.tell(QuestionAnswered(1, "go on", "ann"))[-1]
    assert isinstance(begun, AttemptStarted)
    assert (begun.cause, begun.continues) == ("retry", 4)
    assert begun.usd == pytest.approx(0.8)
    assert (known.feedback, known.round) == (before, 1)


def test_no_progress_is_asked_about_without_another_attempt_too() -> None:
    told = one("guards: {no_progress: 10m}, retry: {attempts: 1}")
    assert asked(fail(told, "idle", FailureClass.IDLE))
    begun = told.tell(QuestionAnswered(1, "go on", "ann"))[-1]
    assert isinstance(begun, AttemptStarted)
    assert begun.continues == 1


def test_a_pause_does_not_swallow_the_question() -> None:
    told = one("guards: {turns: 5}")
    told.tell(GuardTripped("work", 1, "it has taken 5 turns"))
    told.tell(PauseRequested(("work",), "ann"))
    assert asked(told.tell(AttemptEnded("work", 1, Stopped("guard"))))
    told.tell(QuestionAnswered(1, "go on", "ann"))
    assert told.status("work") == "waiting", "it is paused as well"
    found = told.tell(ResumeRequested(("work",), "ann"))
    assert isinstance(found[-1], AttemptStarted)


def test_who_tells_all_does_not_tell_itself() -> None:
    told = Story(TWO)
    for _ in range(20):
        granted = tell(told.state, {"steps": None, "text": "hm", "sender": "a"}, Asker("a", 1, told.now))
        assert not isinstance(granted, str)
        told.tell(*granted.events)
    assert told.state.steps["a"].messages == []
    assert told.status("a") == "running"


def test_an_agent_that_keeps_to_its_turns_itself_is_asked_about_as_well() -> None:
    told = one("guards: {turns: 4}")
    found = told.tell(AttemptEnded("work", 1, Stopped("guard", session="s")))
    assert asked(found) == "it has taken 4 turns and wants another (guards.turns). May it go on?"
    assert told.status("work") == "waiting"
