"""Ids of models as agents tell them, and what is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamflow.core.invocation import Brief, ModelTold
from teamflow.engines.claude_stream import ClaudeSession
from teamflow.engines.model_id import model_told


@pytest.mark.parametrize(
    "id",
    ["claude-opus-4-8[1m]", "gpt-5", "scripted/m1", "us.anthropic.claude-3-5-v1:0", "qwen3:8b", "a@b+c~d", "x" * 120],
)
def test_ids(id: str) -> None:
    assert [*model_told(id)] == [ModelTold(id)]


@pytest.mark.parametrize(
    "value",
    ["", "default", "auto", "a b", "a\n", "\x1b[2J", "-x", "x" * 121, "é", None, 3, True, ["gpt-5"], {"id": "x"}],
)
def test_what_is_none_is_passed_over(value: Any) -> None:
    assert [*model_told(value)] == []


def test_claude_tells_at_every_turn_what_answers_from_then_on() -> None:
    session = ClaudeSession(Brief("a", 1, "first", ""))
    told = [
        event
        for model in ("claude-a", 7, "claude-b")
        for event in session.feed(
            json.dumps({"type": "system", "subtype": "init", "session_id": "s", "model": model}).encode() + b"\n"
        )
        if isinstance(event, ModelTold)
    ]
    assert told == [ModelTold("claude-a"), ModelTold("claude-b")]
