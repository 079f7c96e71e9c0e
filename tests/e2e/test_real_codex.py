"""The real Codex by its app server, against a scripted model: what its agent is told and comes to."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from teamflow.core.invocation import (
    Asked,
    Called,
    Retrying,
    Returned,
    Said,
    SessionOpened,
    Spent,
)
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded, Usage
from teamflow.core.permissions import ALLOW, Permissions, Verdict
from tests.e2e.codex_bench import Bench, a_bench
from tests.fakes import clis
from tests.fakes.codex_schema.extract import PINNED, generate, text
from tests.fakes.models import fail, hang, run, say, tool, write
from tests.transcripts.mcp import Tools

pytestmark = pytest.mark.slow


@pytest.fixture
def bench() -> Iterator[Bench]:
    with a_bench() as made:
        yield made


def test_a_turn_edits_says_and_is_counted(bench: Bench) -> None:
    bench.models.play(run("echo one > a.txt"), write("b.txt", "two\n"), say("Both are there."))
    outcome, events = bench.attempt(instructions="You are Kim.", context="The step is build.")
    assert outcome == Succeeded("Both are there.", usage=Usage(300, 60), session=outcome.session)
    assert (bench.cwd / "a.txt").read_text() == "one\n"
    assert (bench.cwd / "b.txt").read_text() == "two\n"
    opened = [event for event in events if isinstance(event, SessionOpened)]
    assert [event.session for event in opened] == [outcome.session]
    called = [event.id for event in events if isinstance(event, Called)]
    assert len(called) == 2
    assert [event.id for event in events if isinstance(event, Returned)] == called
    assert [event.usage.input_tokens for event in events if isinstance(event, Spent)] == [100, 200, 300]
    assert Said("Both are there.") in events
    assert "You are Kim." in bench.heard()
    assert "The step is build." in bench.heard()


# --- talked to


def test_it_is_steered(bench: Bench) -> None:
    bench.models.play(run("echo > started; while [ ! -e go ]; do sleep 0.05; done"), say("green"))
    with bench.start() as agent:
        agent.until(Called)
        assert agent.tell("Make it green.")
        (bench.cwd / "go").touch()
        outcome = agent.finish()
    assert outcome.text == "green"
    assert "Make it green." in bench.heard()
    assert len(bench.models.calls()) == 2


def test_told_as_its_turn_begins_it_may_drop_a_call_of_its_model(bench: Bench) -> None:
    """Mostly it hangs up on the call that it has just begun: paid for, and its answer lost. The message is heard."""
    bench.models.play(say("first"), say("second"))
    with bench.start() as agent:
        agent.until_output(lambda out: b'"status":"inProgress"' in out)
        assert agent.tell("Make it green.")
        outcome = agent.finish()
    calls = bench.models.calls()
    assert outcome.text == ("first" if len(calls) == 1 else "second")
    assert {call.ended for call in calls[:-1]} <= {"hung up", "answered"}
    assert [call.says("Make it green.") for call in calls] == [False, True][-len(calls) :]


@pytest.mark.parametrize("hold", ["before", "headers", "middle"])
def test_told_while_a_call_of_its_model_is_under_way_it_asks_once_more(bench: Bench, hold: str) -> None:
    """However far that call is: now it hangs up on it, now it hears the answer first. Which is a matter of luck."""
    bench.models.play(say("first of all", gate="asked", hold=hold), say("second"))
    with bench.start() as agent:
        agent.until_output(lambda out: b'"turn/started"' in out)
        assert bench.models.gate("asked").reached.wait(60)
        assert agent.tell("Make it green.")
        agent.until_output(lambda out: b'"id":4,"result"' in out)
        bench.models.gate("asked").open()
        outcome = agent.finish()
    dropped, heard = bench.models.calls()
    assert outcome.text == "second"
    assert dropped.ended in ("hung up", "answered")
    assert heard.ended == "answered"
    assert [call.says("Make it green.") for call in (dropped, heard)] == [False, True]


def test_what_comes_when_the_turn_ends_gets_another(bench: Bench) -> None:
    bench.models.play(say("first"), say("second"), say("third"))
    with bench.start() as agent:
        said = agent.until(Said)
        assert said.text == "first"
        told = agent.tell("One more thing.")
        outcome = agent.finish()
    assert isinstance(outcome, Succeeded)
    assert outcome.text == ("second" if told else "first")
    assert ("One more thing." in bench.heard()) == told


def holding(bench: Bench) -> str:
    """A command that tells its id by a pipe, and then waits at another."""
    for name in ("told", "hold"):
        os.mkfifo(bench.cwd / name)
    return "echo $$ > told; read line < hold; echo $line > ended"


# Without a sandbox: one that is ended while it holds a command leaves empty directories (`.git`, `.codex`, …) in all
# that its commands could write to, also in /tmp.
@pytest.mark.parametrize("level", ["full"])
def test_an_interrupt_ends_the_turn_and_its_end_the_command(bench: Bench, level: str) -> None:
    bench.models.play(run(holding(bench)), say("never", gate="never"))
    with bench.start(grants=Permissions(level)) as agent:
        agent.until(Called)
        assert (bench.cwd / "told").read_text()
        assert agent.interrupt()
        outcome = agent.finish()
    assert not left(bench)
    assert isinstance(outcome, Stopped)
    assert (outcome.cause, outcome.session is not None) == ("interrupt", True)


@pytest.mark.parametrize("level", ["full"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_crash(bench: Bench, number: int, level: str) -> None:
    bench.models.play(run(holding(bench)), say("never"))
    with bench.start(grants=Permissions(level)) as agent:
        agent.until(Called)
        assert (bench.cwd / "told").read_text()
        agent.signal(number)
        outcome = agent.finish()
    if number == signal.SIGTERM and isinstance(outcome, Succeeded):
        return  # Its command is ended, and sometimes it finishes its turn before it goes.
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.CRASH


def left(bench: Bench) -> bool:
    """Whether its command still waits. Then it is let go."""
    try:
        with open(os.open(bench.cwd / "hold", os.O_WRONLY | os.O_NONBLOCK), "w") as pipe:
            pipe.write("on\n")
    except (OSError, BrokenPipeError):
        return False
    return True


def test_a_session_goes_on_and_counts_from_there(bench: Bench) -> None:
    bench.models.play(say("red it is"), say("it was red"))
    first, _ = bench.attempt("Remember: red.", instructions="You are Kim.")
    second, events = bench.attempt("Which colour?", session=first.session, instructions="You are Kim the second.")
    assert second == Succeeded("it was red", usage=Usage(100, 20), session=first.session)
    assert SessionOpened(first.session or "") in events
    assert "Remember: red." in bench.heard()
    assert "You are Kim the second." in bench.heard()


def test_permissions_hold_when_a_session_goes_on(bench: Bench) -> None:
    bench.models.play(run("touch a.txt"), say("ok"), run("touch b.txt"), say("ok"))
    first, _ = bench.attempt(grants=Permissions("full"))
    assert (bench.cwd / "a.txt").exists()
    bench.attempt(session=first.session, grants=Permissions("read"))
    assert not (bench.cwd / "b.txt").exists()
    bench.models.play(run("touch c.txt"), say("ok"))
    with bench.start(session=first.session, grants=Permissions(run=("make",))) as agent:
        assert agent.answer(agent.until(Asked).request, Verdict(ALLOW))
        agent.finish()
    assert (bench.cwd / "c.txt").exists()


def test_a_session_that_is_gone_is_begun_anew(bench: Bench) -> None:
    bench.models.play(say("done"))
    gone = "01a1fe1a-e9f4-7f32-bd4d-438805a29aa7"
    outcome, _ = bench.attempt(session=gone)
    assert isinstance(outcome, Succeeded)
    assert outcome.session
    assert outcome.session != gone


def test_outputs_are_asked_for_by_schema(bench: Bench) -> None:
    bench.models.play(say('{"colour": "red"}'))
    outcome, _ = bench.attempt(schemas={"colour": {"type": "string", "enum": ["red", "blue"]}})
    assert outcome.text == '{"colour": "red"}'
    form = bench.models.calls()[-1].body["text"]["format"]
    assert form["strict"] is True
    assert form["schema"]["required"] == ["colour"]


MCP_SERVER = """
import json, os, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    result = {}
    if asked["method"] == "initialize":
        result = {"protocolVersion": asked["params"]["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "notes", "version": "1"}}
    elif asked["method"] == "tools/list":
        result = {"tools": [{"name": "note", "description": "x", "inputSchema": {"type": "object", "properties": {}}}]}
    elif asked["method"] == "tools/call":
        result = {"content": [{"type": "text", "text": "noted with " + os.environ["NOTES_KEY"]}]}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""


@pytest.mark.parametrize("grants", [Permissions("read"), Permissions(), Permissions(run=()), Permissions("full")])
def test_tools_of_mcp_servers_need_no_leave(bench: Bench, grants: Permissions) -> None:
    (bench.place / "notes.py").write_text(MCP_SERVER)
    server = {"command": sys.executable, "args": [str(bench.place / "notes.py")], "env": {"NOTES_KEY": "s3cret"}}
    bench.models.play(tool("mcp__notes__note"), say("ok"))
    with bench.start(grants=grants, servers={"notes": server}) as agent:
        assert "s3cret" not in " ".join(agent.invocation.argv)
        outcome = agent.finish()
        assert not agent.all(Asked)
    assert isinstance(outcome, Succeeded)
    assert "noted with s3cret" in bench.heard()


def test_an_mcp_server_over_http(bench: Bench) -> None:
    bench.models.play(tool("mcp__team__post_note", {"text": "hello"}), say("ok"))
    with Tools() as tools:
        server = {"type": "http", "url": tools.url, "headers": {"Authorization": "Bearer s3cret"}}
        with bench.start(servers={"team": server}, grants=Permissions("read")) as agent:
            assert "s3cret" not in " ".join(agent.invocation.argv)
            outcome = agent.finish()
        assert tools.called == [("post_note", {"text": "hello"})]
    assert isinstance(outcome, Succeeded)


def test_isolated_it_knows_nothing_of_the_users(bench: Bench) -> None:
    users = Path(bench.env["CODEX_HOME"])
    (users / "AGENTS.md").write_text("The user likes blue.")
    own = bench.place / "own"
    own.mkdir()
    (own / "config.toml").write_text((users / "config.toml").read_text())
    bench.models.play(say("ok"), say("ok"))
    bench.attempt()
    assert "The user likes blue." in bench.heard()
    bench.attempt(home=str(own))
    assert "The user likes blue." not in bench.heard()


# --- failures


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        ("unauthorized", FailureClass.AUTH),
        ("forbidden", FailureClass.AUTH),
        ("rate_limited", FailureClass.RATE_LIMIT),
        ("usage_limit", FailureClass.USAGE_EXHAUSTED),
        ("no_quota", FailureClass.USAGE_EXHAUSTED),
        ("unpaid", FailureClass.USAGE_EXHAUSTED),
        ("no_model", FailureClass.FATAL),
        ("too_long", FailureClass.FATAL),
        ("bad_request", FailureClass.FATAL),
        ("broken", FailureClass.TRANSIENT),
        ("unavailable", FailureClass.TRANSIENT),
        ("overloaded", FailureClass.TRANSIENT),
        ("stream_error", FailureClass.TRANSIENT),
    ],
)
def test_failures_of_the_model_have_their_class(bench: Bench, fault: str, failure: FailureClass) -> None:
    bench.models.play(fail(fault, times=-1))
    outcome, _ = bench.attempt()
    assert isinstance(outcome, Failed)
    assert outcome.failure is failure, outcome
    assert outcome.session


def test_no_subsequent_line_is_needed_after_a_signal(bench: Bench) -> None:
    bench.models.play(hang())
    with bench.start() as agent:
        agent.until(SessionOpened)
        bench.models.until(lambda models: len(models.calls()) == 1)
        agent.signal(2)
        outcome = agent.finish()
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.CRASH


def test_its_protocol_is_as_it_was_pinned(bench: Bench) -> None:
    made = text(generate(clis.program("codex"), bench.env))
    assert made == PINNED.read_text(), "python -m tests.fakes.codex_schema.extract writes it anew"


def test_while_its_server_is_down_it_tells_that_it_tries(bench: Bench) -> None:
    config = Path(bench.env["CODEX_HOME"]) / "config.toml"
    with socket.socket() as nobody:
        # Bound, and nobody listens there.
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        config.write_text(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", config.read_text()))
        with bench.start() as agent:
            assert agent.until(Retrying).failure is FailureClass.TRANSIENT
            agent.signal(2)
            outcome = agent.finish()
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.CRASH
