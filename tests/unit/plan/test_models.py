"""Models that look like a slip of the pen are said, others are handed on."""

from __future__ import annotations

import pytest

from teamflow.core.capabilities import Capabilities
from teamflow.plan.planner import make_plan
from tests.fakes.teams import load_team

CAN = {"claude": Capabilities(models=("opus", "sonnet"), enforces=frozenset({"read", "edit"}), asks=True)}


@pytest.mark.parametrize(
    ("engine", "told"),
    [("claude/opsu", 'did you mean "opus"?'), ("claude/opus", ""), ("claude/gpt-9", ""), ("claude", "")],
)
def test_a_slip_is_said(engine: str, told: str) -> None:
    loaded = load_team(f"agents: {{a: {{engine: {engine}, prompt: x}}}}\n")
    plan, found = make_plan(loaded, inputs={}, git=False, engines=CAN)
    assert plan is not None
    hints = [item.hint for item in found if item.code == "unknown-model"]
    assert hints == ([f"{told} Others that it knows: opus, sonnet."] if told else [])
