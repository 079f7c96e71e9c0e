"""What the real ACP agents printed, recorded (`tests/e2e/acp_scenes.py`), and what it means: the same for all."""

from __future__ import annotations

from typing import TypeVar

import pytest

from teamflow.core.invocation import Asked, Called, EngineEvent, Reply, Returned, Said, SessionOpened, Spent, Withdrawn
from teamflow.core.outcome import Failed, FailureClass, Outcome, Stopped, Succeeded, Usage
from teamflow.core.permissions import ALLOW, DENY, Verdict
from teamflow.engines.registry import engine
from tests.unit.engines.transcripts import Transcript, cut_anywhere, in_any_chunks, load, repeats_no_reply, whole

AGENTS = ("gemini", "opencode", "copilot", "claude-agent-acp")
ALL = {(name, transcript.name): transcript for name in AGENTS for transcript in load(name)}
IDS = [f"{name}-{title}" for name, title in ALL]
E = TypeVar("E")

each_transcript = pytest.mark.parametrize(("agent", "title"), ALL, ids=IDS)
each_agent = pytest.mark.parametrize("agent", AGENTS)


def each(kind: type[E], events: list[EngineEvent]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def played(agent: str, title: str) -> tuple[list[EngineEvent], Outcome]:
    return whole(engine(agent), ALL[agent, title])


@pytest.mark.sampled(2)
@each_transcript
def test_in_any_chunks_it_means_the_same(agent: str, title: str) -> None:
    in_any_chunks(engine(agent), ALL[agent, title])


@pytest.mark.sampled(4)
@each_transcript
def test_cut_anywhere_it_is_no_success(agent: str, title: str) -> None:
    cut_anywhere(engine(agent), ALL[agent, title], complete=answered(ALL[agent, title]))


@pytest.mark.slow
@each_transcript
def test_cut_at_every_offset_it_is_no_success(agent: str, title: str) -> None:
    cut_anywhere(engine(agent), ALL[agent, title], complete=answered(ALL[agent, title]), every=True)


@pytest.mark.sampled(2)
@each_transcript
def test_a_second_runner_repeats_no_reply(agent: str, title: str) -> None:
    repeats_no_reply(engine(agent), ALL[agent, title])


def answered(transcript: Transcript) -> int:
    """Where the answer to the last prompt ends."""
    lines = transcript.output.splitlines(keepends=True)
    while lines and b'"stopReason"' not in lines[-1]:
        lines.pop()
    return len(b"".join(lines).rstrip(b"\n")) or len(transcript.output)


@each_transcript
def test_every_request_is_answered_once_and_every_call_ends(agent: str, title: str) -> None:
    events, outcome = played(agent, title)
    assert [event.id for event in each(Called, events)] == [event.id for event in each(Returned, events)]
    assert {event.request for event in each(Asked, events)} == {event.request for event in each(Withdrawn, events)}
    assert len(each(SessionOpened, events)) == 1
    assert [event.end for event in each(Reply, events)].index(True) == len(each(Reply, events)) - 1
    assert outcome.session == each(SessionOpened, events)[0].session


WORKED = {
    "gemini": Usage(600, 85, None),
    "opencode": Usage(None, None, None),
    "copilot": Usage(600, 85, None),
    "claude-agent-acp": Usage(600, 85, None),
}


@each_agent
def test_what_it_may_is_allowed_and_what_it_may_not_is_asked(agent: str) -> None:
    events, outcome = played(agent, "work")
    assert isinstance(outcome, Succeeded)
    assert outcome.text == "All done, äöü → ✓."
    assert [event.wish.command for event in each(Asked, events)] == ["touch yes", "touch no"]
    said = [event.text for event in each(Said, events)]
    assert [text for text in said if not text.startswith("Info: ")] == ["I look.", "All done, äöü → ✓."]
    assert outcome.usage == each(Spent, events)[-1].usage
    assert outcome.usage is not None
    assert outcome.usage._replace(usd=None) == WORKED[agent]
    assert (outcome.usage.usd is not None) is engine(agent).capabilities.cost


@each_agent
def test_one_that_gives_up_where_it_is_refused_is_told_to_go_on(agent: str) -> None:
    events, outcome = played(agent, "refused")
    assert isinstance(outcome, Succeeded)
    assert outcome.text == "could not"
    urged = [reply for reply in each(Reply, events) if "You have no leave for that: " in reply.data]
    assert len(urged) == (agent in ("opencode", "copilot"))


@each_agent
def test_a_broken_off_turn(agent: str) -> None:
    transcript = ALL[agent, "break_off"]
    events, outcome = whole(engine(agent), transcript)
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.CANCELLED
    assert each(Called, events)
    stopped = transcript._replace(end=transcript.end._replace(cause="cancel"))
    assert isinstance(whole(engine(agent), stopped)[1], Stopped)


@each_agent
def test_breaking_off_answers_what_is_asked(agent: str) -> None:
    events, outcome = played(agent, "break_off_asked")
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.CANCELLED
    [asked] = each(Asked, events)
    assert [event.request for event in each(Withdrawn, events)] == [asked.request]
    assert sum('"cancelled"' in reply.data for reply in each(Reply, events)) == 1


@each_agent
def test_what_is_played_back_of_an_older_session_is_not_said_again(agent: str) -> None:
    transcript = ALL[agent, "goes_on"]
    events, outcome = whole(engine(agent), transcript)
    assert isinstance(outcome, Succeeded)
    assert outcome.session == transcript.brief.session
    assert [event.text for event in each(Said, events)] == ["second done"]
    assert len(each(Called, events)) == 1
    assert outcome.usage is None or outcome.usage.input_tokens in (None, 200)


@each_agent
def test_a_refused_key_is_a_failed_login(agent: str) -> None:
    _, outcome = played(agent, "unauthorized")
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.AUTH
    assert "log in" in outcome.reason


@pytest.mark.parametrize("agent", ["opencode", "claude-agent-acp"])
def test_what_it_is_told_while_it_works_is_a_prompt_of_the_same_turn(agent: str) -> None:
    transcript = ALL[agent, "steer"]
    events, outcome = whole(engine(agent), transcript)
    assert isinstance(outcome, Succeeded)
    assert outcome.text == "blue"
    assert sum("session/prompt" in text for _, text in transcript.inputs) == 2
    assert sum(reply.end for reply in each(Reply, events)) == 1


@pytest.mark.parametrize("agent", ["gemini", "copilot"])
def test_one_that_would_begin_anew_is_told_nothing_while_it_works(agent: str) -> None:
    transcript = ALL[agent, "break_off"]
    session = engine(agent).session(transcript.brief)
    at = 0
    for offset, text in transcript.inputs:
        session.feed(transcript.output[at:offset])
        assert session.tell("more") is None
        session.took(text)
        at = offset


@each_agent
def test_questions_are_answered_by_the_kind_of_the_option(agent: str) -> None:
    transcript = ALL[agent, "break_off_asked"]
    session = engine(agent).session(transcript.brief)
    events = [*session.feed(transcript.output[: transcript.inputs[-2][0]])]
    [asked] = each(Asked, events)
    answers = [session.answer(asked.request, Verdict(word)) or "" for word in (ALLOW, DENY)]
    assert all('"selected"' in answer for answer in answers)
    assert answers[0] != answers[1]
    session.took(answers[0])
    assert session.answer(asked.request, Verdict(ALLOW)) is None
