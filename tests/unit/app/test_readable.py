"""What people see of the engines' protocols: what was said, and none of the lines themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from teamflow.app.outputs import Readable
from teamflow.core.invocation import Brief
from teamflow.core.redact import Redactor
from teamflow.engines.registry import engine
from tests.unit.engines.transcripts import Transcript, load


@pytest.mark.parametrize("name", ["claude", "copilot", "gemini", "opencode"])
def test_no_line_of_a_protocol_is_shown(name: str) -> None:
    for transcript in load(name):
        readable = Readable(engine(name).session(Brief("a", 1, "first", "")))
        shown = (readable.feed(transcript.output) + readable.close()).decode()
        assert not [line for line in shown.splitlines() if line.startswith('{"')], transcript.name


def test_lines_of_an_app_server_are_not_shown_and_those_of_a_setup_are() -> None:
    readable = Readable(engine("codex").session(Brief("a", 1, "first", "")))
    lines = b'{"id":1,"result":{}}\n{"method":"thread/started","params":{}}\n{"error":{"code":1},"id":2}\n'
    assert readable.feed(lines) == b""
    lines = b'installing {"a": 1}\n'
    assert readable.feed(lines) == b'installing {"a": 1}\n'


NO = "> refused: run touch no (`touch no` may do more than look: this step only reads (permissions: read): it…)\n"
FOLDERS = {"codex": "codex_sessions"}
DID = {
    "claude": ("edit", "> read x.txt\n> edit x.txt\n> run echo hi > y.txt\nall done\n"),
    "codex": ("a_turn_edits", "> run echo one > a.txt\n> edit b.txt\nBoth are there.\n"),
    "gemini": ("refused", f"{NO}> run ls\ncould not\n"),
    "claude-agent-acp": ("refused", f"> run touch no\n{NO}> run ls\ncould not\n"),
    "opencode": ("steer", "> run until [ -e go ]; do sleep 0.05; done; echo ready\nblue\n"),
    "copilot": ("goes_on", "> run echo ho > b.txt\nsecond done\n"),
}


def read(name: str, title: str, *, redact: Redactor | None = None) -> str:
    transcript: Transcript = next(each for each in load(FOLDERS.get(name, name)) if each.name.startswith(title))
    told = transcript.brief
    brief = Brief("a", 1, "first", told.cwd, model=told.model, session=told.session, grants=told.grants)
    session = engine(name).session(brief)
    readable = Readable(session, redact=redact.text) if redact is not None else Readable(session)
    return (readable.feed(transcript.output) + readable.close()).decode()


@pytest.mark.parametrize("name", DID)
def test_what_an_agent_does_has_a_line_in_the_same_words_for_all(name: str) -> None:
    title, expected = DID[name]
    assert read(name, title) == expected


def test_what_was_refused_is_told_from_what_was_done() -> None:
    assert read("claude", "denied") == f"> run touch no\n{NO}> run ls\ncould not\n"


def test_that_it_waits_for_its_model_has_a_line() -> None:
    assert read("claude", "recovered") == "> the model is overloaded, tried again in 0.6 s\nwell again\n"


def test_a_result_is_no_tool_of_its_own() -> None:
    assert read("claude", "schema") == ""


def test_secrets_in_what_it_does_are_not_shown() -> None:
    assert "> run ***\n" in read("claude", "edit", redact=Redactor({"KEY": "echo hi > y.txt"}))


@pytest.mark.parametrize("name", ["opencode", "copilot", "claude-agent-acp"])
def test_what_follows_an_answer_of_a_person_is_seen(name: str, tmp_path: Path) -> None:
    """The last message is whole when the prompt is answered, and that was one after what people have said."""
    transcript = next(each for each in load(name) if each.name == "work")
    told = transcript.brief
    notes = [
        {"n": number + 1, "offset": offset, "note": "reply" if '"method":' in text else "answer 1", "data": text}
        for number, (offset, text) in enumerate(transcript.inputs)
    ]
    path = tmp_path / "a.1.in.log"
    path.write_text("".join(json.dumps(note) + "\n" for note in notes))
    brief = Brief("a", 1, "first", told.cwd, session=told.session, grants=told.grants)
    readable = Readable(engine(name).session(brief), inputs=str(path))
    assert b"All done" in readable.feed(transcript.output) + readable.close()
