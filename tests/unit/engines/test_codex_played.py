"""Conversations with a fake Codex that plays what the real one seldom does, and with nonsense."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamflow.core.invocation import (
    Asked,
    Brief,
    Called,
    Exit,
    Refused,
    Reply,
    Retrying,
    Returned,
    Said,
    SessionOpened,
    Spent,
    Withdrawn,
)
from teamflow.core.outcome import Failed, FailureClass, Outcome, Stopped, Succeeded, Usage
from teamflow.core.permissions import ALLOW, DENY, Permissions, Verdict
from teamflow.engines.codex import CodexEngine
from teamflow.engines.codex_exec import CodexExecEngine
from tests.fakes.agents import codex as fake
from tests.fakes.agents.pump import Pump, brief_for
from tests.fakes.codex_schema.protocol import RESPONSES, conforms, pinned
from tests.unit.engines.transcripts import Transcript, cut_anywhere, in_any_chunks, repeats_no_reply, whole

NOT_LISTED = "`rm x` is none of the commands that it may run: make (permissions.run)"


ENGINE = CodexEngine()


def told(**more: Any) -> Brief:
    return Brief(**{"step": "a", "attempt": 1, "cause": "first", "cwd": "/w", "prompt": "Do it.", **more})


# --- what it plays


@contextmanager
def playing(place: Path, *turns: list[dict[str, Any]], more: Any = None, **briefed: Any) -> Iterator[Pump]:
    program = place / "bin" / "codex"
    if not program.exists():
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{fake.__file__}" "$@"\n')
        program.chmod(0o755)
    scenario = json.dumps({"turns": turns, **(more or {})})
    env = {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "FAKE_CODEX": scenario}
    with Pump(briefed.pop("by", ENGINE), brief_for(place, "Do it.", **briefed), env=env) as agent:
        yield agent


def kept(agent: Pump) -> Transcript:
    return Transcript("fake", agent.brief, agent.output, tuple(agent.inputs), agent.end)


def holds_again(agent: Pump) -> None:
    """What holds for every conversation that was recorded."""
    transcript = kept(agent)
    in_any_chunks(ENGINE, transcript)
    repeats_no_reply(ENGINE, transcript)
    at = agent.output.rfind(b'{"method":"turn/completed"')
    if at >= 0:
        cut_anywhere(ENGINE, transcript, complete=agent.output.find(b"\n", at))


def played(place: Path, *turns: list[dict[str, Any]], more: Any = None, **briefed: Any) -> tuple[Pump, Outcome]:
    with playing(place, *turns, more=more, **briefed) as agent:
        outcome = agent.finish()
    holds_again(agent)
    return agent, outcome


def test_a_turn(tmp_path: Path) -> None:
    agent, outcome = played(tmp_path, [{"run": "ls"}, {"say": "one"}, {"say": "two"}])
    assert outcome == Succeeded("two", usage=Usage(200, 40), session=fake.THREAD)
    assert agent.ended
    assert agent.all(Said) == [Said("one"), Said("two")]
    assert agent.all(SessionOpened) == [SessionOpened(fake.THREAD)]
    assert [call.id for call in agent.all(Called)] == [end.id for end in agent.all(Returned)]
    assert [one.usage.input_tokens for one in agent.all(Spent)] == [100, 200]


def test_what_its_thread_used_before_is_not_counted(tmp_path: Path) -> None:
    _, outcome = played(tmp_path, [{"say": "x"}], more={"used": 5000}, session="s")
    assert outcome.usage == Usage(100, 20)


def test_steered(tmp_path: Path) -> None:
    with playing(tmp_path, [{"run": "ls"}, {"await": "steer"}, {"say": "heard: {heard}"}]) as agent:
        agent.until(Returned)
        assert agent.tell("blue\nand green")
        outcome = agent.finish()
        assert not agent.tell("more")
        assert not agent.interrupt()
    holds_again(agent)
    assert isinstance(outcome, Succeeded)
    assert outcome.text == "heard: blue\nand green"


def test_a_message_that_the_turn_took_and_did_not_show_gets_another_turn(tmp_path: Path) -> None:
    turns = ([{"run": "ls"}, {"await": "steer"}, {"say": "first"}], [{"say": "second"}])
    with playing(tmp_path, *turns, more={"deaf": True}) as agent:
        agent.until(Returned)
        assert agent.tell("blue")
        outcome = agent.finish()
    holds_again(agent)
    assert isinstance(outcome, Succeeded)
    assert outcome.text == "second"
    assert sum("turn/start" in reply for reply in agent.replies) == 2


def test_a_message_that_is_refused_gets_another_turn(tmp_path: Path) -> None:
    refuse = {"refuse": {"turn/steer": "no active turn to steer"}}
    with playing(
        tmp_path, [{"say": "first"}, {"ask": "make"}], [{"say": "second"}], more=refuse, grants=Permissions(run=())
    ) as agent:
        asked = agent.until(Asked)
        assert agent.tell("blue")
        assert agent.answer(asked.request, Verdict(ALLOW))
        outcome = agent.finish()
    holds_again(agent)
    assert isinstance(outcome, Succeeded)
    assert outcome.text == "second"
    assert '"text":"blue"' in agent.replies[-1]


def test_interrupted(tmp_path: Path) -> None:
    with playing(tmp_path, [{"run": "ls"}, {"await": "interrupt"}]) as agent:
        agent.until(Returned)
        assert agent.interrupt()
        outcome = agent.finish()
    holds_again(agent)
    assert isinstance(outcome, Stopped)
    assert outcome.session == fake.THREAD


def test_interrupted_by_somebody_else(tmp_path: Path) -> None:
    end = '{"method":"turn/completed","params":{"threadId":"%s","turn":{"id":"turn-1","status":"interrupted"}}}'
    _, outcome = played(tmp_path, [{"line": end % fake.THREAD}])
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.FATAL


@pytest.mark.parametrize("answer", [ALLOW, DENY])
def test_a_person_is_asked(tmp_path: Path, answer: str) -> None:
    with playing(tmp_path, [{"ask": "make all"}], grants=Permissions(run=("ls",))) as agent:
        asked = agent.until(Asked)
        assert (asked.wish.kind, asked.wish.command) == ("run", "make all")
        assert agent.answer(asked.request, Verdict(answer, "not today"))
        assert not agent.answer(asked.request, Verdict(answer))
        outcome = agent.finish()
    holds_again(agent)
    assert isinstance(outcome, Succeeded)
    assert outcome.text == json.dumps({"decision": "accept" if answer == ALLOW else "decline"})
    assert ("Declined: run make all. not today" in agent.inputs[-1][1]) == (answer == DENY)
    assert agent.all(Refused) == [Refused("run make all", "not today")] * (answer == DENY)


@pytest.mark.parametrize(
    ("grants", "step", "decision"),
    [
        (Permissions(run=("make",)), {"ask": "make all && ls"}, "accept"),
        (Permissions(run=(), ask="deny"), {"ask": "make all"}, "decline"),
        (Permissions(run=("make",), ask="deny"), {"ask": "make all", "reason": "out"}, "decline"),
        (Permissions(ask="deny"), {"ask": "ls"}, "decline"),
        (Permissions(edit=("*.md",), ask="deny"), {"patch": "a.md"}, "accept"),
        (Permissions(edit=("*.md",), ask="deny"), {"patch": "a.txt"}, "decline"),
        (Permissions(edit=("*.md",), ask="deny"), {"patch": "/etc/a.md"}, "decline"),
        (Permissions("read"), {"patch": "a.md"}, "decline"),
    ],
)
def test_what_its_grants_decide_is_answered_at_once(
    tmp_path: Path, grants: Permissions, step: dict[str, Any], decision: str
) -> None:
    agent, outcome = played(tmp_path, [step], grants=grants)
    assert not agent.all(Asked)
    assert isinstance(outcome, Succeeded)
    assert outcome.text == json.dumps({"decision": decision})


OTHER = [
    ("item/permissions/requestApproval", {"permissions": {"network": {"enabled": True}}},
     {"permissions": {}, "scope": "turn"}),
    ("mcpServer/elicitation/request", {"serverName": "x", "mode": "form", "message": "?"}, {"action": "decline"}),
    ("mcpServer/elicitation/request", {"serverName": "notes", "_meta": {"codex_approval_kind": "mcp_tool_call",
     "tool_name": "note"}}, {"action": "accept", "content": {}}),
    ("mcpServer/elicitation/request", {"serverName": "own", "_meta": {"codex_approval_kind": "mcp_tool_call"}},
     {"action": "decline"}),
    ("item/tool/call", {"tool": "x", "arguments": {}},
     {"contentItems": [{"text": "there is no such tool", "type": "inputText"}], "success": False}),
    ("execCommandApproval", {"command": ["bash", "-lc", "make all"], "conversationId": "c"}, {"decision": "approved"}),
    ("execCommandApproval", {"command": ["rm", "x"], "conversationId": "c"},
     {"decision": {"denied": {"rejection": NOT_LISTED}}}),
    ("applyPatchApproval", {"fileChanges": {"a.md": {"type": "add", "content": ""}}}, {"decision": "approved"}),
    ("attestation/generate", {}, {"code": -32601, "message": "teamflow does not know attestation/generate"}),
    ("no/such/thing", {"x": [None]}, {"code": -32601, "message": "teamflow does not know no/such/thing"}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "params", "answer"), OTHER)
def test_every_request_is_answered(tmp_path: Path, method: str, params: Any, answer: Any) -> None:
    grants = Permissions(run=("make",), ask="deny")
    servers = {"notes": {"command": "true"}}
    _, outcome = played(tmp_path, [{"request": method, "params": params}], grants=grants, servers=servers)
    assert isinstance(outcome, Succeeded)
    assert json.loads(outcome.text or "") == answer
    if method in RESPONSES:
        conforms(RESPONSES[method], answer)


def test_questions_are_answered_by_nobody(tmp_path: Path) -> None:
    ask = {"request": "item/tool/requestUserInput", "params": {"questions": [{"id": "q", "question": "Which?"}, 3]}}
    _, outcome = played(tmp_path, [ask])
    assert isinstance(outcome, Succeeded)
    assert list(json.loads(outcome.text or "")["answers"]) == ["q"]


def test_what_it_does_not_wait_for_any_more_is_withdrawn(tmp_path: Path) -> None:
    gone = '{"method":"serverRequest/resolved","params":{"threadId":"t","requestId":0}}'
    params = {"threadId": fake.THREAD, "itemId": "c", "command": "x"}
    ask = json.dumps({"method": "item/commandExecution/requestApproval", "id": 0, "params": params})
    agent, _ = played(tmp_path, [{"line": ask}, {"line": gone}])
    (asked,) = agent.all(Asked)
    assert agent.all(Withdrawn) == [Withdrawn(asked.request)]
    assert not agent.session.answer(asked.request, Verdict(ALLOW))


def test_failures_and_what_was_tried_again(tmp_path: Path) -> None:
    fail = {"message": "You've hit your usage limit, try again in 2 hours.", "codexErrorInfo": "usageLimitExceeded"}
    agent, outcome = played(tmp_path, [{"retry": "Reconnecting"}, {"fail": fail}])
    assert isinstance(outcome, Failed)
    assert (outcome.failure, outcome.retry_after) == (FailureClass.USAGE_EXHAUSTED, 7200.0)
    (retrying,) = agent.all(Retrying)
    assert retrying.failure is FailureClass.TRANSIENT


def test_an_end_without_the_end_of_its_turn(tmp_path: Path) -> None:
    _, outcome = played(tmp_path, [{"say": "done"}, {"exit": 0}])
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.CRASH


@pytest.mark.parametrize("method", ["initialize", "thread/start", "turn/start"])
def test_another_version_is_told_by_its_number(tmp_path: Path, method: str) -> None:
    more = {"version": "0.200.0", "refuse": {method: "unknown variant"}}
    agent, outcome = played(tmp_path, [{"say": "x"}], more=more)
    assert agent.ended
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.FATAL
    known = "codex" if method == "initialize" else "codex 0.200.0"
    assert outcome.reason == f"{known} refused {method}: unknown variant; tested with 0.169.0"


def test_a_session_that_is_gone_is_begun_anew(tmp_path: Path) -> None:
    more = {"refuse": {"thread/resume": "no rollout found for thread id s"}}
    agent, outcome = played(tmp_path, [{"say": "x"}], more=more, session="s", instructions="You are Kim.")
    assert outcome.session == fake.THREAD
    assert sum("You are Kim." in reply for reply in agent.replies) == 2


def test_what_the_runner_ends_after_its_work_is_judged_by_the_turn(tmp_path: Path) -> None:
    agent, _ = played(tmp_path, [{"say": "x"}])
    for cause, kind in (("finished", Succeeded), ("cancel", Stopped), ("timeout", Failed)):
        _, outcome = whole(ENGINE, kept(agent)._replace(end=Exit(signal=9, cause=cause)))
        assert isinstance(outcome, kind)
    cut = Transcript("cut", agent.brief, b"", (), Exit(signal=9, cause="finished"))
    assert isinstance(whole(ENGINE, cut)[1], Failed)


@pytest.mark.parametrize(
    ("steps", "kind"),
    [([{"say": "x"}], Succeeded), ([{"fail": {"message": "401 Unauthorized"}}], Failed), ([{"exit": 0}], Failed)],
)
def test_exec(tmp_path: Path, steps: list[dict[str, Any]], kind: type) -> None:
    by = CodexExecEngine()
    with playing(tmp_path, steps, by=by) as agent:
        outcome = agent.finish()
    assert isinstance(outcome, kind)
    in_any_chunks(by, kept(agent))
    cut_anywhere(by, kept(agent), every=True)


# --- other threads, and nonsense


def test_other_threads_are_not_the_agents() -> None:
    session = ENGINE.session(told())
    session.feed(
        b'{"id":1,"result":{}}\n{"id":2,"result":{"thread":{"id":"t"}}}\n{"id":3,"result":{"turn":{"id":"u"}}}\n'
    )
    for line in (
        {"method": "item/completed", "params": {"threadId": "x", "item": {"type": "agentMessage", "text": "no"}}},
        {"method": "turn/completed", "params": {"threadId": "x", "turn": {"id": "v", "status": "completed"}}},
        {"method": "error", "params": {"threadId": "x", "error": {"message": "no"}, "willRetry": True}},
    ):
        assert not session.feed(json.dumps(line).encode() + b"\n")
    assert isinstance(session.close(Exit(0)), Failed)


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["t", "u", "completed"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ("id", "turn", "thread", "item", "type", "threadId", "error", "status", "tokenUsage", "total", "itemId",
                 "text", "changes", "permissions", "questions", "command", "fileChanges", "_meta", "codexErrorInfo")
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)  # fmt: skip
KNOWN = pinned()["methods"]
METHODS = st.sampled_from([*KNOWN["ServerRequest"], *KNOWN["ServerNotification"]])
LINES = st.builds(
    lambda method, number, params: json.dumps({"method": method, "id": number, "params": params}),
    METHODS,
    st.none() | st.integers(0, 9) | st.text(max_size=2),
    JSONS,
) | st.builds(
    lambda number, key, value: json.dumps({"id": number, key: value}),
    st.integers(0, 5),
    st.sampled_from(["result", "error"]),
    JSONS,
)


@given(st.lists(LINES, max_size=12), st.sampled_from([Permissions(), Permissions(run=()), Permissions("read")]))
def test_nonsense_is_passed_over(lines: list[str], grants: Permissions) -> None:
    session = ENGINE.session(told(grants=grants))
    session.feed(b'{"id":1,"result":{}}\n{"id":2,"result":{"thread":{"id":"t"}}}\n')
    for line in lines:
        for event in session.feed(line.encode() + b"\n"):
            if isinstance(event, Reply):
                session.took(event.data)
            elif isinstance(event, Asked):
                session.took(session.answer(event.request, Verdict(DENY, "no")) or "")
    session.took(session.tell("x") or "")
    session.took(session.interrupt() or "")
    session.close(Exit(0))


@given(st.binary(max_size=200))
def test_nonsense_is_nothing(data: bytes) -> None:
    session = ENGINE.session(told())
    session.feed(data)
    session.took(data.decode("utf-8", "replace"))
    assert not isinstance(session.close(Exit(0)), Succeeded)
