"""What people see of the engines' protocols: what was said, and none of the lines themselves."""

from __future__ import annotations

import pytest

from teamflow.app.outputs import Readable
from teamflow.core.invocation import Brief
from teamflow.engines.registry import engine
from tests.unit.engines.transcripts import load


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
