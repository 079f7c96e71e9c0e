"""The real Codex by its app server, against a scripted model: what its agent may do, is told and comes to."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from teamflow.core.invocation import (
    Asked,
    Brief,
    Called,
    EngineEvent,
    Retrying,
    Returned,
    Said,
    SessionOpened,
    Spent,
)
from teamflow.core.outcome import Failed, FailureClass, Outcome, Stopped, Succeeded, Usage
from teamflow.core.permissions import ALLOW, DENY, Permissions, Verdict
from teamflow.engines.codex import CodexEngine
from tests.e2e.codex_recording import keep
from tests.fakes import clis
from tests.fakes.agents.pump import Pump, brief_for
from tests.fakes.codex_schema.extract import PINNED, generate, text
from tests.fakes.models import Models, fail, hang, run, say, tool, write

pytestmark = pytest.mark.slow

ENGINE = CodexEngine()
RECORDED = bool(os.environ.get("TEAMFLOW_RECORD"))


class Bench:
    """A model server, a workspace and a home, for one Codex after the other."""

    def __init__(self, models: Models, place: Path) -> None:
        self.models = models
        self.started = 0
        self.place = place
        self.cwd = place / "work"
        self.cwd.mkdir()
        self.outside = place / "outside.txt"
        self.env = clis.codex_env(models, place / "home")
        self.env["PATH"] = os.path.dirname(clis.program("codex")) + os.pathsep + self.env["PATH"]

    def brief(self, prompt: str = "Do it.", **more: Any) -> Brief:
        return brief_for(self.cwd, prompt, **more)

    @contextmanager
    def start(self, prompt: str = "Do it.", **more: Any) -> Iterator[Pump]:
        with Pump(ENGINE, self.brief(prompt, **more), env=self.env) as agent:
            yield agent
            if RECORDED:
                agent.finish()
                self.started += 1
                name = os.environ["PYTEST_CURRENT_TEST"].split("::test_")[1].split(" ")[0].replace("[", "-").rstrip("]")
                places = {str(self.cwd): "/work", str(self.place): "/place"}
                keep(f"{name}-{self.started}", agent, agent.end, replaced=places)

    def attempt(self, prompt: str = "Do it.", **more: Any) -> tuple[Outcome, list[EngineEvent]]:
        with self.start(prompt, **more) as agent:
            outcome = agent.finish()
            assert agent.process.returncode == 0, agent.told()
            return outcome, agent.events

    def heard(self) -> str:
        """What the last call of the model was sent."""
        return json.dumps(self.models.calls()[-1].body["input"])

    def net(self) -> str:
        """A command that tells whether it reaches the loopback network."""
        return f"curl -s -m 2 -o /dev/null -w 'net=%{{http_code}}' {self.models.url()}/v1/models; true"

    def out(self) -> str:
        return f"(touch {self.outside} && echo escaped) 2>&1; true"


@pytest.fixture
def bench() -> Iterator[Bench]:
    # Not below /tmp, which is writable in the sandbox.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place, Models() as models:
        yield Bench(models, Path(place))


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


# --- what it may do: each form of permissions, with commands that try


def tried(bench: Bench, command: str, answer: str | None = None, *, escalate: bool = False, **grants: Any) -> str:
    """What the model is told of a command; `answer`: to what is asked about it, None: nothing may be asked."""
    arguments = {"cmd": command} | ({"sandbox_permissions": "require_escalated"} if escalate else {})
    bench.models.play(tool("exec_command", arguments), say("ok"))
    with bench.start(grants=Permissions(**grants)) as agent:
        if answer is not None:
            assert agent.answer(agent.until(Asked).request, Verdict(answer, "because"))
        outcome = agent.finish()
        assert isinstance(outcome, Succeeded), outcome
        assert len(agent.all(Asked)) == (answer is not None)
    return bench.heard()


def test_read_looks_and_changes_nothing(bench: Bench) -> None:
    (bench.cwd / "a.txt").write_text("the content")
    told = tried(bench, f"cat a.txt; touch b.txt; {bench.out()}; {bench.net()}", level="read")
    assert "the content" in told
    assert "net=000" in told
    assert not bench.outside.exists()
    assert not (bench.cwd / "b.txt").exists()


def test_read_takes_no_patch(bench: Bench) -> None:
    bench.models.play(write("b.txt", "x\n"), say("ok"))
    bench.attempt(grants=Permissions("read"))
    assert "patch rejected" in bench.heard()
    assert not (bench.cwd / "b.txt").exists()


@pytest.mark.parametrize("ask", ["queue", "deny"])
@pytest.mark.parametrize(("net", "told"), [("allow", "net=200"), ("deny", "net=000")])
def test_edit_stays_in_the_workspace(bench: Bench, ask: str, net: str, told: str) -> None:
    heard = tried(bench, f"touch b.txt; {bench.out()}; {bench.net()}", level="edit", net=net, ask=ask)
    assert told in heard
    assert (bench.cwd / "b.txt").exists()
    assert not bench.outside.exists()


def test_what_is_to_leave_the_sandbox_is_asked_for(bench: Bench) -> None:
    tried(bench, bench.out(), DENY, escalate=True)
    assert not bench.outside.exists()
    tried(bench, bench.out(), ALLOW, escalate=True)
    assert bench.outside.exists()


def test_what_is_to_leave_the_sandbox_is_denied_where_nobody_is_asked(bench: Bench) -> None:
    tried(bench, bench.out(), escalate=True, ask="deny")
    assert not bench.outside.exists()


def test_the_agent_hears_why_it_was_declined(bench: Bench) -> None:
    assert "because" in tried(bench, bench.out(), DENY, escalate=True)


def test_without_network_there_is_none_outside_of_the_sandbox_either(bench: Bench) -> None:
    assert "net=000" in tried(bench, f"{bench.out()}; {bench.net()}", ALLOW, escalate=True, net="deny")
    assert bench.outside.exists()


def test_full_may_do_all(bench: Bench) -> None:
    assert "net=200" in tried(bench, f"{bench.out()}; {bench.net()}", level="full")
    assert bench.outside.exists()


def test_full_without_network(bench: Bench) -> None:
    assert "net=000" in tried(bench, f"{bench.out()}; {bench.net()}", level="full", net="deny")
    assert bench.outside.exists()


def test_commands_of_the_list_run_in_the_sandbox(bench: Bench) -> None:
    heard = tried(bench, f"touch b.txt {bench.outside}", run=("touch",))
    assert "Read-only file system" in heard
    assert (bench.cwd / "b.txt").exists()
    assert not bench.outside.exists()


def test_a_command_that_says_what_a_sandbox_would_is_not_run_again_outside(bench: Bench) -> None:
    script = bench.cwd / "trick.sh"
    script.write_text(f"echo x >> tries.txt; touch {bench.outside}; echo Operation not permitted; exit 1")
    tried(bench, "sh trick.sh", run=("sh trick.sh",))
    assert (bench.cwd / "tries.txt").read_text() == "x\n"
    assert not bench.outside.exists()


def test_commands_that_only_look_need_no_list(bench: Bench) -> None:
    (bench.cwd / "a.txt").write_text("the content")
    assert "the content" in tried(bench, "cat a.txt", run=())


def test_other_commands_are_asked_for(bench: Bench) -> None:
    tried(bench, "touch a.txt", DENY, run=("make",))
    assert not (bench.cwd / "a.txt").exists()
    tried(bench, "touch a.txt", ALLOW, run=("make",))
    assert (bench.cwd / "a.txt").exists()


def test_a_command_of_the_list_is_asked_for_where_it_wants_out(bench: Bench) -> None:
    tried(bench, f"touch {bench.outside}", DENY, escalate=True, run=("touch",))
    assert not bench.outside.exists()


def test_files_of_the_list_alone_can_be_changed(bench: Bench) -> None:
    (bench.cwd / "docs").mkdir()
    heard = tried(bench, "touch docs/a.md b.txt; true", edit=("docs/**", "*.md"))
    assert "Read-only file system" in heard
    assert (bench.cwd / "docs/a.md").exists()
    assert not (bench.cwd / "b.txt").exists()


@pytest.mark.parametrize("more", [{}, {"ask": "deny"}, {"run": ()}])
def test_patches_are_judged_by_the_list(bench: Bench, more: dict[str, Any]) -> None:
    grants = Permissions(edit=("*.md",), **more)
    bench.models.play(write("a.md", "x\n"), say("ok"))
    outcome, events = bench.attempt(grants=grants)
    assert isinstance(outcome, Succeeded)
    assert (bench.cwd / "a.md").exists()
    assert not any(isinstance(event, Asked) for event in events)
    bench.models.play(write("b.txt", "x\n"), say("ok"))
    with bench.start(grants=grants) as agent:
        if grants.ask == "queue":
            asked = agent.until(Asked)
            assert asked.wish.paths == (str(bench.cwd / "b.txt"),)
            assert agent.answer(asked.request, Verdict(DENY))
        agent.finish()
    assert not (bench.cwd / "b.txt").exists()


def test_settings_of_the_user_open_nothing(bench: Bench) -> None:
    config = Path(bench.env["CODEX_HOME"]) / "config.toml"
    config.write_text('sandbox_mode = "danger-full-access"\napproval_policy = "never"\n' + config.read_text())
    for grants in ({"level": "read"}, {}, {"edit": ("x/**",)}, {"run": ("(touch",)}):
        tried(bench, "touch a.txt; " + bench.out(), DENY if "run" in grants else None, **grants)
        assert not bench.outside.exists()


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


def test_it_is_interrupted_and_its_command_may_live_on(bench: Bench) -> None:
    bench.models.play(run("echo $$ > pid; exec sleep 1000"), say("never"))
    with bench.start() as agent:
        agent.until(Called)
        agent.until_output(lambda _: (bench.cwd / "pid").exists()) if not (bench.cwd / "pid").exists() else None
        assert agent.interrupt()
        outcome = agent.finish()
    assert isinstance(outcome, Stopped)
    assert outcome.cause == "interrupt"
    assert outcome.session


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


def test_while_its_server_is_down_it_tells_of_nothing_but_waiting(bench: Bench) -> None:
    bench.models.close()
    with bench.start() as agent:
        retrying = agent.until(Retrying)
        assert retrying.failure is FailureClass.TRANSIENT
        agent.signal(2)
        outcome = agent.finish()
    assert isinstance(outcome, Failed)
    assert outcome.failure in (FailureClass.CRASH, FailureClass.TRANSIENT)
