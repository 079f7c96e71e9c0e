"""An ACP agent that a team file names, as a real process: the stand-in of `tests/fakes/agents/acp.py`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from teamflow.core.invocation import Asked, Called, Said, SessionOpened
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded
from teamflow.core.permissions import ALLOW, DENY, Permissions, Verdict
from teamflow.core.plan import EngineDefinition
from teamflow.engines.registry import custom_engine
from tests.fakes.agents import acp
from tests.fakes.agents.pump import Pump, brief_for
from tests.unit.engines.transcripts import Transcript, repeats_no_reply

ENGINE = custom_engine("fake", EngineDefinition((sys.executable, "-I", "-S", acp.__file__), output="acp"))


def begun(tmp_path: Path, *steps: dict[str, Any], given: Any = None, **env: str) -> Pump:
    environ = {"PATH": os.environ["PATH"], "FAKE_ACP": json.dumps(steps), **env}
    return Pump(ENGINE, brief_for(tmp_path, "Do it.", **(given or {})), env=environ)


def replayed(agent: Pump) -> None:
    repeats_no_reply(ENGINE, Transcript("live", agent.brief, agent.output, tuple(agent.inputs), agent.end))


def test_it_works_with_leave_and_not_without(tmp_path: Path) -> None:
    steps = [{"write": ["new.txt", "x"]}, {"run": "touch yes"}, {"run": "touch no"}, {"say": "done"}]
    with begun(tmp_path, *steps, given={"grants": Permissions(run=())}) as agent:
        agent.answer(agent.until(Asked).request, Verdict(ALLOW))
        agent.answer(agent.until(Asked).request, Verdict(DENY))
        outcome = agent.finish()
        assert isinstance(outcome, Succeeded), agent.told()
        assert outcome.text == "done"
        replayed(agent)
    assert sorted(os.listdir(tmp_path)) == ["new.txt", "yes"]


@pytest.mark.parametrize("gives_up", ["", "1"])
def test_the_note_of_a_refusal_is_told_once_also_to_a_runner_that_comes_later(tmp_path: Path, gives_up: str) -> None:
    steps = [{"once": {"run": "touch no"}}, {"say": "done"}]
    with begun(tmp_path, *steps, given={"grants": Permissions(run=())}, FAKE_ACP_GIVES_UP=gives_up) as agent:
        agent.answer(agent.until(Asked).request, Verdict(DENY, "rejected by ana: not today", "not today"))
        assert isinstance(agent.finish(), Succeeded), agent.told()
        assert sum("session/prompt" in str(given) and "not today" in str(given) for given in agent.inputs) == 1
        replayed(agent)


def test_one_that_gives_up_is_told_to_go_on(tmp_path: Path) -> None:
    steps = [{"run": "touch no"}, {"say": "done"}]
    with begun(tmp_path, *steps, given={"grants": Permissions(level="read")}, FAKE_ACP_GIVES_UP="1") as agent:
        outcome = agent.finish()
        assert isinstance(outcome, Failed)
        assert "gave up where it was refused leave" in outcome.reason
        assert len(agent.replies) == 2 + 2 * 20 + 1
        replayed(agent)


def test_it_is_told_nothing_while_it_works(tmp_path: Path) -> None:
    with begun(tmp_path, {"plan": [["a", "in_progress"]]}, {"wait": "go"}, {"say": "done"}) as agent:
        agent.until_output(lambda printed: b"in_progress" in printed)
        assert not agent.tell("more")
        (tmp_path / "go").touch()
        assert isinstance(agent.finish(), Succeeded)
        replayed(agent)


def test_its_turn_is_broken_off(tmp_path: Path) -> None:
    with begun(tmp_path, {"say": "I begin."}, {"think": "hm"}, {"hang": True}) as agent:
        agent.until(Said)
        assert agent.interrupt()
        assert isinstance(agent.finish(cause="interrupt"), Stopped)
        replayed(agent)


def test_a_session_goes_on_and_its_past_is_past(tmp_path: Path) -> None:
    kept = tmp_path / "sessions"
    kept.mkdir()
    with begun(tmp_path, {"say": "first"}, FAKE_ACP_SESSIONS=str(kept)) as agent:
        session = agent.finish().session  # type: ignore[union-attr]
    with begun(tmp_path, {"say": "second"}, given={"session": session}, FAKE_ACP_SESSIONS=str(kept)) as agent:
        outcome = agent.finish()
        assert isinstance(outcome, Succeeded)
        assert (outcome.session, [event.text for event in agent.all(Said)]) == (session, ["second"])
        replayed(agent)
    with begun(tmp_path, {"say": "third"}, given={"session": "gone"}, FAKE_ACP_SESSIONS=str(kept)) as agent:
        outcome = agent.finish()
        assert outcome.session == agent.all(SessionOpened)[0].session != "gone"  # type: ignore[union-attr]
        replayed(agent)


@pytest.mark.parametrize(
    ("steps", "failure"),
    [
        ([{"error": [-32603, "Internal error", {"errorKind": "rate_limit"}]}], FailureClass.RATE_LIMIT),
        ([{"exit": 3}], FailureClass.CRASH),
        ([{"raw": "a banner"}, {"exit": 0}], FailureClass.CRASH),
        ([{"end": "end_turn"}], FailureClass.CRASH),
        ([{"say": "x"}, {"end": "refusal"}], FailureClass.REJECTED),
    ],
)
def test_what_goes_wrong(tmp_path: Path, steps: list[dict[str, Any]], failure: FailureClass) -> None:
    with begun(tmp_path, *steps) as agent:
        outcome = agent.finish()
        assert isinstance(outcome, Failed), outcome
        assert outcome.failure is failure
        replayed(agent)


def test_rubbish_and_requests_of_its_own_do_no_harm(tmp_path: Path) -> None:
    steps: list[dict[str, Any]] = [
        {"raw": "\x1b[31mWelcome"},
        {"raw": '{"jsonrpc": "2.0", "method": "session/update", "params": 3}'},
        {"ask": ["fs/read_text_file", {"path": "/etc/passwd"}]},
        {"ask": ["terminal/create", {"command": "sh"}]},
        {"say": "done"},
    ]
    with begun(tmp_path, *steps) as agent:
        assert isinstance(agent.finish(), Succeeded)
        assert agent.stderr().count("teamflow has no") == 2
        assert not agent.all(Called)
        replayed(agent)
