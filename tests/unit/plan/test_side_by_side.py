"""Agents that may edit one directory at once: who is warned of, and what keeps them apart."""

from __future__ import annotations

import pytest

from teamflow.core.diagnostics import Severity
from teamflow.plan.planner import make_plan
from tests.fakes.teams import load_team


def told(agents: str, *, team: str = "", git: bool = False, **files: str) -> list[str]:
    plan, found = make_plan(load_team(f"{team}\nagents:\n{agents}", **files), inputs={}, git=git)
    assert plan is not None, list(found)
    items = [item for item in found if item.code == "shared-directory"]
    assert all(item.severity is Severity.WARNING and item.span is not None for item in items)
    return [f"{item.message} | {item.hint}" for item in items]


TWO = "  a: {prompt: x}\n  b: {prompt: x}\n"


def test_outside_of_git() -> None:
    [said] = told(TWO)
    assert said.startswith("a and b may run at once in one directory, and each may change the files of the other | ")
    assert "a git repository" in said
    assert "depends_on: [a] in b" in said
    assert told(TWO, git=True) == [], "each has a worktree"


def test_shared_in_git_and_one_warning_for_all() -> None:
    [said] = told(f"{TWO}  c: {{prompt: x}}\n", team="defaults: {workspace: {mode: shared}}", git=True)
    assert "use workspace: {mode: worktree}, depends_on: [a] in b" in said


def test_instances_of_one_agent() -> None:
    [said] = told("  a: {prompt: x, matrix: [1, 2]}\n")
    assert "a/1 and a/2" in said
    assert "max_parallel: 1" in said


@pytest.mark.parametrize(
    "agents",
    [
        "  a: {prompt: x}\n  b: {prompt: x, depends_on: [a]}\n",
        "  a: {prompt: x}\n  c: {command: x, depends_on: [a]}\n  b: {prompt: x, depends_on: [c]}\n",
        "  a: {prompt: x}\n  b: {prompt: x, permissions: read}\n",
        "  a: {prompt: x}\n  b: {command: x}\n",
        "  a: {prompt: x, writes: [a]}\n  b: {prompt: x, writes: [b]}\n",
        "  a: {prompt: x, permissions: {edit: [a]}}\n  b: {prompt: x, writes: [b]}\n",
        "  a: {prompt: x, workdir: one}\n  b: {prompt: x, workdir: two}\n",
        "  a: {prompt: x}\n  b: {prompt: x, if: 'false'}\n",
        "  a: {prompt: x}\n  b: {prompt: x, engine: scripted, script: s.yaml}\n",
    ],
)
def test_what_is_none(agents: str) -> None:
    assert told(agents, **{"s.yaml": "- say: x\n"}) == []


def test_one_after_the_other_by_the_limit() -> None:
    assert told(TWO, team="limits: {max_parallel: 1}") == []


def test_one_of_them_unknown_and_no_neighbour_in_the_order() -> None:
    agents = "  a: {prompt: x}\n  b: {prompt: x, writes: [b], depends_on: [a]}\n  c: {prompt: x, writes: [c]}\n"
    [said] = told(agents)
    assert "a and c" in said or "c and a" in said


def test_a_thousand_in_a_row_and_a_thousand_at_once_are_compared() -> None:
    row = "".join(f"  s{n}: {{prompt: x{f', depends_on: [s{n - 1}]' if n else ''}}}\n" for n in range(1000))
    assert told(row) == []
    assert len(told("  a: {prompt: x, matrix: " + str(list(range(1000))) + "}\n")) == 1
