"""Engines that the team file defines, in a plan: their steps carry them, and are redefined with them."""

from __future__ import annotations

import pytest

from teamflow.core.plan import EngineDefinition
from teamflow.plan.diff import Change, compare
from tests.fakes.teams import plan_of, step_of

TEAM = """
engines:
  mine: {command: [mine], prompt: stdin, inherit_env: [MINE_*]}
  other: {command: [other], model: [-m, "{{ model }}"]}
agents:
  a: {engine: mine, prompt: x, permissions: read}
  b: {engine: other/large, prompt: x, workspace: {mode: shared}}
  c: {command: x, depends_on: [a]}
"""


def test_steps_carry_what_their_engine_is() -> None:
    plan = plan_of(TEAM, git=True)
    a, b, c = (step_of(plan, name) for name in "abc")
    mine = EngineDefinition(("mine",), inherit_env=("MINE_*",))
    assert (a.engine, a.model, a.custom, a.inherit_env) == ("mine", None, mine, ("MINE_*",))
    assert plan.engines["mine"] == mine
    assert (b.engine, b.model, b.inherit_env) == ("other", "large", ())
    assert b.custom is not None
    assert b.custom.model == ("-m", "{{ model }}")
    assert (c.custom, c.inherit_env) == (None, ())
    assert a.permissions == "reads; not enforced by a custom engine"
    assert b.permissions == "edits; runs commands; not enforced by a custom engine"
    assert [step.waits for step in plan.steps] == [(), (), ()]
    assert [step.prints_text for step in (a, b, c)] == [True, True, True]
    assert not a._replace(custom=EngineDefinition(("x",), output="json")).prints_text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("command: [mine]", "command: [mine, -v]"),
        ("prompt: stdin", "prompt: argument"),
        ("prompt: stdin", "output: json, message: m"),
        ("prompt: stdin", "env: {A: 1}"),
    ],
)
def test_redefining_an_engine_redefines_its_steps_and_no_others(old: str, new: str) -> None:
    one, other = plan_of(TEAM), plan_of(TEAM.replace(old, new, 1))
    assert one.digest != other.digest
    assert compare(one, other) == {"a": Change("redefined", ("engine",)), "b": Change("same"), "c": Change("same")}


def test_what_it_inherits_counts_as_its_environment() -> None:
    changed = compare(plan_of(TEAM), plan_of(TEAM.replace("MINE_*", "YOURS")))
    assert changed["a"] == Change("redefined", ("env",))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("prompt: stdin, ", ""),
        ("command: [mine]", "x-note: 1, output: text, command: [mine]"),
        ("  mine:", "  unused: {command: [x]}\n  mine:"),
    ],
)
def test_what_says_the_same_changes_nothing(old: str, new: str) -> None:
    one, other = plan_of(TEAM), plan_of(TEAM.replace(old, new, 1))
    assert one.digest == other.digest
    assert {change.kind for change in compare(one, other).values()} == {"same"}


def test_the_command_line_may_choose_one() -> None:
    plan = plan_of(TEAM, overrides={"agents.a.engine": "other/small"})
    a = step_of(plan, "a")
    assert (a.engine, a.model, a.waits) == ("other", "small", ())
    assert a.custom is not None
    assert a.custom.command == ("other",)
    back = step_of(plan_of(TEAM, overrides={"agents.a.engine": "claude"}), "a")
    assert (back.custom, back.permissions) == (None, "reads")
