"""What ACP agents tell while they work and what it comes to; whatever else they send is passed over or refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teamflow.core.invocation import (
    Asked,
    Called,
    Progress,
    Returned,
    Said,
    Spent,
)
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded, Usage
from tests.unit.engines.acp_talk import BRIEF, Talk


def test_calls_are_told_once_with_their_input() -> None:
    talk = Talk().begin()
    talk.update("tool_call", toolCallId="t", kind="execute", title="Bash", status="pending", rawInput={"cwd": "/w"})
    assert talk.each(Called) == []
    for text in ("first words", "other words"):
        talk.update("tool_call_update", toolCallId="t", title=text, rawInput={"command": "ls"}, status="in_progress")
    talk.update("tool_call_update", toolCallId="t", status="completed")
    talk.update("tool_call_update", toolCallId="t", status="failed")
    talk.update("tool_call", toolCallId="u", kind="execute", title="Bash", status="failed", rawInput={"command": "ls"})
    assert [type(event) for event in talk.events[1:]] == [Called, Returned, Called, Returned]
    first, second = talk.each(Called)
    assert (first.what, first.id, second.id) == (second.what, "t", "u")


def test_a_call_that_is_open_at_the_end_has_ended() -> None:
    talk = Talk().begin()
    talk.update("tool_call", toolCallId="t", kind="read", title="Read a", status="in_progress")
    talk.result(stopReason="end_turn")
    assert talk.each(Returned) == [Returned("t")]
    assert isinstance(talk.close(), Succeeded)


def test_messages_end_where_something_else_begins() -> None:
    talk = Talk().begin()
    talk.say("one ")
    talk.update("usage_update", used=1, size=2)
    talk.say("more")
    talk.update("tool_call", toolCallId="t", title="x", status="in_progress")
    talk.say("two", messageId="m")
    talk.update("agent_thought_chunk", content={"type": "text", "text": "hm"})
    talk.say(" and on", messageId="m")
    talk.say("three", messageId="n")
    talk.say("", messageId="o")
    talk.update("agent_message_chunk", content={"type": "image", "data": "x"})
    talk.result(stopReason="end_turn")
    assert [event.text for event in talk.each(Said)] == ["one more", "two", " and on", "three"]
    outcome = talk.close()
    assert isinstance(outcome, Succeeded)
    assert outcome.text == "three"


def test_one_that_asks_its_model_for_ever_is_given_up() -> None:
    """opencode makes its prompt shorter until it fits, if it never does, and says each summary."""
    talk = Talk().begin()
    for number in range(70):
        talk.say("side ", messageId=f"m{number}")
        talk.say("answer", messageId=f"m{number}")
    failed = talk.failed(cause="finished", code=None)
    assert failed.failure is FailureClass.FATAL
    assert "again and again" in failed.reason
    assert talk.ended


def test_one_that_works_or_is_told_things_may_say_what_it_likes() -> None:
    talk = Talk().begin()
    for number in range(200):
        talk.say("so", messageId=f"m{number}")
        talk.say("no name")
        if number % 50 == 0:
            talk.update("tool_call", toolCallId=f"t{number}", title="x", status="completed")
    talk.result(stopReason="end_turn")
    assert isinstance(talk.close(), Succeeded)


def test_a_plan_is_progress() -> None:
    talk = Talk().begin()
    entries = [
        {"content": "a", "status": "completed"},
        {"content": "b", "status": "in_progress"},
        {"content": "c", "status": "pending"},
        None,
    ]
    talk.update("plan", entries=entries)
    talk.update("plan", entries="odd")
    assert talk.each(Progress) == [Progress(33.3, "b")]


def test_what_is_used_is_a_total_and_unknown_where_it_is_not_told() -> None:
    usage = {"inputTokens": 5, "outputTokens": 1, "cachedReadTokens": 2}
    totals = {"claude-agent-acp": Usage(7, 1), "copilot": Usage(5, 1), "opencode": None, "goose": None}
    for name, expected in totals.items():
        talk = Talk(name).begin()
        talk.say("x")
        talk.result(stopReason="end_turn", usage=usage)
        assert talk.close().usage == expected
    talk = Talk("opencode").begin()
    for amount in (0.5, 0.5, 0.75, True, -1, "x", None, 1e300):
        talk.update("usage_update", used=1, cost={"amount": amount, "currency": "USD"})
    talk.update("usage_update", used=1, cost={"amount": 9, "currency": "EUR"})
    assert [event.usage.usd for event in talk.each(Spent)] == [0.5, 0.75]


def test_told_while_it_works_is_heard_before_the_end() -> None:
    talk = Talk("claude-agent-acp").begin()
    told = talk.session.tell("more")
    talk.write(told)
    talk.take(talk.session.took(told or ""))
    assert talk.last()["params"]["prompt"] == [{"type": "text", "text": "more"}]
    talk.send({"id": 3, "result": {"stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 1}}})
    assert not talk.ended
    assert talk.failed().failure is FailureClass.CRASH
    talk.say("done")
    talk.send({"id": 4, "result": {"stopReason": "end_turn", "usage": {"inputTokens": 2, "outputTokens": 3}}})
    assert talk.ended
    assert talk.close().usage == Usage(3, 4)
    assert talk.session.tell("late") is None


def test_a_prompt_is_never_a_command_of_the_agents() -> None:
    talk = Talk(brief=BRIEF._replace(prompt="/clear everything", context="")).begin()
    assert talk.last()["params"]["prompt"][0]["text"] == "Your task: /clear everything"


@pytest.mark.parametrize(
    ("stop", "failure"),
    [
        ("refusal", FailureClass.REJECTED),
        ("max_tokens", FailureClass.FATAL),
        ("max_turn_requests", FailureClass.FATAL),
        ("cancelled", FailureClass.CANCELLED),
        ("something new", FailureClass.FATAL),
        (None, FailureClass.FATAL),
        (3, FailureClass.FATAL),
    ],
)
def test_ends_of_a_turn_that_are_no_success(stop: Any, failure: FailureClass) -> None:
    talk = Talk().begin()
    talk.say("x")
    talk.result(stopReason=stop)
    assert talk.failed().failure is failure


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ((-32603, "Internal error", {"errorKind": "authentication_failed"}), FailureClass.AUTH),
        ((-32603, "Internal error: API Error: 529 overloaded", {"errorKind": "unknown"}), FailureClass.TRANSIENT),
        ((-32603, "Internal error", {"errorKind": "billing_error"}), FailureClass.USAGE_EXHAUSTED),
        ((-32603, "Internal error", {"details": "fetch failed"}), FailureClass.TRANSIENT),
        ((-32603, "Internal error", {"statusCode": 503}), FailureClass.TRANSIENT),
        ((401, "no key"), FailureClass.AUTH),
        ((429, "Rate limit exceeded. Try again later."), FailureClass.RATE_LIMIT),
        ((429, "You exceeded your current quota"), FailureClass.USAGE_EXHAUSTED),
        ((500, "x"), FailureClass.TRANSIENT),
        ((404, "x"), FailureClass.FATAL),
        ((-32000, "Authentication required"), FailureClass.AUTH),
        ((-32603, "please slow down"), FailureClass.RATE_LIMIT),
        ((None, None, 3), FailureClass.FATAL),
    ],
)
def test_errors_of_the_protocol(error: Any, failure: FailureClass) -> None:
    talk = Talk().begin()
    talk.error(*error)
    assert talk.ended
    assert talk.failed().failure is failure


TRAP = "Error: Authentication failed with provider at http://x/v1 (HTTP 401).\n  Check your COPILOT_PROVIDER_API_KEY."


def test_copilot_ends_its_turn_as_if_all_were_well() -> None:
    talk = Talk("copilot").begin()
    talk.say("Info: Request failed due to a transient API error. Retrying...")
    talk.say(TRAP)
    talk.result(stopReason="end_turn")
    failed = talk.failed()
    assert failed.failure is FailureClass.AUTH
    assert failed.reason.startswith("Error: Authentication failed with provider at http://x/v1 (HTTP 401).")
    assert "copilot login" in failed.reason


def test_copilot_fails_in_the_middle_as_if_all_were_well() -> None:
    talk = Talk("copilot").begin()
    talk.say("I begin.")
    talk.update("tool_call", toolCallId="t", kind="read", title="x", status="completed")
    talk.say("Error: (HTTP 503) overloaded")
    talk.result(stopReason="end_turn")
    assert talk.failed().failure is FailureClass.TRANSIENT


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("Authentication failed (401)", FailureClass.AUTH),
        ("Error: 529 overloaded", FailureClass.TRANSIENT),
        ("API Error: invalid api key", FailureClass.AUTH),
        ("429 Too Many Requests", FailureClass.RATE_LIMIT),
        ("Error handling: the server is overloaded at times, so I would retry.", None),
        ("Authentication failed (401) is what the test expects, and ten more lines say why. " * 30, None),
    ],
)
def test_an_agent_that_swallows_a_failure(text: str, failure: FailureClass | None) -> None:
    talk = Talk().begin()
    talk.say(text)
    talk.result(stopReason="end_turn")
    outcome = talk.close()
    assert (outcome.failure if isinstance(outcome, Failed) else None) is failure


def test_nothing_said_and_nothing_done_is_no_success() -> None:
    talk = Talk().begin()
    talk.result(stopReason="end_turn")
    assert talk.failed() == Failed(
        FailureClass.CRASH,
        "goose ended its turn as if all were well, but said nothing and did nothing",
        exit_code=0,
        session="s1",
    )


def test_the_end_of_the_process_without_an_answer_is_a_crash() -> None:
    assert Talk().begin().failed(code=3).reason == "the agent ended (exit code 3) without an answer to its prompt"
    talk = Talk()
    talk.take(talk.session.feed(b"Welcome!\n"))
    failed = talk.failed(code=41, printed="Invalid auth method selected.\n")
    assert failed.failure is FailureClass.CRASH
    assert "before it opened a session; 1 lines of its output were not understood: Invalid auth" in failed.reason
    assert Talk().failed(code=1, printed="Error: not logged in").failure is FailureClass.AUTH


def test_patterns_are_looked_for_in_the_reason_once_a_session_is_open() -> None:
    talk = Talk().begin()
    talk.error(-32603, "it broke")
    assert talk.failed(printed="the docs say: slow down").failure is FailureClass.FATAL
    assert Talk().failed(code=1, printed="slow down").failure is FailureClass.RATE_LIMIT


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
WORDS = (
    "method", "params", "id", "result", "error", "update", "sessionUpdate", "toolCall", "toolCallId", "options", "kind",
    "optionId", "content", "type", "text", "usage", "cost", "amount", "stopReason", "sessionId", "code", "data",
    "entries", "status", "rawInput", "locations", "path", "_meta", "models", "configOptions", "modes", "title",
)  # fmt: skip
VALUES = (
    "session/update", "session/request_permission", "agent_message_chunk", "tool_call", "tool_call_update", "plan",
    "usage_update", "execute", "edit", "allow_once", "text", "diff", "end_turn", "completed", "s1", "model",
)  # fmt: skip
MESSAGES = st.recursive(
    st.sampled_from(VALUES) | ANY,
    lambda inner: st.dictionaries(st.sampled_from(WORDS), inner, max_size=6) | st.lists(inner, max_size=2),
    max_leaves=25,
)


@pytest.mark.parametrize("name", ["gemini", "copilot"])
@settings(max_examples=30)
@given(
    messages=st.lists(st.dictionaries(st.sampled_from(WORDS), MESSAGES, max_size=6), max_size=6), begun=st.booleans()
)
def test_whatever_it_sends_is_passed_over_or_answered(name: str, messages: list[Any], begun: bool) -> None:
    talk = Talk(name)
    if begun:
        talk.begin()
    for message in messages:
        before = len(talk.heard)
        talk.send(message)
        number, method = message.get("id"), message.get("method")
        if (
            isinstance(method, str)
            and isinstance(number, str | int)
            and not isinstance(number, bool)
            and not talk.ended
        ):
            assert len(talk.heard) > before or talk.each(Asked)
    assert not isinstance(talk.close(), Stopped)
