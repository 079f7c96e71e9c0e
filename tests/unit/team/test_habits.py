"""What people write who come from other tools: the error is told in the words of this one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from teamflow.team.habits import key_hint
from teamflow.team.loaded import Loaded


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("needs: [b]", 'did you mean "depends_on"?'),
        ("run: make", 'did you mean "command"?'),
        ("environment: {A: b}", 'did you mean "env"?'),
        ("mcpServers: {}", 'did you mean "mcp_servers"?'),
        ("permissions: write", 'Write "edit".'),
        ("permissions: bypassPermissions", 'Write "full".'),
        ("permissions: {net: false}", 'Write "deny".'),
        ("permissions: {net: off}", 'Write "deny".'),
        ("permissions: {run: pytest}", "Write a list: [pytest]"),
        ("permissions: {run: 'a, b'}", 'Write a list: ["…"]'),
        ("retry: 3", "Write {attempts: 3}."),
        ("verify: [[pytest, -q]]", "Each entry is one command, as a text."),
        ('verify: ["pytest {{ inputs.x }}"]', 'Pass the value by env and write "$NAME".'),
        (
            "persona: nobody",
            "Declare it under personas, or write personas/NAME.md beside the team file, or .claude/agents/NAME.md.",
        ),
    ],
)
def test_hints(read: Callable[..., Loaded], key: str, hint: str) -> None:
    [found] = read(f"agents:\n  a:\n    prompt: x\n    {key}\n").diagnostics
    assert found.hint == hint


def test_a_hint_is_only_given_where_the_key_may_stand(read: Callable[..., Loaded]) -> None:
    [found] = read("agents: {a: {prompt: x}}\nlimits: {needs: 1}\n").diagnostics
    assert "depends_on" not in (found.hint or "")
    assert key_hint("needs", []) is None


def test_the_output_of_an_engine(read: Callable[..., Loaded]) -> None:
    text = "engines: {my: {command: [x], output: jsonl}}\nagents: {a: {engine: my, prompt: x}}\n"
    [found] = read(text).diagnostics
    assert found.hint == 'Write "json-lines".'
