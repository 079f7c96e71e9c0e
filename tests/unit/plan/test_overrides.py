from __future__ import annotations

import pytest

from teamflow.engines.registry import BUILT_IN
from teamflow.plan.planner import make_plan
from tests.fakes.teams import errors_of, load_team, plan_of, step_of

TEAM = """
agents:
  a: {prompt: x, engine: [claude/opus, codex]}
  b: {command: x}
"""


def test_model_engine_and_times() -> None:
    overrides = {"agents.a.model": "haiku", "agents.b.timeout": "90s", "agents.b.cache": "true"}
    plan = plan_of(TEAM, overrides=overrides)
    assert (step_of(plan, "a").engine, step_of(plan, "a").model) == ("claude", "haiku")
    assert (step_of(plan, "b").timeout, step_of(plan, "b").cache) == (90.0, True)
    assert step_of(plan_of(TEAM, overrides={"agents.a.engine": "codex/gpt-5"}), "a").model == "gpt-5"


def test_an_override_changes_the_plan() -> None:
    assert plan_of(TEAM).digest != plan_of(TEAM, overrides={"agents.a.model": "haiku"}).digest


@pytest.mark.parametrize(
    ("path", "value", "part"),
    [
        ("agent.a.model", "x", "cannot be set"),
        ("agents.model", "x", "cannot be set"),
        ("agents.aa.model", "x", "there is no agent"),
        ("agents.a.modle", "x", "cannot be set on the command line"),
        ("agents.b.model", "x", "has no prompt"),
        ("agents.a.model", "", "has a name"),
        ("agents.a.base_url", "localhost:1", "this is no URL with http or https"),
        ("agents.b.base_url", "http://h", "has no prompt"),
        ("agents.a.engine", "/x", "write an engine"),
        ("agents.a.engine", "claude/", "write an engine"),
        ("agents.a.timeout", "soon", "a duration is"),
        ("agents.a.cache", "yes", "true or false"),
    ],
)
def test_an_override_is_never_ignored(path: str, value: str, part: str) -> None:
    found = errors_of(TEAM, overrides={path: value})
    assert [item.code for item in found] == ["bad-override"]
    assert part in found[0].message


def test_an_engine_has_to_be_there() -> None:
    team = load_team("engines: {mine: {command: [x]}}\n" + TEAM)
    for value, wrong in (
        ("claud", "claud"),
        ("mine, codx/gpt-5", "codx"),
        ("[claude", "[claude"),
        ("command", "command"),
    ):
        _, found = make_plan(team, inputs={}, overrides={"agents.a.engine": value}, engines=BUILT_IN, git=True)
        assert [item.message for item in found] == [f'agents.a.engine: there is no engine "{wrong}"']
    plan, _ = make_plan(team, inputs={}, overrides={"agents.a.engine": "mine,codex"}, engines=BUILT_IN, git=True)
    assert plan is not None


def test_a_server_of_models_may_be_another_here_or_none() -> None:
    team = "agents: {a: {prompt: x, engine: claude/m, base_url: 'http://h:1'}}"
    for value, wanted in (("https://gpu:8/v1/", "https://gpu:8"), ("", "")):
        step = step_of(plan_of(team, overrides={"agents.a.base_url": value}), "a")
        assert step.means.base_url == wanted
        assert ("asks the model at" in step.permissions) is bool(wanted)
    [found] = errors_of(team, overrides={"agents.a.base_url": "http://me:s3cret@h"})
    assert "s3cret" not in found.message


def test_a_server_that_no_engine_would_hear_of_is_refused() -> None:
    team = "engines: {local: {engine: claude, base_url: 'http://h:1', model: m}}\n"
    team += "agents: {a: {prompt: x, engine: local}, b: {prompt: x, engine: [claude/m, local]}}"
    [found] = errors_of(team, overrides={"agents.a.base_url": "http://h:2"})
    assert (found.code, found.message) == ("bad-override", "agents.a.base_url: local has a server of its own")
    for more in ({}, {"agents.a.engine": "claude/m"}):
        words = {"agents.a.base_url": "http://h:2", **more} if more else {"agents.b.base_url": "http://h:2"}
        step = step_of(plan_of(team, overrides=words), "a" if more else "b")
        assert step.base_urls[0] == "http://h:2"
