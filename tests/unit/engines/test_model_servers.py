"""How each engine is told which server answers as its model, and what it is not to send there."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from typing import Any

import pytest

from teamflow.core.invocation import Brief, Exit, Invocation, Reply
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.permissions import Permissions
from teamflow.engines.acp_said import SESSION, Spending
from teamflow.engines.registry import ENGINES, engine

URL = "http://127.0.0.1:11434"
BRIEF = Brief("a", 1, "first", "/w", prompt="Do it.", stem="/run/a.1", model="Qwen/Coder:7b", base_url=URL)
KEY = "a-key-of-the-team-file"


def invoked(name: str, brief: Brief = BRIEF) -> Invocation:
    found = engine(name).invoke(brief)
    assert isinstance(found, Invocation)
    return found


def settings(brief: Brief = BRIEF) -> dict[str, Any]:
    """Those that claude is given."""
    found = invoked("claude", brief)
    [path] = [word.removeprefix("--settings=") for word in found.argv if word.startswith("--settings=")]
    told: dict[str, Any] = json.loads(dict(found.files)[path])
    return told


def content(brief: Brief = BRIEF) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(invoked("opencode", brief).final["OPENCODE_CONFIG_CONTENT"])
    return told


@pytest.mark.parametrize("name", ENGINES)
def test_without_it_nothing_is_other(name: str) -> None:
    brief = BRIEF._replace(base_url="", script=[{"say": "x"}], shell="true" if name == "command" else None)
    found = engine(name).invoke(brief)
    assert isinstance(found, Invocation)
    assert not found.final
    # What an engine cannot be told is refused before; none is told half of it.
    told = engine(name).invoke(brief._replace(base_url=URL))
    assert isinstance(told, Invocation)
    assert (URL in repr(told)) is (engine(name).capabilities.base_url and name != "scripted")


def test_claude_asks_for_no_other_model_and_sends_no_other_key() -> None:
    for grants in (Permissions(), Permissions("full")):
        told = settings(BRIEF._replace(grants=grants))
        env = told["env"]
        assert env == invoked("claude").final
        assert env["ANTHROPIC_BASE_URL"] == URL
        assert {value for name, value in env.items() if "MODEL" in name} == {"Qwen/Coder:7b"}
        assert {name for name in env if name.startswith("ANTHROPIC_DEFAULT_")} == {
            f"ANTHROPIC_DEFAULT_{kind}_MODEL" for kind in ("OPUS", "SONNET", "HAIKU", "FABLE")
        }
        # Keys and ways of the user's that it would find elsewhere.
        assert env["ANTHROPIC_API_KEY"] == env["ANTHROPIC_AUTH_TOKEN"] == "local"
        assert told["apiKeyHelper"] == env["ANTHROPIC_CUSTOM_HEADERS"] == env["CLAUDE_CODE_USE_BEDROCK"] == ""
        assert ("permissions" in told) is (grants.level != "full")


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
def test_a_key_for_the_server_goes_by_both_headers_of_claude(name: str) -> None:
    brief = BRIEF._replace(variables={name: KEY})
    env = settings(brief)["env"]
    assert env["ANTHROPIC_API_KEY"] == env["ANTHROPIC_AUTH_TOKEN"] == KEY
    assert not [word for word in invoked("claude", brief).argv if KEY in word]


def test_opencode_knows_that_server_alone() -> None:
    told = content()
    assert told["enabled_providers"] == ["teamflow"]
    assert told["disabled_providers"] == []
    assert told["model"] == told["small_model"] == "teamflow/Qwen/Coder:7b"
    provider = told["provider"]["teamflow"]
    assert provider["options"] == {"baseURL": f"{URL}/v1", "apiKey": "local"}
    assert provider["models"] == {"Qwen/Coder:7b": {}}


def test_what_the_user_says_to_opencode_stays() -> None:
    said = {
        "provider": {"mine": {"x": 1}, "teamflow": {"options": {"apiKey": "theirs"}}},
        "share": "disabled",
        "model": "z",
    }
    told = content(BRIEF._replace(variables={"OPENCODE_CONFIG_CONTENT": json.dumps(said), "OPENAI_API_KEY": KEY}))
    assert (told["share"], told["model"]) == ("disabled", "teamflow/Qwen/Coder:7b")
    assert told["provider"]["mine"] == {"x": 1}
    assert told["provider"]["teamflow"]["options"]["apiKey"] == "{env:OPENAI_API_KEY}", "it is no business of a file"


@pytest.mark.parametrize("said", ["[]", "{", "1", '"x"', "// a comment\n{}", '{"provider": 3}'])
def test_what_is_not_understood_of_it_is_said(said: str) -> None:
    found = engine("opencode").invoke(BRIEF._replace(variables={"OPENCODE_CONFIG_CONTENT": said}))
    if said == '{"provider": 3}':
        assert isinstance(found, Invocation)
        return
    assert isinstance(found, Failed)
    assert (found.failure, "OPENCODE_CONFIG_CONTENT" in found.reason) == (FailureClass.START, True)


@pytest.mark.parametrize("name", ["codex", "codex-exec"])
def test_codex_has_a_provider_by_that_name(name: str) -> None:
    words = invoked(name).argv
    assert 'model_provider="teamflow"' in words
    told = f'"name" = "teamflow", "base_url" = "{URL}/v1", "wire_api" = "responses"'
    assert f"model_providers.teamflow={{{told}}}" in words
    words = invoked(name, BRIEF._replace(variables={"CODEX_API_KEY": KEY})).argv
    assert f'model_providers.teamflow={{{told}, "env_key" = "CODEX_API_KEY"}}' in words
    assert KEY not in repr(words)


@pytest.mark.parametrize("session", [None, "s"])
def test_a_thread_of_codex_that_goes_on_asks_there_too(session: str | None) -> None:
    (reply,) = engine("codex").session(BRIEF._replace(session=session)).feed(b'{"id":1,"result":{}}\n')
    assert isinstance(reply, Reply)
    assert json.loads(reply.data.splitlines()[1])["params"]["modelProvider"] == "teamflow"


def test_copilot() -> None:
    told = invoked("copilot").final
    assert told["COPILOT_PROVIDER_BASE_URL"] == f"{URL}/v1"
    assert len(told["COPILOT_PROVIDER_API_KEY"]) > 20, "it puts stars wherever its key occurs"
    told = invoked("copilot", BRIEF._replace(variables={"COPILOT_PROVIDER_API_KEY": KEY, "OPENAI_API_KEY": "x"})).final
    assert told["COPILOT_PROVIDER_API_KEY"] == KEY


@pytest.mark.parametrize("name", ENGINES)
def test_what_is_inherited_all_the_same_is_part_of_what_is_inherited(name: str) -> None:
    can = engine(name).capabilities
    for variable in can.settings:
        assert any(fnmatch(variable, pattern) for pattern in can.login), variable
    assert not [variable for variable in can.settings if variable.endswith(("_KEY", "_TOKEN", "_URL"))]


@pytest.mark.parametrize(
    ("usd", "turns", "words"),
    [
        (None, None, []),
        (0.5, None, ["--max-budget-usd=0.5"]),
        (0.0, 3, ["--max-budget-usd=1e-06", "--max-turns=3"]),
        (-2.0, None, ["--max-budget-usd=1e-06"]),
    ],
)
def test_claude_is_told_its_limits(usd: float | None, turns: int | None, words: list[str]) -> None:
    argv = invoked("claude", BRIEF._replace(base_url="", usd=usd, turns=turns, session="s")).argv
    assert [word for word in argv if word.startswith("--max-")] == words


def test_claude_by_acp_is_told_the_same_and_a_key_is_in_no_message() -> None:
    agent = engine("claude-agent-acp")
    for variables, known in (
        ({}, "local"),
        ({"ANTHROPIC_API_KEY": KEY}, None),
        ({"ANTHROPIC_CUSTOM_HEADERS": f"authorization: Bearer {KEY}"}, "local"),
    ):
        brief = BRIEF._replace(variables=variables)
        assert invoked("claude-agent-acp", brief).final == invoked("claude", brief).final
        (reply,) = agent.session(brief).feed(b'{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1}}\n')
        assert isinstance(reply, Reply)
        told = json.loads(reply.data)["params"]["_meta"]["claudeCode"]["options"]["settings"]
        assert told["env"]["ANTHROPIC_BASE_URL"] == URL
        assert told["env"].get("ANTHROPIC_AUTH_TOKEN") == known
        assert KEY not in reply.data


@pytest.mark.parametrize(("model", "usd"), [("qwen", None), ("claude-sonnet-4-5", 0.25)])
def test_a_model_of_ones_own_has_no_price(model: str, usd: float | None) -> None:
    brief = BRIEF._replace(model=model, usd=3.0)
    result = {"type": "result", "subtype": "success", "is_error": False, "num_turns": 1, "total_cost_usd": 0.25}
    session = engine("claude").session(brief)
    session.feed(json.dumps({**result, "result": "x", "usage": {"input_tokens": 7}}).encode() + b"\n")
    usage = session.close(Exit(0, cause="finished")).usage
    assert usage is not None
    assert (usage.input_tokens, usage.usd) == (7, usd)
    # So no dollars hold it back, either.
    assert bool([word for word in invoked("claude", brief).argv if "budget" in word]) is (usd is not None)


def test_nor_does_an_agent_by_acp_know_one() -> None:
    cost = {"cost": {"amount": 0, "currency": "USD"}}
    for known in (True, False):
        spending = Spending(SESSION, before=0.0, cached_apart=False, priced=known)
        assert bool(list(spending.updated(cost))) is known
