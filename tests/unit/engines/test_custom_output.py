"""What the output of an engine by configuration comes to: whole, cut off, broken, huge, among rubbish, with errors."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from teamflow.core.invocation import Brief, EngineEvent, Exit, Said, SessionOpened, Spent
from teamflow.core.outcome import Failed, FailureClass, Outcome, Stopped, Succeeded, Usage
from teamflow.core.plan import EngineDefinition
from teamflow.engines import custom_output
from teamflow.engines.custom import CustomEngine

BRIEF = Brief("a", 1, "first", "/w", prompt="x", timeout=60)
JSON = EngineDefinition(
    ("mine",),
    output="json",
    message="result.text",
    error="error",
    session="session",
    usage={"input_tokens": "usage.in", "output_tokens": "usage.out", "usd": "cost"},
    resume=("{{ session }}",),
)
VIBE = EngineDefinition(
    ("vibe",),
    output="json-lines",
    message="[role=assistant].content[type=text].text",
    session="sessionId",
    resume=("--resume", "{{ session }}"),
)
OLD_VIBE = VIBE._replace(output="json", message="[role=assistant].content", session=None, resume=())
GOOD = {"result": {"text": "Done: ü"}, "session": "s-1", "usage": {"in": 12, "out": 3.0}, "cost": 0.25, "error": None}
WHOLE = json.dumps(GOOD, indent=2, ensure_ascii=False).encode()
DONE = Succeeded("Done: ü", usage=Usage(12, 3, 0.25), session="s-1")


def played(definition: EngineDefinition, *chunks: bytes, end: Exit | None = None) -> tuple[list[EngineEvent], Outcome]:
    session = CustomEngine("mine", definition).session(BRIEF)
    events = [event for chunk in chunks for event in session.feed(chunk)]
    return events, session.close(end or Exit(code=0))


def outcome(definition: EngineDefinition, output: bytes, end: Exit | None = None) -> Outcome:
    return played(definition, output, end=end)[1]


def failed(definition: EngineDefinition, output: bytes, end: Exit | None = None) -> tuple[FailureClass, str]:
    found = outcome(definition, output, end)
    assert isinstance(found, Failed), found
    return found.failure, found.reason


@pytest.mark.parametrize(
    "output",
    [
        WHOLE,
        b"\n\n" + WHOLE + b"\n",
        b"Warning: no network\n[WARN] {x}\n" + WHOLE + b"\n",
        b"\x1b[2K\xff\xfe{\n" + json.dumps(GOOD).encode() + b"\n",
        b'{"result": {"text": "earlier"}}\n' + WHOLE + b"\nbye [1] {\n",
        b"[1, 2] steps\n" + WHOLE,
        WHOLE + b"\n[done]\n{}ok\n",
    ],
)
def test_one_json_value_among_whatever_else(output: bytes) -> None:
    assert outcome(JSON, output) == DONE


def test_cut_at_every_offset_it_is_a_crash_and_whole_it_is_not() -> None:
    banner = b"Starting up\n"
    for length in range(len(WHOLE)):
        found = outcome(JSON, banner + WHOLE[:length])
        assert isinstance(found, Failed), length
        assert found.failure is FailureClass.CRASH, found
    assert outcome(JSON, banner + WHOLE) == DONE


def test_what_came_before_is_not_taken_for_what_is_cut_off() -> None:
    earlier = b'{"result": {"text": "earlier"}}\n'
    later = json.dumps(
        {"n": [1.5e-7, True, False, None, 'a"b\u00e9\n\U0001f600'], "result": {"text": "later"}}
    ).encode()
    for length in range(1, len(later)):
        found = outcome(JSON, earlier + later[:length])
        assert isinstance(found, Failed), later[:length]
        assert "cut off" in found.reason, later[:length]
    assert outcome(JSON, earlier + later) == Succeeded("later")


def test_byte_by_byte_it_is_the_same() -> None:
    chunks = [bytes([byte]) for byte in WHOLE]
    assert played(JSON, *chunks) == ([], DONE)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (b"", "no output"),
        (b" \n ", "no output"),
        (b"All good!\nBye.", 'no JSON in its output, which begins "All good!'),
        (b'{"result": {"text": "x"', "JSON that is cut off"),
        (b'{"result": {"text": "x"}} done', "no JSON"),
        (b'{"result": {"text": NaN}}', "no JSON"),
        (b'{"result": {}}', "nothing at result.text"),
        (b'{"result": {"text": null}}', "nothing at result.text"),
        (b"[]", "nothing at result.text"),
        (b'"text"', "no JSON"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_a_success_without_a_message_is_a_crash(output: bytes, words: str) -> None:
    failure, reason = failed(JSON, output)
    assert failure is FailureClass.CRASH
    assert reason.startswith("the agent ended (exit code 0) with ")
    assert words in reason
    assert len(reason) < 200


@pytest.mark.parametrize("text", ['""', '"a\\nb"', "[1, true]", '{"n": 1}', "0", "false"])
def test_any_value_is_a_message(text: str) -> None:
    found = outcome(JSON, f'{{"result": {{"text": {text}}}}}'.encode())
    assert isinstance(found, Succeeded)
    value = json.loads(text)
    assert found.text == (value if isinstance(value, str) else text)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ('"out of tokens"', "out of tokens"),
        ('{"message": "no such model", "code": 404}', "no such model"),
        ('{"code": 404}', '{"code": 404}'),
        ("true", "Done"),
        ("3", "3"),
        ('["a", "b"]', '["a", "b"]'),
        ('"two\\nlines"', "two …"),
    ],
)
def test_a_reported_error_is_a_failure_whatever_the_exit_code(error: str, words: str) -> None:
    output = f'{{"result": {{"text": "Done"}}, "error": {error}, "session": "s"}}'.encode()
    for code in (0, 1):
        found = outcome(JSON, output, Exit(code=code))
        assert found == Failed(
            FailureClass.EXIT, f"the agent reported an error: {words}", exit_code=code, usage=None, session="s"
        )


@pytest.mark.parametrize("error", ["null", "false", '""', "[]", "{}", "0"])
def test_an_empty_error_is_none(error: str) -> None:
    assert isinstance(outcome(JSON, f'{{"result": {{"text": "x"}}, "error": {error}}}'.encode()), Succeeded)


def test_an_exit_code_is_a_failure_whatever_was_printed() -> None:
    found = outcome(JSON, WHOLE, Exit(code=2))
    assert found == Failed(FailureClass.EXIT, "the agent exited 2", exit_code=2, usage=DONE.usage, session="s-1")


def test_what_ended_it_from_outside_wins_and_the_session_is_kept() -> None:
    found = outcome(JSON, WHOLE, Exit(signal=15, cause="timeout"))
    assert isinstance(found, Failed)
    assert (found.failure, found.session) == (FailureClass.TIMEOUT, "s-1")
    assert isinstance(outcome(JSON, WHOLE, Exit(signal=2, cause="interrupt")), Stopped)
    assert failed(JSON, WHOLE, Exit(signal=11))[0] is FailureClass.CRASH
    assert failed(JSON, b"", Exit(error="No such file or directory"))[0] is FailureClass.START
    assert failed(JSON, WHOLE[:9], Exit(cause="lost"))[0] is FailureClass.LOST


def test_too_much_json_is_fatal_and_not_held() -> None:
    session = custom_output.JsonSession(JSON, BRIEF)
    for _ in range(17):
        session.feed(b" " * (1 << 20))
    session.feed(WHOLE)
    found = session.close(Exit(code=0))
    assert isinstance(found, Failed)
    assert found.failure is FailureClass.FATAL
    assert "16MiB" in found.reason


def test_much_json_is_read() -> None:
    text = "ü" * 1_000_000
    found = outcome(JSON, json.dumps({**GOOD, "result": {"text": text}}).encode())
    assert isinstance(found, Succeeded)
    assert found.text == text


@pytest.mark.parametrize(
    "session", ['"-x"', '"--danger"', '""', '" a"', '"a\\nb"', '"a\\u0000"', "true", "1.5", "[]", "null"]
)
def test_what_is_no_session_is_none(session: str) -> None:
    found = outcome(JSON, f'{{"result": {{"text": "x"}}, "session": {session}}}'.encode())
    assert isinstance(found, Succeeded)
    assert found.session is None


@pytest.mark.parametrize(("session", "told"), [('"s-1"', "s-1"), ("17", "17"), ('"/tmp/a b.json"', "/tmp/a b.json")])
def test_what_is_a_session(session: str, told: str) -> None:
    found = outcome(JSON, f'{{"result": {{"text": "x"}}, "session": {session}}}'.encode())
    assert isinstance(found, Succeeded)
    assert found.session == told


def test_an_attempt_that_says_nothing_of_its_session_goes_on_with_the_one_it_was_given() -> None:
    session = CustomEngine("mine", JSON).session(BRIEF._replace(session="old"))
    session.feed(b'{"result": {"text": "x"}}')
    found = session.close(Exit(code=0))
    assert isinstance(found, Succeeded)
    assert found.session == "old"


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        ('{"in": 1, "out": 2}', Usage(1, 2, None)),
        ('{"in": 1}', Usage(1, None, None)),
        ('{"in": "1", "out": -2}', None),
        ('{"in": true, "out": 1e300}', None),
        ('{"in": 99999999999999999999999999}', None),
        ("null", None),
    ],
)
def test_figures_that_cannot_be_are_unknown(usage: str, told: Usage | None) -> None:
    found = outcome(JSON, f'{{"result": {{"text": "x"}}, "usage": {usage}}}'.encode())
    assert isinstance(found, Succeeded)
    assert found.usage == told or (told is None and found.usage == Usage())


# -- line by line --------------------------------------------------------------------------------------------------


def line(role: str, text: str, *, session: str = "5f3c", kind: str = "message") -> bytes:
    """As Mistral's vibe prints an entry of its history with `--output streaming`."""
    entry = {
        "id": f"{role}-1",
        "sessionId": session,
        "turnId": "t1",
        "createdAt": 1790000000,
        "updatedAt": 1790000001,
        "generationStatus": "completed",
        "relatedEntryId": None,
        "type": kind,
        "role": role,
        "content": [{"type": "text", "text": text}],
        "source": "turn_start" if role == "user" else None,
    }
    return json.dumps(entry, ensure_ascii=False).encode() + b"\n"


def effect(title: str) -> bytes:
    return json.dumps({"id": "e", "sessionId": "5f3c", "type": "effect", "title": title}).encode() + b"\n"


STREAM: Sequence[bytes] = (
    b"Warning: /w is not trusted\n",
    line("system", "You are Vibe."),
    line("user", "Fix it."),
    line("assistant", "Looking."),
    effect("bash: ls"),
    line("assistant", "Fixed: ü."),
)


def test_vibe_line_by_line() -> None:
    events, found = played(VIBE, *STREAM)
    assert events == [SessionOpened("5f3c"), Said("Looking."), Said("Fixed: ü.")]
    assert found == Succeeded("Fixed: ü.", session="5f3c")
    joined = b"".join(STREAM)
    assert played(VIBE, *[joined[at : at + 7] for at in range(0, len(joined), 7)]) == (events, found)


def test_vibe_that_never_answers_has_not_succeeded() -> None:
    assert failed(VIBE, b"".join(STREAM[:3])) == (
        FailureClass.CRASH,
        "the agent ended (exit code 0) with nothing at [role=assistant].content[type=text].text in its JSON",
    )
    assert failed(VIBE, b"Error: no prompt\n", Exit(code=1))[0] is FailureClass.EXIT
    assert "no JSON" in failed(VIBE, b"Error: no prompt\n")[1]
    assert "no output" in failed(VIBE, b"")[1]


def test_an_older_vibe_prints_all_messages_at_the_end() -> None:
    messages = [
        {"role": "system", "content": "You are Vibe.", "tool_calls": None},
        {"role": "user", "content": "Fix it."},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "function": {"name": "bash"}}]},
        {"role": "tool", "content": "{not json}", "tool_call_id": "1"},
        {"role": "assistant", "content": "Fixed."},
    ]
    output = json.dumps(messages, indent=2).encode() + b"\n"
    assert outcome(OLD_VIBE, output) == Succeeded("Fixed.")
    assert failed(OLD_VIBE, output[:-4])[0] is FailureClass.CRASH


CLAUDE = EngineDefinition(
    ("claude",),
    output="json-lines",
    message="[type=result].result",
    error="[type=result].is_error",
    session="session_id",
    usage={
        "input_tokens": "[type=result].usage.input_tokens",
        "output_tokens": "[type=result].usage.output_tokens",
        "usd": "total_cost_usd",
    },
    resume=("--resume", "{{ session }}"),
)
CODEX = EngineDefinition(
    ("codex",),
    output="json-lines",
    message="[item.type=agent_message].item.text",
    error="[type=turn.failed].error",
    session="thread_id",
    usage={"input_tokens": "usage.input_tokens", "output_tokens": "usage.output_tokens"},
    resume=("resume", "{{ session }}"),
)


@pytest.mark.parametrize(
    ("definition", "stream", "found"),
    [
        (
            CLAUDE,
            [
                {"type": "system", "subtype": "init", "session_id": "6d1e"},
                {"type": "assistant", "message": {"content": [{"type": "text", "text": "Hm."}]}, "session_id": "6d1e"},
                {"type": "result", "subtype": "success", "is_error": False, "result": "Done.", "session_id": "6d1e",
                 "total_cost_usd": 0.002, "usage": {"input_tokens": 200, "output_tokens": 40}},
            ],
            Succeeded("Done.", usage=Usage(200, 40, 0.002), session="6d1e"),
        ),
        (
            CLAUDE,
            [{"type": "result", "subtype": "success", "is_error": True, "result": "Credit balance is too low"}],
            Failed(
                FailureClass.EXIT, "the agent reported an error: Credit balance is too low", exit_code=0, session=None
            ),
        ),
        (
            CODEX,
            [
                {"type": "thread.started", "thread_id": "01a1"},
                {"type": "item.completed", "item": {"type": "error", "message": "no metadata"}},
                {"type": "item.completed", "item": {"type": "command_execution", "exit_code": 1}},
                {"type": "item.completed", "item": {"type": "agent_message", "text": "Done."}},
                {"type": "turn.completed", "usage": {"input_tokens": 200, "output_tokens": 40}},
            ],
            Succeeded("Done.", usage=Usage(200, 40), session="01a1"),
        ),
        (
            CODEX,
            [{"type": "turn.failed", "error": {"message": "stream disconnected"}}],
            Failed(FailureClass.EXIT, "the agent reported an error: stream disconnected", exit_code=0),
        ),
    ],
)  # fmt: skip
def test_streams_of_other_clis_are_read_by_paths(
    definition: EngineDefinition, stream: list[dict[str, object]], found: Outcome
) -> None:
    assert outcome(definition, "".join(json.dumps(each) + "\n" for each in stream).encode()) == found


def test_of_what_is_told_several_times_the_last_counts() -> None:
    definition = JSON._replace(output="json-lines", message="text", error="failed", usage={"usd": "cost"})
    stream = (
        b'{"text": "a", "session": "1", "failed": true, "cost": 1}\n{"cost": 2}\n',
        b'{"text": "b", "session": "2", "failed": false}\n{"cost": -1}',
    )
    events, found = played(definition, *stream)
    assert events == [
        Said("a"), SessionOpened("1"), Spent(Usage(usd=1.0)), Spent(Usage(usd=2.0)), Said("b"), SessionOpened("2")
    ]  # fmt: skip
    assert found == Succeeded("b", usage=Usage(usd=2.0), session="2")


def test_a_last_line_without_an_end_counts_if_it_is_whole() -> None:
    assert outcome(VIBE, line("assistant", "x").rstrip()) == Succeeded("x", session="5f3c")
    assert failed(VIBE, line("assistant", "x")[:-3])[0] is FailureClass.CRASH


def test_a_line_that_is_too_long_is_passed_over() -> None:
    assert outcome(VIBE, line("assistant", "x" * (1 << 20)) + line("assistant", "y")) == Succeeded("y", session="5f3c")


# -- text ----------------------------------------------------------------------------------------------------------


def test_text_is_left_in_the_log() -> None:
    events, found = played(EngineDefinition(("tr",)), b"any \xff\n", b"text")
    assert (events, found) == ([], Succeeded())
    assert failed(EngineDefinition(("tr",)), b"", Exit(code=3)) == (FailureClass.EXIT, "the agent exited 3")
