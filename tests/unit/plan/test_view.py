from __future__ import annotations

import json
import re
from typing import Any

import pytest

from teamflow.plan.explain import preview
from teamflow.views.plan import plan_json, plan_text
from teamflow.views.width import width
from tests.fakes.plans import make_plan, make_step

PLAN = make_plan(
    [
        make_step("a", target="\x1b[31mred", permissions="edits \u202e src", waits=(("pr", "pull requests"),)),
        make_step("b", needs=["a"], condition="agents.a.text == '\x1b]0;title\x07'\nor false"),
        *(make_step(f"deep{number}", needs=[f"deep{number - 1}"] if number else ["b"]) for number in range(60)),
    ]
)


@pytest.mark.parametrize("columns", [20, 33, 48, 80, 200])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_no_line_is_too_wide_and_nothing_steers_the_terminal(columns: int, ascii_only: bool) -> None:
    text = plan_text(preview(PLAN), columns=columns, ascii_only=ascii_only)
    assert max(map(width, text.splitlines())) <= columns
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert text.isascii() or not ascii_only
    for number in range(60):
        assert f"+ deep{number}" in text


def test_the_tree_can_be_left_out() -> None:
    assert "└" not in plan_text(preview(PLAN), columns=80, graph=False)
    assert "└" in plan_text(preview(PLAN), columns=80)


def test_json_has_exactly_the_documented_keys() -> None:
    found = json.loads(plan_json(preview(PLAN)))
    assert list(found) == ["schema_version", "team", "digest", "steps", "levels", "critical_path", "edges",
                           "most_steps", "notes"]  # fmt: skip
    assert list(found["steps"][0]) == [
        "id",
        "agent",
        "action",
        "reason",
        "depends_on",
        "level",
        "engine",
        "model",
        "fallbacks",
        "target",
        "workspace",
        "permissions",
        "key",
    ]
    assert found["edges"][0] == ["a", "b"]
    assert {step["action"] for step in found["steps"]} <= {"run", "cached", "skip", "ask", "undecided"}


def test_off_a_terminal_nothing_is_cut() -> None:
    long: dict[str, Any] = {
        "engine": "claude",
        "model": "m" * 90,
        "permissions": "not enforced by a custom engine, however long it is",
    }
    shown = preview(make_plan([make_step("s" * 60, **long), make_step("b", needs=["s" * 60])]))
    text = plan_text(shown, columns=None)
    assert "…" not in text
    for whole in (f"claude/{'m' * 90}", long["permissions"], "s" * 60):
        assert whole in text
    assert "…" in plan_text(shown, columns=100)
