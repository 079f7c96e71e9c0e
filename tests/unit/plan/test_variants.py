"""Variants of built-in engines in a plan: what they come to, what goes before what, and what a plan says of them."""

from __future__ import annotations

import json

import pytest

from teamflow.core.changes import changed
from teamflow.core.invocation import Brief
from teamflow.core.plan import EngineDefinition
from teamflow.engines.registry import ENGINES, custom_engine
from teamflow.engines.registry import engine as built_in
from teamflow.plan.diff import Change, compare
from teamflow.plan.planner import make_plan
from teamflow.plan.stored import plan_from_json, plan_from_plain, plan_to_json, plan_to_plain
from teamflow.plan.words import grants_object, team_in_words
from tests.fakes.teams import load_team, plan_of, step_of

KNOWN = {name: built_in(name).capabilities for name in ENGINES}
URL = "http://127.0.0.1:11434"
LOCAL = f"local: {{engine: claude, base_url: '{URL}/v1/', model: qwen3, env: {{A: 1, B: two}}, inherit_env: [GATEWAY]}}"
TEAM = f"""
engines:
  {LOCAL}
  work: {{engine: claude, env: {{CLAUDE_CONFIG_DIR: /work}}}}
  fast: {{engine: claude, model: haiku}}
  mine: {{command: [mine]}}
env: {{B: of the team}}
defaults: {{permissions: read, prompt: x}}
personas: {{far: {{engine: [codex/gpt-5, local/llama3], base_url: "https://gpu:8"}}}}
agents:
  a: {{engine: [claude/opus, local, work], env: {{C: three}}}}
  b: {{engine: local}}
  c: {{persona: far}}
  d: {{engine: [mine, fast]}}
"""


def complaints(agents: str, engines: str = LOCAL) -> list[tuple[str, str, str, int]]:
    """(code, message, hint, line)"""
    _, found = make_plan(load_team(f"engines:\n  {engines}\n{agents}"), inputs={}, git=True, engines=KNOWN)
    return [(item.code, item.message, item.hint or "", item.span.line if item.span else 0) for item in found]


def test_what_each_choice_of_a_chain_comes_to() -> None:
    a = step_of(plan_of(TEAM, git=True), "a")
    local = EngineDefinition(
        (), env={"A": "1", "B": "two"}, inherit_env=("GATEWAY",), engine="claude", base_url=URL, asks_for="qwen3"
    )
    assert a.engines == ("claude", "local", "work")
    assert [(other.model, other.custom) for other in a.fallbacks[:1]] == [("qwen3", local)]
    assert a.base_urls == ("", URL, "")
    assert a.accounts == ("claude", f"claude at {URL}", "work"), "other variables may be another login"
    own, second, third = a.by(None), a.by(1), a.by(2)
    assert own == a
    assert (second.engine, second.model, second.means.base_url) == ("local", "qwen3", URL)
    assert dict(second.env) == {"A": "1", "B": "two", "C": "three"}, "its variables go before those of the agent"
    assert second.inherit_env == ("GATEWAY",)
    assert second.by(None) == second
    assert (third.model, third.means.base_url, dict(third.env)["CLAUDE_CONFIG_DIR"]) == (None, "", "/work")
    assert not any(step.prints_text for step in (own, second, third))


def test_what_goes_before_what() -> None:
    plan = plan_of(TEAM, git=True)
    b, c, d = (step_of(plan, name) for name in "bcd")
    assert (b.engine, b.model, b.means.base_url) == ("local", "qwen3", "")
    assert (b.by(None).means.base_url, b.by(None).inherit_env) == (URL, ("GATEWAY",))
    assert [(other.engine, other.model) for other in c.fallbacks] == [("local", "llama3")]
    assert c.base_urls == ("https://gpu:8", URL), "its own server goes before the agent's"
    assert c.accounts == ("codex at https://gpu:8", f"claude at {URL}")
    assert (d.fallbacks[0].model, d.accounts) == ("haiku", ("mine", "claude")), "it has the account of its engine"
    for word, model in (("local", "qwen3"), ("local/other", "other")):
        assert step_of(plan_of(TEAM, git=True, overrides={"agents.d.engine": word}), "d").model == model
    assert step_of(plan_of(TEAM, git=True, overrides={"agents.b.model": "other"}), "b").model == "other"


def test_what_a_plan_says() -> None:
    plan = plan_of(TEAM, git=True)
    a, b, c, d = (step_of(plan, name) for name in "abcd")
    assert a.permissions == f"reads; local asks the model at {URL}"
    assert b.permissions == f"reads; asks the model at {URL}"
    assert c.permissions == f"reads; codex asks the model at https://gpu:8; local asks the model at {URL}"
    assert d.permissions == "reads; not enforced by a custom engine"
    said = team_in_words(plan.steps)
    assert f"models of other servers: {URL} (a, b, c), https://gpu:8 (c)" in said
    assert "not enforced by custom engines: d" in said
    told = grants_object(b)
    assert told is not None
    assert (told["base_url"], told["enforced"]) == (URL, True)


def test_it_is_stored_and_older_plans_are_read() -> None:
    plan = plan_of(TEAM, git=True)
    text = plan_to_json(plan)
    for stored in (plan_from_json(text), plan_from_plain(plan_to_plain(plan))):
        assert stored == plan
    programs = plan_to_json(
        plan_of("engines: {mine: {command: [mine]}}\nagents: {a: {engine: [mine, mine], prompt: x}}")
    )
    assert "asks_for" not in programs, "what older versions read stays as it was"
    [step] = plan_from_json(programs).steps
    assert step.custom == step.fallbacks[0].custom == EngineDefinition(("mine",))
    raw = json.loads(text)
    assert raw["engines"]["local"]["engine"] == "claude"


@pytest.mark.parametrize(
    ("old", "new"),
    [("engine: claude, base_url", "engine: opencode, base_url"), (":11434", ":1"), ("A: 1", "A: 2")],
)
def test_another_definition_redefines_its_steps(old: str, new: str) -> None:
    found = compare(plan_of(TEAM, git=True), plan_of(TEAM.replace(old, new, 1), git=True))
    assert {name for name, change in found.items() if change.kind == "redefined"} == {"a", "b", "c"}
    assert all("engine" in change.aspects for change in found.values() if change.kind == "redefined")
    other = compare(plan_of(TEAM, git=True), plan_of(TEAM.replace("model: qwen3", "model: qwen4"), git=True))
    assert (other["b"], other["c"]) == (Change("redefined", ("model",)), Change("same"))


def test_a_relaunch_may_choose_one() -> None:
    plan = plan_of(TEAM, git=True)
    step = step_of(changed(plan, {"d": {"engine": "local"}}), "d")
    assert (step.model, step.by(None).means.base_url, step.inherit_env) == ("qwen3", URL, ("GATEWAY",))
    assert step_of(changed(plan, {"d": {"engine": "local", "model": "m"}}), "d").model == "m"


@pytest.mark.parametrize(
    ("engines", "agents", "code", "words", "line"),
    [
        (
            f"local: {{engine: gemini, model: m, base_url: '{URL}'}}", "{engine: [claude, local]}",
            "not-enforced", "gemini cannot be told which server answers as its model", 2,
        ),
        (
            f"local: {{engine: claude, base_url: '{URL}'}}", "{engine: [claude, local]}",
            "no-model", "which model local is to ask for", 3,
        ),
        (
            "local: {engine: codex-exec, model: m}", "{engine: local, permissions: {run: [make]}}",
            "not-enforced", "codex-exec cannot be kept to some commands", 3,
        ),
        ("local: {engine: claude, model: haikku}", "{engine: local}", "unknown-model", '"haikku"', 3),
        (LOCAL, "{engine: local, budget: {usd: 3}}", "untold-cost", "local does not tell", 3),
    ],
)  # fmt: skip
def test_what_its_engine_cannot_do_is_said(engines: str, agents: str, code: str, words: str, line: int) -> None:
    found = complaints(f"agents: {{a: {{prompt: x, {agents[1:]}}}", engines)
    assert [(each[0], each[3]) for each in found] == [(code, line)]
    assert words in found[0][1]
    assert complaints("agents: {a: {engine: claude, prompt: x}}", engines) == [], "only where somebody uses it"


def test_it_is_the_built_in_engine_by_another_name() -> None:
    step = step_of(plan_of(TEAM, git=True), "b")
    assert step.custom is not None
    found = custom_engine("local", step.custom)
    assert (found.name, found.capabilities) == ("local", KNOWN["claude"])
    brief = Brief("a", 1, "first", "/w", prompt="x", model="m", base_url=URL)
    assert found.invoke(brief) == built_in("claude").invoke(brief)
