"""The scripted model server says what its script says, in four dialects, and complains when a script does not fit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.models import (
    FOREVER,
    BadScript,
    Models,
    Tool,
    Usage,
    answer,
    call,
    cut,
    fail,
    hang,
    run,
    say,
    tool,
    write,
)
from tests.fakes.models.faults import FAULTS
from tests.unit.fakes.asking import PATHS, Got, ask, said, send, streamed

pytestmark = pytest.mark.parametrize("dialect", PATHS)

SHELL = {"anthropic": "Bash", "responses": "shell", "chat": "bash", "gemini": "run_shell_command"}


@pytest.fixture
def server() -> Iterator[Models]:
    with Models() as made:
        yield made


def test_says_text(server: Models, dialect: str) -> None:
    server.play(say("eins, zwei"), say("drei"))
    assert said(dialect, ask(server, dialect)) == "eins, zwei"
    assert server.left() == 1
    assert streamed(dialect, ask(server, dialect, stream=True)) == "drei"
    assert server.left() == 0
    assert [one.ended for one in server.calls()] == ["answered", "answered"]


def test_calls_the_tool_that_the_cli_has_for_it(server: Models, dialect: str) -> None:
    server.play(run("echo hi"), run("echo hi"))
    for stream in (False, True):
        got = ask(server, dialect, stream=stream).text
        assert "echo hi" in got
        assert SHELL[dialect] in got


def test_calls_have_different_ids(server: Models, dialect: str) -> None:
    server.play(run("true", times=2))
    assert ask(server, dialect).text != ask(server, dialect).text


def test_usage(server: Models, dialect: str) -> None:
    server.play(say("x", usage=Usage(input=4321, output=765, cached=1234), times=2))
    for stream in (False, True):
        got = ask(server, dialect, stream=stream).text
        assert str(4321 - 1234 if dialect == "anthropic" else 4321) in got
        assert "765" in got
        assert "1234" in got


def test_without_tools_no_step_is_used(server: Models, dialect: str) -> None:
    server.play(say("the step"))
    assert said(dialect, ask(server, dialect, tools=False)) == "side answer"
    assert streamed(dialect, ask(server, dialect, tools=False, stream=True)) == "side answer"
    assert [one.kind for one in server.requests] == ["side", "side"]
    assert said(dialect, ask(server, dialect)) == "the step"


def test_an_agent_without_tools(server: Models, dialect: str) -> None:
    server.play(say("the step"), toolless=True)
    assert said(dialect, ask(server, dialect, tools=False)) == "the step"


def test_agents_by_path_key_and_marker(server: Models, dialect: str) -> None:
    for name in ("one", "two", "three", "agent"):
        server.play(say(f"I am {name}"), agent=name)
    assert said(dialect, ask(server, dialect, agent="one")) == "I am one"
    assert said(dialect, ask(server, dialect, key=server.key("two"))) == "I am two"
    marked = ask(server, dialect, agent="one", key=server.key("two"), prompt="do it [[script:three]]")
    assert said(dialect, marked) == "I am three"
    assert said(dialect, ask(server, dialect)) == "I am agent"
    assert [one.agent for one in server.requests] == ["one", "two", "three", "agent"]


def test_structured_answers_are_json(server: Models, dialect: str) -> None:
    server.play(answer({"ok": True}))
    assert said(dialect, ask(server, dialect)) == '{"ok": true}'


def test_times(server: Models, dialect: str) -> None:
    server.play(fail("overloaded", times=2), say("x", times=FOREVER))
    status = 529 if dialect == "anthropic" else 503
    assert [ask(server, dialect).status for _ in range(5)] == [status, status, 200, 200, 200]
    assert server.left() == 0


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_faults(server: Models, dialect: str, name: str) -> None:
    server.play(fail(name, retry_after=7, times=2))
    whole, stream = ask(server, dialect), ask(server, dialect, stream=True)
    assert whole.status >= 400
    assert whole.headers["retry-after"] == "7"
    assert stream.status == (200 if FAULTS[name].in_stream else whole.status)
    assert "error" in whole.text
    assert "error" in stream.text


def test_a_plain_429_has_no_retry_after(server: Models, dialect: str) -> None:
    server.play(fail("rate_limited"))
    assert "retry-after" not in ask(server, dialect).headers


def test_a_cut_stream_is_a_broken_one(server: Models, dialect: str) -> None:
    server.play(cut("never whole"), cut())
    got = ask(server, dialect, stream=True)
    assert not got.whole
    assert 0 < len(streamed(dialect, got)) < len("never whole")
    assert not ask(server, dialect).whole
    assert [one.ended for one in server.calls()] == ["cut", "cut"]


@pytest.mark.parametrize("hold", ["before", "headers", "middle"])
def test_gates(server: Models, dialect: str, hold: str) -> None:
    server.play(hang(hold, gate="here").on(text="before and after"))
    with Asking(server, dialect) as asking:
        assert server.gate("here").reached.wait(60)
        assert not asking.got
        server.gate("here").open()
    assert streamed(dialect, asking.got[0]) == "before and after"


class Asking:
    """A call that is under way in a thread while the block runs."""

    def __init__(self, server: Models, dialect: str) -> None:
        self.got: list[Got] = []
        self._thread = threading.Thread(target=lambda: self.got.append(ask(server, dialect, stream=True)))

    def __enter__(self) -> Asking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()


def test_closing_lets_nobody_wait(dialect: str) -> None:
    server = Models()
    server.play(hang("middle", gate="never"))
    with Asking(server, dialect) as asking:
        assert server.gate("never").reached.wait(60)
        server.close()
    assert not asking.got[0].whole


def test_scripts_that_do_not_fit(dialect: str) -> None:
    server = Models()
    server.play(tool("NoSuchTool"), run("true"), agent="one")
    for agent, words in (("one", "no tool is named 'NoSuchTool'"), ("other", "no script for 'agent'")):
        got = ask(server, dialect, agent=agent)
        assert got.status == 400
        assert words in got.text
    server.close()
    with pytest.raises(BadScript, match=r"NoSuchTool(.|\n)*no script for"):
        server.check()


def test_a_script_that_is_over(dialect: str) -> None:
    server = Models()
    server.play(say("x"))
    assert ask(server, dialect).status == 200
    assert "is over" in ask(server, dialect).text
    server.close()
    with pytest.raises(BadScript, match="is over"):
        server.check()


def test_paths_need_a_directory(dialect: str) -> None:
    server = Models()
    server.play(write("/tmp/x", "x"), write("x", "x"))
    first, second = ask(server, dialect), ask(server, dialect)
    if dialect == "responses":
        assert "apply_patch" in first.text
    else:
        assert "none of the offered tools" in first.text
    assert "told no directory" in second.text
    server.close()


def test_until(server: Models, dialect: str) -> None:
    server.play(say("x"))
    with Asking(server, dialect):
        server.until(lambda now: bool(now.calls()) and now.calls()[0].ended == "answered")
    assert server.calls()[0].says("hi")


def test_two_calls_in_one_answer(server: Models, dialect: str) -> None:
    calls: list[Any] = [Tool(SHELL[dialect], {"command": text}) for text in ("first", "second")]
    server.play(call(*calls, text="both"), call(*calls, text="both"))
    for stream in (False, True):
        got = ask(server, dialect, stream=stream)
        assert "first" in got.text
        assert "second" in got.text
    assert streamed(dialect, got) == "both"


def test_what_is_no_model_call(server: Models, dialect: str) -> None:
    assert send(server, "HEAD", "/").status == 200
    assert send(server, "GET", "/v1/models").status == 200
    assert send(server, "POST", "/v1/nowhere", {}).status == 404
    assert send(server, "POST", "/v1/messages/count_tokens", {}).json() == {"input_tokens": 100}
    assert send(server, "POST", "/v1beta/models/m1:countTokens", {}).json() == {"totalTokens": 100}
    assert {one.kind for one in server.requests} == {"other", "count"}


def test_any_fault_can_come_in_the_stream(server: Models, dialect: str) -> None:
    server.play(fail("rate_limited", in_stream=True))
    got = ask(server, dialect, stream=True)
    assert got.status == 200
    assert "Too many requests" in got.text
