"""A conversation with Claude Code: what is answered, when it is done, what it has used, and what nobody expects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from teamflow.core.codec import outcome_from_object, outcome_object
from teamflow.core.invocation import (
    Asked,
    Brief,
    Exit,
    Progress,
    Refused,
    Reply,
    Retrying,
    Said,
    SessionOpened,
    Spent,
    Withdrawn,
)
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded, Usage
from teamflow.core.permissions import ALLOW, DENY, Permissions, Verdict, Wish
from teamflow.engines.claude import ClaudeEngine
from teamflow.engines.claude_stream import ClaudeSession
from tests.unit.engines.transcripts import load

ENGINE = ClaudeEngine()
BRIEF = Brief("a", 1, "first", "/w", prompt="Do it.", stem="/run/logs/a.1")
ASKING = BRIEF._replace(grants=Permissions(run=("git",)))
OK = Exit(0, log_end=1)


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def init(session: str = "s") -> bytes:
    return line(type="system", subtype="init", session_id=session)


def heard(text: str) -> bytes:
    """It has heard a line that it was told."""
    return line(**{**json.loads(text), "isReplay": True})


def result(text: str = "done", **fields: Any) -> bytes:
    return line(**{"type": "result", "subtype": "success", "is_error": False, "result": text, **fields})


def assistant(*content: Any, **fields: Any) -> bytes:
    return line(type="assistant", message={"content": list(content)}, **{"parent_tool_use_id": None, **fields})


def asking(request: str, command: str = "make") -> bytes:
    wanted = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": command}}
    return line(type="control_request", request_id=request, request=wanted)


def begun(brief: Brief = BRIEF) -> ClaudeSession:
    session = ENGINE.session(brief)
    session.feed(init() + heard(session.opening))
    return session


def test_ids_are_of_one_attempt() -> None:
    def first(**changes: Any) -> str:
        name: str = json.loads(ENGINE.session(BRIEF._replace(**changes)).opening)["uuid"]
        return name

    assert first() == first()
    others = [first(attempt=2), first(step="b"), first(stem="/other/a.1"), first(session="s"), first(prompt="x")]
    assert len({first(), *others}) == 6
    session = begun()
    told = session.tell("More.")
    assert told == session.tell("More.")
    session.took(told or "")
    assert session.tell("More.") != told


def test_a_wish_is_granted_denied_or_asked_for() -> None:
    session = begun(ASKING)
    assert session.feed(asking("1", "git status")) == [
        Reply(
            '{"type":"control_response","response":{"subtype":"success","request_id":"1",'
            '"response":{"behavior":"allow","updatedInput":{"command":"git status"}}}}\n'
        )
    ]
    (asked,) = session.feed(asking("2"))
    assert asked == Asked("2", Wish("run", "run make", command="make", tool="Bash", why=asked.wish.why))
    assert "permissions.run" in asked.wish.why
    # Said again, they are neither answered nor asked again.
    assert session.feed(asking("1", "git status") + asking("2")) == []
    allowed, denied = session.answer("2", Verdict(ALLOW)), session.answer("2", Verdict(DENY, "no"))
    assert json.loads(allowed or "")["response"]["response"]["behavior"] == "allow"
    assert json.loads(denied or "")["response"]["response"] == {"behavior": "deny", "message": "no"}
    assert session.answer("1", Verdict(ALLOW)) is None
    assert session.took(denied or "") == [Refused("run make", "no")]
    assert session.took(denied or "") == []
    assert session.answer("2", Verdict(ALLOW)) is None
    assert session.feed(line(type="control_cancel_request", request_id="2")) == []
    reader = begun(BRIEF._replace(grants=Permissions(level="read")))
    refused, reply = reader.feed(asking("3"))
    assert isinstance(refused, Refused)
    assert refused.what == "run make"
    assert refused.why.startswith("`make` may do more than look: ")
    assert isinstance(reply, Reply)
    assert '"behavior":"deny"' in reply.data
    assert "this step only reads" in reply.data


def test_a_question_is_withdrawn_by_it_or_by_its_end() -> None:
    session = begun(ASKING)
    session.feed(asking("1") + asking("2"))
    assert session.feed(line(type="control_cancel_request", request_id="1")) == [Withdrawn("1")]
    assert session.feed(result())[-2:] == [Withdrawn("2"), Reply("", end=True)]


def test_requests_that_it_does_not_know_are_refused() -> None:
    session = begun()
    unknown = line(type="control_request", request_id="9", request={"subtype": "hook_callback"})
    (reply,) = session.feed(unknown)
    assert isinstance(reply, Reply)
    assert json.loads(reply.data)["response"] == {
        "subtype": "error",
        "request_id": "9",
        "error": "teamflow does not know hook_callback",
    }
    assert session.feed(unknown) == []


def test_what_is_asked_of_people_is_declined() -> None:
    for kind, response in (("elicitation", {"action": "decline"}), ("request_user_dialog", {"behavior": "cancelled"})):
        (reply,) = begun().feed(line(type="control_request", request_id="9", request={"subtype": kind}))
        assert isinstance(reply, Reply)
        assert json.loads(reply.data)["response"] == {"subtype": "success", "request_id": "9", "response": response}


# -- when it is done ---------------------------------------------------------------------------------------------------


def test_what_it_has_not_heard_keeps_it_open() -> None:
    session = begun()
    told = session.tell("More.") or ""
    session.took(told)
    assert not [event for event in session.feed(result()) if isinstance(event, Reply)]
    assert isinstance(session.close(OK), Failed)
    session = begun()
    session.took(told)
    session.feed(heard(told))
    assert session.feed(result())[-1] == Reply("", end=True)
    assert session.tell("Too late.") is None
    assert session.interrupt() is None
    assert session.close(OK) == Succeeded(text="done", session="s")


def test_messages_that_come_back_by_another_name_are_known_by_their_text() -> None:
    session = ENGINE.session(BRIEF)
    told = session.tell("More.") or ""
    session.took(told)
    for text, name in ((session.opening, "new"), (told, None)):
        assert not [event for event in session.feed(result()) if isinstance(event, Reply)]
        message = {**json.loads(text), "uuid": name}
        message["message"]["content"] = message["message"]["content"][0]["text"]
        session.feed(heard(json.dumps(message)))
    assert session.feed(result())[-1] == Reply("", end=True)


def test_one_whose_model_was_never_asked_has_failed() -> None:
    session = begun()
    session.feed(result("Unknown command: /x", num_turns=0))
    outcome = session.close(OK)
    assert isinstance(outcome, Failed)
    assert outcome.reason == "the agent's model was never asked: Unknown command: /x"


def test_what_has_begun_again_has_to_end() -> None:
    session = begun()
    session.feed(result("first") + init())
    assert isinstance(session.close(OK), Failed)
    # Unless it was the runner who ended it, after it had said that it was done.
    again = begun()
    again.feed(result("first") + init())
    assert again.close(Exit(143, None, "finished")) == Succeeded(text="first", session="s", exit_code=None)


def test_an_interrupted_one_does_not_wait_for_its_sub_agents() -> None:
    task = line(type="system", subtype="task_started", task_id="t", task_type="local_agent")
    session = begun()
    session.took(session.interrupt() or "")
    end = result(is_error=True, subtype="error_during_execution", terminal_reason="aborted_tools")
    assert session.feed(task + end)[-1] == Reply("", end=True)
    outcome = session.close(Exit(1))
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.CANCELLED
    assert isinstance(session.close(Exit(0, None, "cancel")), Stopped)


def test_a_sub_agent_that_was_stopped_has_nothing_to_say() -> None:
    task = line(type="system", subtype="task_started", task_id="t", task_type="local_agent")
    session = begun()
    assert not [event for event in session.feed(task + result()) if isinstance(event, Reply)]
    stopped = line(type="system", subtype="task_updated", task_id="t", patch={"status": "killed"})
    assert session.feed(stopped) == [Reply("", end=True)]


@pytest.mark.parametrize(
    ("fields", "failure", "reason"),
    [
        ({"subtype": "error_max_turns"}, FailureClass.BUDGET, "the turns that it may take (error_max_turns)"),
        ({"subtype": "error_max_budget_usd"}, FailureClass.BUDGET, "the money that it may spend"),
        (
            {"subtype": "error_during_execution", "errors": ["Out of tea."], "result": None},
            FailureClass.FATAL,
            "Out of tea.",
        ),
        ({"is_error": None}, FailureClass.FATAL, "done"),
        ({"is_error": "false", "result": 3}, FailureClass.FATAL, "the agent's model failed (it does not say how)"),
        ({"result": "Claude AI usage limit reached|1800003600"}, FailureClass.USAGE_EXHAUSTED, "limit reached"),
    ],
)
def test_failures(fields: dict[str, Any], failure: FailureClass, reason: str) -> None:
    session = begun()
    denied = [{"tool_name": "Bash", "tool_input": {"command": "make"}}, 3, {"tool_name": "Edit", "tool_input": None}]
    session.feed(result(**{"is_error": True, "permission_denials": denied, **fields}))
    outcome = session.close(Exit(1, at=1_800_000_000.0))
    assert isinstance(outcome, Failed)
    assert outcome.failure is failure
    assert reason in outcome.reason
    assert outcome.detail == "It was not allowed to do:\n- Bash: make\n- Edit"


def test_outputs_that_never_came_are_asked_for_again() -> None:
    session = begun(BRIEF._replace(schemas={"ok": "boolean"}))
    session.feed(result(is_error=True, subtype="error_max_structured_output_retries"))
    outcome = session.close(Exit(1))
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.OUTPUT
    assert "JSON Schema" in outcome.detail


def test_a_limit_of_a_subscription_tells_when_it_ends() -> None:
    session = begun()
    limit = {"status": "rejected", "resetsAt": 1_800_007_200, "rateLimitType": "five_hour"}
    session.feed(line(type="rate_limit_event", rate_limit_info=limit))
    session.feed(assistant({"type": "text", "text": "You're out"}, error="rate_limit"))
    session.feed(result("You're out", is_error=True, api_error_status=429))
    outcome = session.close(Exit(1, at=1_800_000_000.0))
    assert isinstance(outcome, Failed)
    assert (outcome.failure, outcome.retry_after) == (FailureClass.USAGE_EXHAUSTED, 7200.0)


def test_refused_at_once_is_exhausted_and_after_retries_limited() -> None:
    retry = line(type="system", subtype="api_retry", error_status=429, error="rate_limit", retry_delay_ms=500)
    refused = assistant({"type": "text", "text": "No"}, error="rate_limit") + result("No", is_error=True)
    worked = assistant({"type": "text", "text": "fine"})
    for lines, failure in (
        (refused, FailureClass.USAGE_EXHAUSTED),
        (retry + refused, FailureClass.RATE_LIMIT),
        # What was long ago tells nothing.
        (retry + worked + refused, FailureClass.USAGE_EXHAUSTED),
    ):
        session = begun()
        events = session.feed(lines)
        outcome = session.close(Exit(1))
        assert isinstance(outcome, Failed)
        assert outcome.failure is failure
        assert Said("No") not in events
    (event,) = begun().feed(retry)
    assert event == Retrying(FailureClass.RATE_LIMIT, "the agent's model failed (rate_limit, 429)", 0.5)


@pytest.mark.parametrize(
    ("printed", "failure"),
    [
        ("Invalid API key · Please run /login\n", FailureClass.AUTH),
        ("error: unknown option '--x'\n", FailureClass.CRASH),
        ('{"type":"assistant","text":"rate limit"}\n', FailureClass.CRASH),
    ],
)
def test_one_that_never_began_says_why_on_stderr(printed: str, failure: FailureClass) -> None:
    outcome = ENGINE.session(BRIEF).close(Exit(1, printed=printed))
    assert isinstance(outcome, Failed)
    assert outcome.failure is failure
    assert (printed.strip() in outcome.reason) is not printed.startswith("{")


# -- what it has used --------------------------------------------------------------------------------------------------


def test_cached_tokens_count_once() -> None:
    used = {"input_tokens": 5, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 100, "output_tokens": 1}
    text = {"type": "text", "text": "x"}
    session = begun()
    # An answer comes as several lines, one for each of its parts.
    for _ in range(2):
        session.feed(line(type="assistant", message={"id": "m1", "usage": used, "content": [text]}))
    session.feed(line(type="assistant", message={"id": "m2", "usage": used}, parent_tool_use_id="t"))
    models = {
        "big": {"inputTokens": 5, "cacheReadInputTokens": 100, "cacheCreationInputTokens": 20, "outputTokens": 40},
        "small": {"inputTokens": 7, "outputTokens": 2},
    }
    events = session.feed(result(modelUsage=models, usage=used, total_cost_usd=0.25))
    assert events[0] == Spent(Usage(132, 42, 0.25))
    assert ENGINE.session(BRIEF).close(OK).usage is None


def test_until_its_turn_ends_what_it_has_read_is_counted() -> None:
    used = {"input_tokens": 5, "cache_read_input_tokens": 100, "output_tokens": 1}
    session = begun()
    assert session.feed(line(type="assistant", message={"id": "m1", "usage": used})) == [Spent(Usage(105, 1, None))]
    assert session.close(Exit(None, 9)).usage == Usage(105, 1, None)


# -- how far it is -----------------------------------------------------------------------------------------------------


def called(name: str, given: Any, **fields: Any) -> bytes:
    return assistant({"type": "tool_use", "id": "t", "name": name, "input": given}, **fields)


def test_its_own_list_tells_how_far_it_is() -> None:
    session = begun()

    def progress(data: bytes) -> list[Progress]:
        return [event for event in session.feed(data) if isinstance(event, Progress)]

    assert progress(called("TaskCreate", {"subject": "Read"})) == [Progress(0.0)]
    assert progress(called("TaskCreate", {"subject": "Write", "activeForm": "Writing"})) == []
    assert progress(called("TaskUpdate", {"taskId": "1", "status": "completed"})) == [Progress(50.0)]
    assert progress(called("TaskUpdate", {"taskId": "2", "status": "in_progress"})) == [Progress(50.0, "Writing")]
    assert progress(called("TaskUpdate", {"taskId": "2", "status": "deleted"})) == [Progress(100.0)]
    todos = [{"content": "a", "status": "completed"}, {"content": "b", "status": "in_progress"}, 3]
    assert progress(called("TodoWrite", {"todos": todos})) == [Progress(50.0, "b")]
    # A sub-agent's list is not the step's.
    assert progress(called("TodoWrite", {"todos": []}, parent_tool_use_id="x")) == []
    for odd in ({"todos": 3}, {"todos": [[]]}, {"taskId": []}, {"taskId": "77"}, 3, None):
        for name in ("TodoWrite", "TaskUpdate"):
            progress(called(name, odd))


# -- what nobody expects -----------------------------------------------------------------------------------------------


def kinds() -> dict[str, dict[str, Any]]:
    """A line of each kind that was ever seen."""
    found = {}
    for transcript in load("claude"):
        for text in transcript.output.splitlines():
            value = json.loads(text)
            found[f"{value['type']}/{value.get('subtype')}/{value.get('is_error')}"] = value
    return found


def spoilt(value: Any, *, depth: int = 4) -> Iterator[Any]:
    """Each part of it gone, or something else."""
    for other in (None, True, -1, 1e300, "x", "", [], [{}], {}, {"type": "text"}):
        yield other
    if isinstance(value, dict) and depth:
        for key in value:
            yield {name: part for name, part in value.items() if name != key}
            for other in spoilt(value[key], depth=depth - 1):
                yield {**value, key: other}
    elif isinstance(value, list) and depth:
        for index, part in enumerate(value[:3]):
            for other in spoilt(part, depth=depth - 1):
                yield [*value[:index], other, *value[index + 1 :]]


@pytest.mark.parametrize("value", kinds().values(), ids=kinds())
def test_spoilt_lines_are_passed_over(value: dict[str, Any]) -> None:
    for other in spoilt(value, depth=3):
        for end in (OK, Exit(1, at=5.0)):
            session = begun(ASKING)
            session.feed(json.dumps(other).encode() + b"\n")
            outcome = session.close(end)
            assert outcome_from_object(outcome_object(outcome)) == outcome
            if isinstance(outcome, Succeeded):
                assert (other["type"], other["is_error"], end) == ("result", False, OK)
            if isinstance(outcome, Failed):
                assert outcome.reason
                assert "\n" not in outcome.reason


def test_rubbish_is_passed_over_and_counted() -> None:
    session = begun()
    rubbish = b"not json\n[1]\n\xff\xfe\n" + b"[" * 100_000 + b"\n" + b'{"type":"new"}\n' + b"x" * (17 << 20) + b"\n"
    assert session.feed(rubbish) == []
    assert not session.took("rubbish\n{}\n\n")
    outcome = session.close(OK)
    assert isinstance(outcome, Failed)
    assert "5 lines of its output were not understood" in outcome.reason


def test_its_session_is_opened_once() -> None:
    session = ENGINE.session(BRIEF._replace(session="s"))
    assert [*session.feed(init()), *session.feed(result() + init())].count(SessionOpened("s")) == 1
