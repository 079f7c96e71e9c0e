"""`${NAME}` of MCP servers: what a step never has is an error of the plan, with place and remedy."""

from __future__ import annotations

import pytest

from teamflow.core.plan import Plan
from teamflow.engines.registry import ENGINES
from teamflow.engines.registry import engine as built_in
from teamflow.plan.planner import make_plan
from teamflow.plan.variables import unset
from tests.fakes.teams import load_team

KNOWN = {name: built_in(name).capabilities for name in ENGINES}


def planned(word: str, *, agent: str = "", team: str = "") -> tuple[Plan | None, list[tuple[str, str]]]:
    """(message, hint) of what is wrong with a server that refers to `word`."""
    text = f"{team}\nagents:\n  a:\n    {{engine: claude, prompt: x, {agent} mcp_servers: {{n: {{url: 'http://h/{word}'}}}}}}\n"
    plan, found = make_plan(load_team(text), inputs={}, git=True, engines=KNOWN)
    errors = [item for item in found if item.code == "no-variable"]
    assert all(item.span.line == 4 or item.span.line == 5 for item in errors if item.span is not None)
    return plan, [(item.message, item.hint or "") for item in errors]


def test_one_that_is_nowhere() -> None:
    plan, [(message, hint)] = planned("${NOT_THERE}")
    assert plan is None
    assert message == "the MCP server n of a refers to NOT_THERE, which its steps never have"
    assert hint == "Give it by env, secrets or inherit_env, or write a default, ${NOT_THERE:-…}."


def test_a_secret_that_is_not_asked_for() -> None:
    _, [(_, hint)] = planned("${TOKEN}", team="secrets: {TOKEN: {env: X}}")
    assert hint.startswith("Add secrets: [TOKEN] to a")


def test_a_slip() -> None:
    _, [(_, hint)] = planned("${TOKN}", team="secrets: {TOKEN: {env: X}}", agent="secrets: [TOKEN],")
    assert "TOKEN" in hint.split(" Give ")[0]


@pytest.mark.parametrize(
    ("word", "agent", "team"),
    [
        ("${A:-x}", "", ""),
        ("${A}", "env: {A: b},", ""),
        ("${A}", "", "env: {A: b}"),
        ("${TOKEN}", "secrets: [TOKEN],", "secrets: {TOKEN: {env: X}}"),
        ("${MY_KEY}", "", "inherit_env: ['MY_*']"),
        ("${HOME}${LC_ALL}", "", ""),
        ("${ANTHROPIC_API_KEY}", "", ""),
        ("${TEAMFLOW_STEP}", "", ""),
        ("$A {A}", "", ""),
    ],
)
def test_those_that_may_be_there(word: str, agent: str, team: str) -> None:
    plan, errors = planned(word, agent=agent, team=team)
    assert errors == []
    assert plan is not None


def test_what_only_this_machine_knows() -> None:
    plan, _ = planned("${MY_KEY}${HOME}", team="inherit_env: ['MY_*']")
    assert plan is not None
    assert [(step.id, server, name) for step, server, name in unset(plan, {"HOME": "/h"})] == [("a", "n", "MY_KEY")]
    assert list(unset(plan, {"HOME": "/h", "MY_KEY": ""})) == []
