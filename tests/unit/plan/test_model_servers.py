"""`base_url`: what it may be, which engines can be told, and what a plan says of it."""

from __future__ import annotations

import pytest

from teamflow.core.model_server import root, trouble
from teamflow.core.permissions import NO_MEANS
from teamflow.core.plan import Step
from teamflow.engines.registry import ENGINES
from teamflow.engines.registry import engine as built_in
from teamflow.plan.key import changed_aspects, definition_key
from teamflow.plan.planner import make_plan
from teamflow.plan.stored import plan_from_json, plan_from_plain, plan_to_json, plan_to_plain
from teamflow.plan.words import grants_object, team_in_words
from teamflow.team.load import load
from tests.fakes.teams import MemoryFiles, load_team, plan_of, step_of

KNOWN = {name: built_in(name).capabilities for name in ENGINES}
URL = "http://127.0.0.1:11434"


def complaints(agents: str) -> list[tuple[str, str, str]]:
    """(code, message, hint)"""
    _, found = make_plan(load_team(agents), inputs={}, git=True, engines=KNOWN)
    return [(item.code, item.message, item.hint or "") for item in found]


@pytest.mark.parametrize("url", [URL, f"{URL}/", "https://gpu.example:8000/v1", "http://[::1]:1/a/b/v1/", "http://h"])
def test_addresses(url: str) -> None:
    assert trouble(url) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("127.0.0.1:11434", "http or https"),
        ("localhost", "http or https"),
        ("ftp://h", "http or https"),
        ("file:///etc/passwd", "http or https"),
        ("http://", "http or https"),
        ("http://:80", "http or https"),
        ("http://h:port", "no URL"),
        ("http://h:99999", "no URL"),
        ("http://[::1", "no URL"),
        ("http://h\n", "no URL"),
        ("http://h /x", "no URL"),
        ("http://h\x1b[2J", "no URL"),
        ("http://hö.example", "no URL"),
        ("http://h/" + "x" * 5000, "no URL"),
        ("http://{{ inputs.host }}", "is a template"),
        ("http://h?key=1", "behind its path"),
        ("http://h#x", "behind its path"),
        ("http://h?", "behind its path"),
        ("http://me:pass@h", "credentials"),
        ("http://token@h/v1", "credentials"),
        ("http://@h", "credentials"),
    ],
)
def test_what_is_none(url: str, words: str) -> None:
    found = trouble(url)
    assert found is not None
    assert words in found.message
    assert found.hint


def test_the_root() -> None:
    assert {root(url) for url in (URL, f"{URL}/", f"{URL}/v1", f"{URL}/v1/", f"{URL}//v1//")} == {URL}
    assert root("http://h/openai/v1") == "http://h/openai"
    assert root("http://h/v10") == "http://h/v10"
    assert root("") == ""


def test_credentials_are_not_repeated() -> None:
    team = "agents: {a: {engine: claude/x, prompt: x, base_url: 'http://me:s3cret@h'}}"
    [item] = load("team.yaml", sources=MemoryFiles({"team.yaml": team})).diagnostics
    assert item.code == "bad-base-url"
    assert "s3cret" not in item.message
    assert "secrets or env" in (item.hint or "")


@pytest.mark.parametrize("name", ["claude", "opencode", "codex", "codex-exec", "copilot", "scripted"])
def test_these_can_be_told(name: str) -> None:
    script = ", script: s.yaml" if name == "scripted" else ""
    if not script:
        assert complaints(f"agents: {{a: {{engine: {name}/m, prompt: x, base_url: '{URL}'}}}}") == []
    assert KNOWN[name].base_url


@pytest.mark.parametrize("chain", ["gemini/m", "[claude/m, gemini/m]", "[opencode/m, mine/m]", "mine/m"])
def test_one_that_cannot_is_said_wherever_it_stands(chain: str) -> None:
    team = "engines: {mine: {command: [mine], model: ['{{ model }}']}}\n"
    team += f"agents: {{a: {{engine: {chain}, prompt: x, base_url: '{URL}', permissions: full}}}}"
    [(code, message, hint)] = complaints(team)
    assert code == "not-enforced"
    assert "cannot be told which server answers as its model" in message
    assert hint.startswith("use claude or codex or codex-exec or opencode or copilot or claude-agent-acp, or leave")


@pytest.mark.parametrize("chain", ["claude", "[claude/m, codex]"])
def test_each_names_its_model(chain: str) -> None:
    [(code, message, hint)] = complaints(f"agents: {{a: {{engine: {chain}, prompt: x, base_url: '{URL}'}}}}")
    assert code == "no-model"
    assert "which model" in message
    assert "/NAME" in hint


def test_names_of_other_models_are_no_slips_there() -> None:
    assert complaints(f"agents: {{a: {{engine: claude/haikku, prompt: x, base_url: '{URL}'}}}}") == []
    assert complaints("agents: {a: {engine: claude/haikku, prompt: x}}") != []


TEAM = """
defaults: {model: qwen, base_url: "http://h:1/v1/"}
personas: {far: {base_url: "https://gpu:8"}}
agents:
  a: {engine: claude, prompt: x, permissions: read}
  b: {engine: codex, prompt: x, persona: far}
  c: {command: make}
"""


def step(agents: str) -> Step:
    return plan_of(agents, git=True).steps[0]


def test_a_plan_says_who_is_asked() -> None:
    plan = plan_of(TEAM, git=True)
    a, b, c = (step_of(plan, name) for name in "abc")
    assert a.means.base_url == "http://h:1"
    assert b.means.base_url == "https://gpu:8"
    assert c.means == NO_MEANS
    assert a.permissions == "reads; asks the model at http://h:1"
    assert "models of other servers: http://h:1 (a), https://gpu:8 (b)" in team_in_words(plan.steps)
    told = grants_object(a)
    assert told is not None
    assert told["base_url"] == "http://h:1"
    for stored in (plan_from_json(plan_to_json(plan)), plan_from_plain(plan_to_plain(plan))):
        assert stored == plan


def test_another_server_is_another_definition() -> None:
    one, other, none = (
        step(f"agents: {{a: {{engine: claude/m, prompt: x, permissions: read{more}}}}}")
        for more in (", base_url: 'http://h:1/v1'", ", base_url: 'http://h:2'", "")
    )
    assert len({definition_key(each) for each in (one, other, none)}) == 3
    assert "base_url" in changed_aspects(one, other)
    same = step("agents: {a: {engine: claude/m, prompt: x, permissions: read, base_url: 'http://h:1/'}}")
    assert definition_key(same) == definition_key(one)


@pytest.mark.parametrize(
    ("engine", "server", "warned"),
    [
        ("claude/qwen", f", base_url: '{URL}'", True),
        ("claude/claude-opus-4-8", f", base_url: '{URL}'", False),
        ("claude/opus", "", False),
    ],
)
def test_a_budget_in_dollars_holds_no_model_without_a_price(engine: str, server: str, warned: bool) -> None:
    found = complaints(f"agents: {{a: {{engine: {engine}, prompt: x, budget: {{usd: 3}}{server}}}}}")
    assert [code for code, _, _ in found] == (["untold-cost"] if warned else [])
