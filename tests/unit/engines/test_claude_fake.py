"""The stand-in for Claude Code does what the real one does, as far as its session can tell."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from teamflow.core.invocation import Asked, Called, EngineEvent, Reply, Retrying, Returned, Said, Withdrawn
from teamflow.core.outcome import Failed, FailureClass, Succeeded, Usage
from teamflow.core.permissions import ALLOW, DENY, Permissions, Verdict
from teamflow.engines.claude import ClaudeEngine
from tests.fakes.agents.claude import install, scenario
from tests.fakes.agents.pump import Pump, brief_for
from tests.unit.engines.transcripts import Transcript, in_any_chunks, load, repeats_no_reply, whole

ENGINE = ClaudeEngine()
RECORDED = {transcript.name: transcript for transcript in load("claude")}


class Stage:
    """Where a scenario is played."""

    def __init__(self, tmp_path: Path) -> None:
        self.work = tmp_path / "work"
        self.work.mkdir()
        self.env = {**install(tmp_path / "bin"), "FAKE_CLAUDE_SEEN": str(tmp_path / "seen")}
        self.seen = tmp_path / "seen"

    def play(self, *turns: Sequence[Mapping[str, Any]], **brief: Any) -> Pump:
        env = {**self.env, **scenario(*turns)}
        return Pump(ENGINE, brief_for(self.work, "Do it.", **brief), env=env)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def like(agent: Pump, name: str) -> None:
    """It came to the same as the recorded one, by events of the same kinds in the same order."""
    events, outcome = whole(ENGINE, RECORDED[name])
    told = Transcript(name, agent.brief, agent.output, tuple(agent.inputs), agent.end)
    mine, found = whole(ENGINE, told)
    assert kinds(mine) == kinds(events)
    assert type(found) is type(outcome)
    assert getattr(found, "failure", None) == getattr(outcome, "failure", None)
    in_any_chunks(ENGINE, told)
    repeats_no_reply(ENGINE, told)


def kinds(events: Sequence[EngineEvent]) -> list[type[EngineEvent]]:
    told = (Asked, Called, Reply, Retrying, Returned, Said, Withdrawn)
    return [type(event) for event in events if isinstance(event, told)]


def bash(command: str, **more: Any) -> dict[str, Any]:
    return {"tool": "Bash", "input": {"command": command}, **more}


def test_an_edit(stage: Stage) -> None:
    edit = {"tool": "Edit", "input": {"file_path": "x.txt"}, "ask": True}
    with stage.play(
        [{"tool": "Read"}, edit, bash("echo hi > y.txt", ask=True, runs=True), {"text": "all done"}]
    ) as agent:
        outcome = agent.finish()
    assert isinstance(outcome, Succeeded)
    assert (outcome.text, outcome.usage) == ("all done", Usage(400, 80, 0.004))
    assert (stage.work / "y.txt").read_text() == "hi\n"
    like(agent, "edit")
    started = json.loads(stage.seen.read_text().splitlines()[0])
    assert started == {"argv": list(agent.invocation.argv[1:]), "cwd": str(stage.work)}


def test_answers(stage: Stage) -> None:
    turn = [
        {"tool": "Write", "input": {"file_path": "src/a"}, "ask": True},
        bash("touch yes", ask=True, runs=True),
        {"tool": "Write", "input": {"file_path": "no.txt"}, "ask": True},
        bash("git status", ask=True),
        {"text": "fin"},
    ]
    with stage.play(turn, grants=Permissions(run=("git",), edit=("src/**",))) as agent:
        assert agent.answer(agent.until(Asked).request, Verdict(ALLOW))
        assert agent.answer(agent.until(Asked).request, Verdict(DENY, "not that file"))
        assert isinstance(agent.finish(), Succeeded)
    assert (stage.work / "yes").exists()
    assert b"not that file" in agent.output
    like(agent, "permission")


def test_steered(stage: Stage) -> None:
    turn = [bash("until [ -e go ]; do sleep 0.02; done", ask=False, runs=True), {"text": "blue"}]
    with stage.play(turn, grants=Permissions(level="full")) as agent:
        agent.until(Called)
        agent.tell("STEER")
        (stage.work / "go").touch()
        assert isinstance(agent.finish(), Succeeded)
    like(agent, "steer")


def test_told_too_late(stage: Stage) -> None:
    with stage.play([{"wait": "go"}, {"text": "first"}], [{"text": "second answer"}]) as agent:
        agent.until_output(lambda output: b"isReplay" in output)
        agent.tell("One more thing.")
        (stage.work / "go").touch()
        outcome = agent.finish()
    assert isinstance(outcome, Succeeded)
    assert (outcome.text, outcome.usage) == ("second answer", Usage(200, 40, 0.002))
    like(agent, "late")


def test_interrupted(stage: Stage) -> None:
    with stage.play([bash("sleep 300", runs=True)]) as agent:
        agent.until(Called)
        agent.interrupt()
        outcome = agent.finish()
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.CANCELLED
    with stage.play([{"hang": True}]) as agent:
        agent.until_output(lambda output: b"isReplay" in output)
        agent.interrupt()
        assert isinstance(agent.finish(), Failed)


def test_interrupted_while_it_asks(stage: Stage) -> None:
    with stage.play([bash("touch a", ask=True)], grants=Permissions(run=("git",))) as agent:
        agent.until(Asked)
        agent.interrupt()
        agent.finish()
    assert agent.all(Withdrawn)


def test_interrupted_by_a_signal(stage: Stage) -> None:
    with stage.play([bash("exec sleep 300", runs=True)]) as agent:
        agent.until(Called)
        agent.signal(signal.SIGINT)
        outcome = agent.finish()
    assert isinstance(outcome, Failed)
    assert (outcome.failure, outcome.exit_code) == (FailureClass.CRASH, 0)


def test_interrupted_with_something_to_do(stage: Stage) -> None:
    with stage.play([{"hang": True}], [{"text": "something else"}]) as agent:
        agent.until_output(lambda output: b"isReplay" in output)
        agent.tell("Do something else.")
        agent.interrupt()
        outcome = agent.finish()
    assert isinstance(outcome, Succeeded)
    assert outcome.text == "something else"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("unauthorized", {"kind": "authentication_failed", "status": 401, "text": "Invalid API key"}),
        ("usage_limit", {"kind": "rate_limit", "status": 429, "text": "API Error: Request rejected (429)"}),
        ("overloaded", {"kind": "server_error", "status": 529, "text": "API Error: Overloaded"}),
        ("no_model", {"kind": "model_not_found", "status": 404, "text": "No such model"}),
    ],
)
def test_errors(stage: Stage, name: str, error: Mapping[str, Any]) -> None:
    retry = {"attempt": 1, "max_retries": 1, "error": error["kind"], "error_status": error["status"]}
    retried = b"api_retry" in RECORDED[name].output
    with stage.play([*([{"retry": retry}] if retried else []), {"error": error}]) as agent:
        assert agent.finish().exit_code == 1
    like(agent, name)


def test_it_dies(stage: Stage) -> None:
    with stage.play([{"text": "so far"}, {"raw": '{"type":"res'}, {"exit": 0}]) as agent:
        outcome = agent.finish()
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.CRASH


def test_a_session(stage: Stage) -> None:
    with stage.play([{"text": "one"}]) as agent:
        first = agent.finish()
    with stage.play([{"text": "two"}], session=first.session) as agent:
        assert agent.finish().session == first.session
    with stage.play([{"lost": True}], session="gone") as agent:
        assert agent.finish().session is None
    like(agent, "no_session")


def test_a_message_that_is_written_twice_is_heard_once(stage: Stage) -> None:
    with stage.play([{"wait": "told"}, {"wait": "go"}, {"text": "ok"}]) as agent:
        agent.until_output(lambda output: b"isReplay" in output)
        text = agent.session.tell("More.") or ""
        for _ in range(2):
            os.write(agent.process.stdin.fileno(), text.encode())  # type: ignore[union-attr]
        agent.session.took(text)
        agent.until_output(lambda output: output.count(b"isReplay") == 3)
        (stage.work / "go").touch()
        assert isinstance(agent.finish(), Succeeded)
    assert agent.output.count(b'"type": "result"') == 1
