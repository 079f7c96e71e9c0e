"""What the real Claude Code printed, recorded (`tests/e2e/claude_scenes.py`), and what it means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import pytest

from teamflow.core.invocation import (
    Asked,
    Called,
    EngineEvent,
    Exit,
    Reply,
    Retrying,
    Returned,
    Said,
    SessionOpened,
    Spent,
    Withdrawn,
)
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded, Usage
from teamflow.engines.claude import ClaudeEngine
from tests.unit.engines.transcripts import (
    Transcript,
    cut_anywhere,
    in_any_chunks,
    load,
    repeats_no_reply,
    whole,
)

ENGINE = ClaudeEngine()
ALL = {transcript.name: transcript for transcript in load("claude")}

E = TypeVar("E")


def each(kind: type[E], events: Iterable[EngineEvent]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def played(name: str) -> tuple[list[EngineEvent], Succeeded]:
    events, outcome = whole(ENGINE, ALL[name])
    assert isinstance(outcome, Succeeded), outcome
    return events, outcome


def failed(name: str) -> tuple[list[EngineEvent], Failed]:
    events, outcome = whole(ENGINE, ALL[name])
    assert isinstance(outcome, Failed), outcome
    return events, outcome


@pytest.mark.sampled(2)
@pytest.mark.parametrize("transcript", ALL.values(), ids=repr)
def test_in_any_chunks_it_means_the_same(transcript: Transcript) -> None:
    in_any_chunks(ENGINE, transcript)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("transcript", ALL.values(), ids=repr)
def test_cut_it_is_no_success(transcript: Transcript) -> None:
    cut_anywhere(ENGINE, transcript, complete=last_result(transcript))


@pytest.mark.slow
@pytest.mark.parametrize("transcript", ALL.values(), ids=repr)
def test_cut_at_every_offset_it_is_no_success(transcript: Transcript) -> None:
    cut_anywhere(ENGINE, transcript, complete=last_result(transcript), every=True)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("transcript", ALL.values(), ids=repr)
def test_a_second_runner_repeats_nothing(transcript: Transcript) -> None:
    repeats_no_reply(ENGINE, transcript)


@pytest.mark.parametrize("transcript", ALL.values(), ids=repr)
def test_all_that_was_opened_is_closed(transcript: Transcript) -> None:
    events, outcome = whole(ENGINE, transcript)
    # Out of money it does not begin what its last answer asks for.
    unpaid = {call.id for call in each(Called, events)[-1:]} if transcript.name == "max_budget" else set()
    assert {call.id for call in each(Called, events)} - unpaid == {end.id for end in each(Returned, events)}
    assert len(each(SessionOpened, events)) <= 1
    ends = [reply for reply in each(Reply, events) if reply.end]
    assert len(ends) == 1
    assert [event.usage for event in each(Spent, events)][-1:] == [outcome.usage]


def last_result(transcript: Transcript) -> int:
    """Where the JSON of the last result ends."""
    start = transcript.output.rindex(b'{"type":"result"')
    return transcript.output.index(b"\n", start)


def test_an_edit() -> None:
    events, outcome = played("edit")
    assert outcome.text == "all done"
    assert outcome.usage == Usage(400, 80, 0.004)
    assert [said.text for said in each(Said, events)] == ["all done"]
    assert [call.what.split()[0] for call in each(Called, events)] == ["Read", "Edit", "Bash"]
    assert each(SessionOpened, events) == [SessionOpened(outcome.session or "")]
    # What the step may do it is told at once; nobody is asked.
    assert not each(Asked, events)
    replies = [reply.data for reply in each(Reply, events) if reply.data]
    assert len(replies) == 2
    assert all('"behavior":"allow"' in reply for reply in replies)


def test_leave_is_asked_for_where_the_grants_do_not_say() -> None:
    events, outcome = played("permission")
    asked = each(Asked, events)
    assert [(one.wish.kind, one.wish.tool) for one in asked] == [("run", "Bash"), ("edit", "Write")]
    assert asked[0].wish.text == "run touch yes"
    assert asked[1].wish.paths[0].endswith("/no.txt")
    assert outcome.text == "fin"


def test_denied_it_is_told_why() -> None:
    events, outcome = played("denied")
    (refused, allowed) = (reply.data for reply in each(Reply, events) if reply.data)
    assert '"behavior":"deny"' in refused
    assert "this step only reads" in refused
    assert '"behavior":"allow"' in allowed
    # Denials alone are no failure.
    assert outcome.text == "could not"


def test_steered_it_is_one_turn() -> None:
    transcript = ALL["steer"]
    assert len(transcript.inputs) == 1
    assert transcript.output.count(b'"type":"result"') == 1
    assert played("steer")[1].text == "blue"


def test_told_too_late_it_has_another_turn() -> None:
    transcript = ALL["late"]
    assert transcript.output.count(b'"type":"result"') == 2
    events, outcome = played("late")
    assert outcome.text == "second answer"
    assert outcome.usage == Usage(200, 40, 0.002)
    assert isinstance(events[-1], Reply)
    assert events[-1].end
    # The first result is not the end: what it was told is still to be heard.
    first = transcript.output.index(b"\n", transcript.output.index(b'{"type":"result"')) + 1
    session = ENGINE.session(transcript.brief)
    offset, text = transcript.inputs[0]
    session.feed(transcript.output[:offset])
    session.took(text)
    assert not each(Reply, session.feed(transcript.output[offset:first]))
    assert session.tell("And this.") is not None


def test_interrupted() -> None:
    events, outcome = failed("interrupt")
    assert outcome.failure is FailureClass.CANCELLED
    assert each(Reply, events)[-1].end
    _, outcome = failed("sigint")
    assert outcome.failure is FailureClass.CRASH
    assert outcome.exit_code == 0


def test_interrupted_with_something_to_do_it_goes_on() -> None:
    assert played("interrupt_and_tell")[1].text == "something else"


def test_interrupted_it_withdraws_its_question() -> None:
    events, _ = failed("interrupt_asked")
    (asked,) = each(Asked, events)
    assert each(Withdrawn, events) == [Withdrawn(asked.request)]


def test_outputs() -> None:
    assert played("schema")[1].outputs == {"ok": True, "why": "y"}
    # A model that never complies: exit 0, no error, and no outputs.
    missing = played("schema_missing")[1]
    assert (missing.outputs, missing.text) == (None, "no")


def test_a_sub_agents_words_are_not_the_agents_own() -> None:
    events, outcome = played("subagent")
    assert [said.text for said in each(Said, events)] == ["done"]
    assert [call.what.split()[0] for call in each(Called, events)] == ["Agent", "Bash"]
    # Two calls of its model, and two of the sub-agent's.
    assert outcome.usage == Usage(400, 80, 0.004)


def test_while_a_sub_agent_works_it_is_not_done() -> None:
    events, outcome = played("subagent_behind")
    assert outcome.text == "both done"
    assert [said.text for said in each(Said, events)] == ["waiting", "both done"]
    assert len(each(Asked, events)) == 1


def test_retries_are_told() -> None:
    events, outcome = played("recovered")
    (retry,) = each(Retrying, events)
    assert retry.failure is FailureClass.TRANSIENT
    assert retry.wait is not None
    assert outcome.text == "well again"


@pytest.mark.parametrize(
    ("name", "failure", "reason"),
    [
        ("unauthorized", FailureClass.AUTH, "Invalid API key · Fix external API key (authentication_failed, 401)"),
        ("usage_limit", FailureClass.USAGE_EXHAUSTED, "(rate_limit, 429)"),
        ("overloaded", FailureClass.TRANSIENT, "(server_error, 529)"),
        ("no_credit", FailureClass.USAGE_EXHAUSTED, "Credit balance is too low (billing_error, 400)"),
        ("no_model", FailureClass.FATAL, "(model_not_found, 404)"),
        ("too_long", FailureClass.FATAL, "Prompt is too long"),
    ],
)
def test_failures_have_their_class(name: str, failure: FailureClass, reason: str) -> None:
    events, outcome = failed(name)
    assert outcome.failure is failure
    assert reason in outcome.reason
    assert not each(Said, events)
    assert outcome.session == each(SessionOpened, events)[0].session


def test_kept_from_hearing_its_prompt_it_has_done_nothing() -> None:
    events, outcome = failed("blocked")
    assert outcome.failure is FailureClass.FATAL
    assert outcome.reason.startswith("the agent's model was never asked: UserPromptSubmit operation blocked by hook")
    assert each(Reply, events)[-1].end
    # Where it has done its work before, that counts.
    assert "in two parts" in (played("blocked_later")[1].text or "")


def test_a_session_that_is_gone_is_not_gone_on_with() -> None:
    _, outcome = failed("no_session")
    assert outcome.failure is FailureClass.TRANSIENT
    assert outcome.session is None
    assert "No conversation found" in outcome.reason


@pytest.mark.parametrize("transcript", ALL.values(), ids=repr)
def test_stopped_it_is_stopped(transcript: Transcript) -> None:
    _, outcome = whole(ENGINE, transcript._replace(end=Exit(0, None, "cancel")))
    assert isinstance(outcome, Stopped)
    assert outcome.cause == "cancel"


@pytest.mark.parametrize("transcript", ALL.values(), ids=repr)
def test_ended_when_it_was_done_its_result_counts(transcript: Transcript) -> None:
    _, usual = whole(ENGINE, transcript)
    _, outcome = whole(ENGINE, transcript._replace(end=Exit(None, 15, "finished", at=transcript.end.at)))
    assert type(outcome) is type(usual)
    assert (
        outcome._replace(exit_code=None, signal=None) == usual._replace(exit_code=None, signal=None)
        if isinstance(usual, Failed | Stopped)
        else outcome._replace(exit_code=0) == usual
    )


@pytest.mark.parametrize(("name", "cause"), [("max_turns", "guard"), ("max_budget", "budget")])
def test_a_limit_that_it_keeps_itself_ends_it_as_the_runner_would(name: str, cause: str) -> None:
    events, outcome = whole(ENGINE, ALL[name])
    assert isinstance(outcome, Stopped)
    assert (outcome.cause, outcome.exit_code) == (cause, 1)
    assert outcome.session, "it goes on in it, when it may"
    assert len(each(Called, events)) == 2
    # Where nobody has given it such a limit, it has failed of one.
    unlimited = ALL[name]._replace(brief=ALL[name].brief._replace(usd=None, turns=None))
    _, failed = whole(ENGINE, unlimited)
    assert isinstance(failed, Failed)
    assert failed.failure is FailureClass.BUDGET


def test_money_that_it_has_not_spent_is_no_end_of_a_budget() -> None:
    """Else it would be gone on with at once, and again, for ever."""
    _, outcome = whole(ENGINE, ALL["max_budget"]._replace(brief=ALL["max_budget"].brief._replace(usd=7.0)))
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.BUDGET
