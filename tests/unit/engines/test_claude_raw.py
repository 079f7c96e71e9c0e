"""What Claude Code prints to other hosts than teamflow (`tests/transcripts/raw`), as its session understands it.

These were not started as the engine starts it: they do not say what they have heard. One line for the prompt is put in.
"""

from __future__ import annotations

import json

import pytest

from teamflow.core.invocation import Brief, Exit
from teamflow.core.outcome import Failed, FailureClass, Outcome, Succeeded
from teamflow.core.permissions import Permissions
from teamflow.engines.claude import ClaudeEngine
from tests.transcripts.read import names, transcript
from tests.unit.engines.transcripts import Transcript, cut_anywhere, in_any_chunks, whole

ENGINE = ClaudeEngine()
NAMES = names("claude")

FAILURES = {
    "budget": FailureClass.BUDGET,
    "error_401": FailureClass.AUTH,
    "error_403": FailureClass.AUTH,
    "error_404": FailureClass.FATAL,
    "error_429": FailureClass.RATE_LIMIT,
    "error_500": FailureClass.TRANSIENT,
    "error_529": FailureClass.TRANSIENT,
    "error_cut": FailureClass.TRANSIENT,
    "error_in_stream": FailureClass.TRANSIENT,
    "error_no_credit": FailureClass.USAGE_EXHAUSTED,
    "error_too_long": FailureClass.FATAL,
    "error_usage_limit": FailureClass.USAGE_EXHAUSTED,
    "max_turns": FailureClass.BUDGET,
    "resume_unknown": FailureClass.TRANSIENT,
}


def raw(name: str) -> Transcript:
    told = transcript("claude", name)
    session = "unknown" if name == "resume_unknown" else None
    brief = Brief("a", 1, "first", "/w", prompt="Do it.", session=session, grants=Permissions(run=("git",)))
    heard = json.dumps({**json.loads(ENGINE.session(brief).opening), "isReplay": True}).encode() + b"\n"
    inputs = tuple((offset + len(heard), data.decode()) for offset, data in told.writes)
    end = Exit(None, -told.exit) if told.exit < 0 else Exit(told.exit)
    return Transcript(name, brief, heard + told.out, inputs, end)


def outcome(name: str) -> Outcome:
    return whole(ENGINE, raw(name))[1]


def test_it_says_how_one_logs_in() -> None:
    for name in ("error_401", "error_403"):
        found = outcome(name)
        assert isinstance(found, Failed)
        assert found.reason.endswith("(run `claude` and log in, or set ANTHROPIC_API_KEY)")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", NAMES)
def test_in_any_chunks_and_twice_it_means_the_same(name: str) -> None:
    told = raw(name)
    in_any_chunks(ENGINE, told)
    # What those hosts have answered need not be what teamflow would have.
    events, found = whole(ENGINE, told)
    twice = tuple(one for one in told.inputs for _ in range(2))
    assert whole(ENGINE, told._replace(inputs=twice)) == (events, found)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", NAMES)
def test_cut_before_its_first_result_it_is_no_success(name: str) -> None:
    told = raw(name)
    at = told.output.find(b'{"type":"result"')
    end = told.output.find(b"\n", at) if at >= 0 else len(told.output)
    cut_anywhere(ENGINE, told, complete=end)


@pytest.mark.parametrize(("name", "failure"), FAILURES.items())
def test_failures(name: str, failure: FailureClass) -> None:
    found = outcome(name)
    assert isinstance(found, Failed)
    assert found.failure is failure, found
    assert (found.session is None) is (name == "resume_unknown")


def test_all_else_succeeds_but_for_what_was_ended_from_outside() -> None:
    others = {name for name in NAMES if name not in FAILURES and not name.startswith(("sig", "interrupt"))}
    assert others
    assert not [(name, found) for name in others if not isinstance(found := outcome(name), Succeeded)]
