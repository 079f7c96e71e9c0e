"""What the real Codex printed, recorded: by its app server with our session, and with requests of another client."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import pytest

from teamflow.core.invocation import (
    Asked,
    Brief,
    Called,
    EngineEvent,
    Exit,
    Reply,
    Retrying,
    Returned,
    Said,
    SessionOpened,
    Spent,
)
from teamflow.core.outcome import Failed, FailureClass, Outcome, Stopped, Succeeded, Usage
from teamflow.engines.codex import CodexEngine
from teamflow.engines.codex_exec import CodexExecEngine
from tests.unit.engines.transcripts import (
    FOLDER,
    Transcript,
    cut_anywhere,
    in_any_chunks,
    load,
    repeats_no_reply,
    whole,
)

ENGINE = CodexEngine()
ALL = {transcript.name: transcript for transcript in load("codex_sessions")}
OTHERS = sorted(path for path in (FOLDER / "raw" / "codex").glob("*.out") if not path.stem.startswith("exec"))

E = TypeVar("E")


def each(kind: type[E], events: Iterable[EngineEvent]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def named(part: str) -> tuple[list[EngineEvent], Outcome]:
    (transcript,) = (one for name, one in ALL.items() if name.startswith(part))
    return whole(ENGINE, transcript)


def last_turn(transcript: Transcript) -> int | None:
    """Where its last turn is told to be over."""
    at = transcript.output.rfind(b'{"method":"turn/completed"')
    return transcript.output.find(b"\n", at) if at >= 0 else None


@pytest.mark.sampled(2)
@pytest.mark.parametrize("transcript", ALL.values(), ids=repr)
def test_in_any_chunks_it_means_the_same(transcript: Transcript) -> None:
    in_any_chunks(ENGINE, transcript)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("transcript", ALL.values(), ids=repr)
def test_cut_it_is_no_success(transcript: Transcript) -> None:
    cut_anywhere(ENGINE, transcript, complete=last_turn(transcript))


@pytest.mark.slow
@pytest.mark.parametrize("transcript", ALL.values(), ids=repr)
def test_cut_at_every_offset_it_is_no_success(transcript: Transcript) -> None:
    cut_anywhere(ENGINE, transcript, complete=last_turn(transcript), every=True)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("transcript", ALL.values(), ids=repr)
def test_a_second_runner_repeats_nothing(transcript: Transcript) -> None:
    repeats_no_reply(ENGINE, transcript)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("transcript", ALL.values(), ids=repr)
def test_what_it_opens_is_closed_and_its_end_is_told_once(transcript: Transcript) -> None:
    events, outcome = whole(ENGINE, transcript)
    if not isinstance(outcome, Stopped):
        assert {call.id for call in each(Called, events)} == {end.id for end in each(Returned, events)}
    over = b'"turn/completed"' in transcript.output
    assert [reply.end for reply in each(Reply, events)].count(True) == over
    assert [each(Reply, events)[-1].end] == [over]


def test_a_turn() -> None:
    events, outcome = named("a_turn_edits")
    assert isinstance(outcome, Succeeded)
    assert (outcome.text, outcome.usage) == ("Both are there.", Usage(300, 60))
    assert each(SessionOpened, events) == [SessionOpened(outcome.session or "")]
    assert each(Said, events) == [Said("Both are there.")]
    assert [one.usage.output_tokens for one in each(Spent, events)] == [20, 40, 60]
    command, patch = (json.loads(call.what) for call in each(Called, events))
    assert "echo one > a.txt" in command["command"]
    assert patch["changes"][0]["path"] == "/work/b.txt"


def test_a_session_that_goes_on_counts_from_where_it_was() -> None:
    events, outcome = named("a_session_goes_on_and_counts_from_there-2")
    assert outcome.usage == Usage(100, 20)
    assert each(Spent, events) == [Spent(Usage(100, 20))]


def test_a_session_that_is_gone_is_begun_anew() -> None:
    _, outcome = named("a_session_that_is_gone")
    assert isinstance(outcome, Succeeded)
    assert outcome.session is not None


def test_a_message_that_came_late_got_a_turn() -> None:
    _, outcome = named("what_comes_when_the_turn_ends")
    assert isinstance(outcome, Succeeded)
    assert outcome.text == "second"


def test_an_interrupt() -> None:
    _, outcome = named("an_interrupt")
    assert isinstance(outcome, Stopped)
    assert outcome.cause == "interrupt"


def test_what_it_asks() -> None:
    events, _ = named("patches_are_judged_by_the_list-more0-2")
    (asked,) = each(Asked, events)
    assert asked.wish.kind == "edit"
    assert asked.wish.paths == ("/work/b.txt",)
    events, _ = named("other_commands_are_asked_for-1")
    (asked,) = each(Asked, events)
    assert (asked.wish.kind, asked.wish.command) == ("run", "touch a.txt")


@pytest.mark.parametrize("name", [name for name in ALL if name.startswith("failures_of")])
def test_failures(name: str) -> None:
    _, outcome = whole(ENGINE, ALL[name])
    assert isinstance(outcome, Failed)
    assert outcome.failure == FailureClass(name.removesuffix("-1").rpartition("-")[2])
    assert outcome.session


def test_it_tells_when_a_usage_limit_ends() -> None:
    (name,) = (name for name in ALL if "usage_limit" in name)
    transcript = ALL[name]
    at = json.loads(transcript.output.splitlines()[-1])["params"]["turn"]["error"]["message"]
    _, outcome = whole(ENGINE, transcript)
    assert isinstance(outcome, Failed)
    assert "try again at" in at
    assert outcome.retry_after is not None
    assert 0 <= outcome.retry_after <= 86400


def test_what_it_tries_again_is_told() -> None:
    events, _ = named("failures_of_the_model_have_their_class-unavailable")
    assert {one.failure for one in each(Retrying, events)} == {FailureClass.TRANSIENT}


def test_a_signal_leaves_no_end() -> None:
    _, outcome = named("no_subsequent_line")
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.CRASH


EXPECTED = {
    "error_stream_429": FailureClass.RATE_LIMIT,
    "error_stream_overloaded": FailureClass.TRANSIENT,
    "error_stream_quota": FailureClass.USAGE_EXHAUSTED,
    "error_stream_too_long": FailureClass.FATAL,
    "error_400": FailureClass.FATAL,
    "error_401": FailureClass.AUTH,
    "error_402": FailureClass.USAGE_EXHAUSTED,
    "error_403": FailureClass.AUTH,
    "error_404": FailureClass.FATAL,
    "error_429": FailureClass.RATE_LIMIT,
    "error_500": FailureClass.TRANSIENT,
    "error_503": FailureClass.TRANSIENT,
    "error_cut": FailureClass.TRANSIENT,
    "error_in_stream": FailureClass.TRANSIENT,
    "error_no_quota": FailureClass.USAGE_EXHAUSTED,
    "error_overloaded": FailureClass.TRANSIENT,
    "error_too_long": FailureClass.FATAL,
    "error_usage_limit": FailureClass.USAGE_EXHAUSTED,
    "handshake": FailureClass.CRASH,
    "interrupt_model": FailureClass.FATAL,
}


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_streams_of_other_clients_are_read_too(path: Path) -> None:
    brief = Brief("a", 1, "first", "/work", prompt="Do it.", session="s" if path.stem.startswith("resume_") else None)
    if path.stem == "resume":
        brief = brief._replace(session="s")
    session = ENGINE.session(brief)
    data = path.read_bytes()
    events = list(session.feed(data))
    outcome = session.close(Exit(0, at=1_800_000_000.0))
    if path.stem in EXPECTED:
        assert isinstance(outcome, Failed)
        assert outcome.failure is EXPECTED[path.stem]
    elif path.stem == "resume_unknown":
        assert "thread/start" in each(Reply, events)[-1].data
    elif path.stem != "resume_first":
        assert isinstance(outcome, Succeeded), outcome


@pytest.mark.parametrize("name", ["error_401", "exec_error_401"])
def test_it_says_how_one_logs_in(name: str) -> None:
    by = CodexExecEngine() if name.startswith("exec") else ENGINE
    session = by.session(Brief("a", 1, "first", "/work", prompt="Do it."))
    session.feed((FOLDER / "raw" / "codex" / f"{name}.out").read_bytes())
    outcome = session.close(Exit(0, at=1_800_000_000.0))
    assert isinstance(outcome, Failed)
    assert outcome.reason.endswith("(log in with `codex login`)")


# --- exec

EXEC = {
    "exec_edit": Usage(1100, 70),
    "exec_first": Usage(100, 20),
    "exec_resume": None,
    "exec_error_401": FailureClass.AUTH,
    "exec_error_429": FailureClass.RATE_LIMIT,
    "exec_error_cut": FailureClass.TRANSIENT,
    "exec_error_too_long": FailureClass.FATAL,
    "exec_error_usage_limit": FailureClass.USAGE_EXHAUSTED,
    "exec_resume_unknown": FailureClass.CRASH,
    "exec_sigint": FailureClass.CRASH,
}


@pytest.mark.parametrize("name", EXEC)
def test_exec(name: str) -> None:
    by = CodexExecEngine()
    told = json.loads((FOLDER / "raw" / "codex" / f"{name}.json").read_text())
    session = "s" if name.startswith("exec_resume") else None
    brief = Brief("a", 1, "first", "/work", prompt="Do it.", session=session)
    end = Exit(told["exit"], at=1_800_000_000.0, printed=told["stderr"])
    transcript = Transcript(name, brief, (FOLDER / "raw" / "codex" / f"{name}.out").read_bytes(), (), end)
    in_any_chunks(by, transcript)
    cut_anywhere(by, transcript, every=True)
    events, outcome = whole(by, transcript)
    if isinstance(outcome, Failed):
        assert outcome.failure is EXEC[name]
        assert (outcome.retry_after is not None) == (name == "exec_error_usage_limit")
    else:
        assert isinstance(outcome, Succeeded)
        assert outcome.usage == EXEC[name]
        assert outcome.text == each(Said, events)[-1].text
    assert {call.id for call in each(Called, events)} == {done.id for done in each(Returned, events)}


def test_exec_tells_that_a_session_is_gone() -> None:
    told = json.loads((FOLDER / "raw" / "codex" / "exec_resume_unknown.json").read_text())
    brief = Brief("a", 1, "first", "/work", prompt="Do it.", session="s")
    outcome = CodexExecEngine().session(brief).close(Exit(1, printed=told["stderr"]))
    assert "no rollout found" in outcome.reason  # type: ignore[union-attr]
