"""How a conversation with an ACP agent begins: what it is asked, one after another, until it has its prompt."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest

from teamflow.core.invocation import (
    Invocation,
    Said,
    SessionOpened,
    Spent,
)
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded
from teamflow.core.permissions import Permissions
from teamflow.engines.opencode import mode
from teamflow.engines.registry import engine
from tests.unit.engines.acp_talk import BRIEF, Talk


def test_from_the_first_line_to_the_end() -> None:
    talk = Talk().begin()
    assert [message["method"] for message in talk.heard] == ["initialize", "session/new", "session/prompt"]
    able = talk.heard[0]["params"]["clientCapabilities"]
    assert able == {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False}
    assert talk.heard[1]["params"] == {"cwd": "/w", "mcpServers": []}
    assert talk.last()["params"]["prompt"] == [{"type": "text", "text": "You are step a.\n\nDo it."}]
    talk.say("Hel", messageId="m")
    talk.say("lo", messageId="m")
    assert talk.each(Said) == []
    talk.result(stopReason="end_turn")
    assert talk.events == [SessionOpened("s1"), Said("Hello")]
    assert talk.ended
    assert talk.close() == Succeeded(text="Hello", session="s1")
    assert Talk().begin().session.tell("x") is None


@pytest.mark.parametrize("cause", [None, "finished"])
def test_its_answer_counts_and_not_how_its_process_ended(cause: str | None) -> None:
    talk = Talk().begin()
    talk.say("Hello")
    talk.result(stopReason="end_turn")
    outcome = talk.close(cause=cause, code=None if cause else 0, **({"signal": 15} if cause else {}))
    assert isinstance(outcome, Succeeded)
    assert isinstance(talk.close(cause="cancel"), Stopped)


def test_another_version_of_the_protocol() -> None:
    talk = Talk()
    talk.result(protocolVersion=2)
    assert talk.ended
    assert talk.failed() == Failed(
        FailureClass.START, "goose speaks version 2 of ACP, and teamflow version 1", exit_code=0
    )


SERVERS: dict[str, Any] = {
    "files": {"command": "files-mcp", "args": ["--stdio"], "env": {"A": "1"}},
    "web": {"type": "http", "url": "http://x/mcp", "headers": {"Authorization": "Bearer k"}},
}


def test_servers_of_the_team_are_given_to_it() -> None:
    talk = Talk(brief=BRIEF._replace(servers=SERVERS))
    talk.initialize()
    assert talk.last()["params"]["mcpServers"] == [
        {"name": "files", "command": "files-mcp", "args": ["--stdio"], "env": [{"name": "A", "value": "1"}]},
        {
            "type": "http",
            "name": "web",
            "url": "http://x/mcp",
            "headers": [{"name": "Authorization", "value": "Bearer k"}],
        },
    ]


def test_servers_that_it_cannot_take() -> None:
    talk = Talk(brief=BRIEF._replace(servers={"old": {"type": "sse", "url": "http://x"}}))
    talk.initialize()
    assert talk.failed().reason == "goose takes no MCP servers by sse, and old is one"
    refused = engine("gemini").invoke(BRIEF._replace(servers={"odd": {"url": 3}}))
    assert isinstance(refused, Failed)
    assert "odd" in refused.reason


def test_it_logs_in_where_nobody_has_to_be_asked() -> None:
    talk = Talk("gemini")
    talk.initialize(authMethods=[{"id": "oauth-personal"}, {"id": "gemini-api-key"}])
    talk.error(-32000, "Authentication required")
    assert (talk.last()["method"], talk.last()["params"]) == ("authenticate", {"methodId": "gemini-api-key"})
    talk.result()
    assert talk.last()["method"] == "session/new"
    talk.error(-32000, "Authentication required")
    failed = talk.failed()
    assert failed.failure is FailureClass.AUTH
    assert "log in once with `gemini`" in failed.reason


def test_an_older_session_is_loaded_and_its_past_is_past() -> None:
    talk = Talk(brief=BRIEF._replace(session="s1"))
    talk.initialize()
    assert talk.last()["method"] == "session/load"
    talk.say("said before")
    talk.update("tool_call", toolCallId="t", title="x", status="completed")
    talk.update("usage_update", cost={"amount": 3, "currency": "USD"})
    talk.result()
    assert talk.events == [SessionOpened("s1")]
    assert talk.last()["params"]["prompt"][0]["text"] == "Do it."
    talk.update("usage_update", cost={"amount": 4, "currency": "USD"})
    assert talk.each(Spent) == []


def test_of_the_price_of_an_older_session_it_counts_what_has_come() -> None:
    talk = Talk("opencode", brief=BRIEF._replace(session="s1", charged=3.0))
    talk.initialize()
    talk.result()
    for amount in (2.5, 3.0, 3.25):  # one that is less is of something else
        talk.update("usage_update", used=1, cost={"amount": amount, "currency": "USD"})
    assert [event.usage.usd for event in talk.each(Spent)] == [0.0, 0.25]


def test_an_older_session_that_is_gone_begins_anew() -> None:
    talk = Talk(brief=BRIEF._replace(session="old"))
    talk.initialize()
    talk.error(-32002, "Resource not found: old")
    assert talk.last()["method"] == "session/new"
    talk.result(sessionId="s1")
    assert talk.last()["params"]["prompt"][0]["text"] == "You are step a.\n\nDo it."
    assert Talk(brief=BRIEF._replace(session="old"), loadSession=False).able["loadSession"] is False


def test_without_loading_it_resumes_or_begins_anew() -> None:
    talk = Talk(brief=BRIEF._replace(session="old"), loadSession=False, sessionCapabilities={"resume": {}})
    talk.initialize()
    assert talk.last()["method"] == "session/resume"
    talk = Talk(brief=BRIEF._replace(session="old"), loadSession=False)
    talk.initialize()
    assert talk.last()["method"] == "session/new"


def test_gemini_is_asked_for_something_more_before_its_playback_is_over() -> None:
    talk = Talk("gemini", BRIEF._replace(session="s1"))
    talk.initialize()
    talk.result(modes={"currentModeId": "default", "availableModes": [{"id": "default"}]})
    assert talk.last()["method"] == "session/set_mode"
    talk.say("said before")
    talk.result()
    assert talk.last()["method"] == "session/prompt"
    assert talk.each(Said) == []


MODELS = {"availableModels": [{"modelId": "m1"}, {"modelId": "m2"}], "currentModelId": "m1"}
OPTION = {"id": "model", "category": "model", "currentValue": "m1", "options": [{"value": "m1"}, {"value": "m2"}]}


@pytest.mark.parametrize(
    ("model", "offered", "asked"),
    [
        ("m1", {"models": MODELS}, None),
        ("m2", {"models": MODELS}, ("session/set_model", {"sessionId": "s1", "modelId": "m2"})),
        ("m1", {"configOptions": [OPTION]}, None),
        (
            "m2",
            {"configOptions": [OPTION]},
            ("session/set_config_option", {"sessionId": "s1", "configId": "model", "value": "m2"}),
        ),
    ],
)
def test_the_model_is_chosen_where_the_agent_offers_it(model: str, offered: Any, asked: Any) -> None:
    talk = Talk(brief=BRIEF._replace(model=model)).begin(**offered)
    if asked is not None:
        assert (talk.last()["method"], talk.last()["params"]) == asked
        talk.result()
    assert talk.last()["method"] == "session/prompt"


@pytest.mark.parametrize(
    ("offered", "reason"),
    [
        ({"models": MODELS}, "goose does not offer the model big, but m1, m2"),
        ({"configOptions": [OPTION]}, "goose does not offer the model big, but m1, m2"),
        ({}, "goose lets no model be chosen (big)"),
    ],
)
def test_a_model_that_is_not_offered(offered: Any, reason: str) -> None:
    talk = Talk(brief=BRIEF._replace(model="big")).begin(**offered)
    assert talk.failed().reason == reason


def test_a_mode_in_which_it_would_not_ask_is_left() -> None:
    modes = {"currentModeId": "yolo", "availableModes": [{"id": "default"}, {"id": "yolo"}]}
    talk = Talk("gemini").begin(modes=modes)
    assert talk.last()["params"] == {"sessionId": "s1", "modeId": "default"}
    full = Talk("gemini", BRIEF._replace(grants=Permissions(level="full"))).begin(modes=modes)
    assert full.last()["method"] == "session/prompt"
    option = {"id": "allow_all", "currentValue": "on", "options": [{"value": "on"}, {"value": "off"}]}
    talk = Talk("copilot").begin(configOptions=[option])
    assert talk.last()["params"] == {"sessionId": "s1", "configId": "allow_all", "value": "off"}
    talk.error(-32603, "no")
    assert talk.failed().reason == "no"


def test_opencode_is_put_into_the_mode_of_its_run() -> None:
    brief = BRIEF._replace(run="01JD7Q0Y2Z8XK4M5N6P7R8S9TV")
    own = mode(brief)
    for known in (["build", "teamflow", "teamflow-0", own, "teamflow-1"], [own]):
        option = {"id": "mode", "currentValue": "build", "options": [{"value": name} for name in known]}
        talk = Talk("opencode", brief).begin(configOptions=[option])
        assert talk.last()["params"] == {"sessionId": "s1", "configId": "mode", "value": own}
    assert mode(brief._replace(stem="/elsewhere/b.7", attempt=7)) == own
    assert mode(brief._replace(run="01JD7Q0Y2Z8XK4M5N6P7R8S9TW")) != own
    told = engine("opencode").invoke(brief)
    assert isinstance(told, Invocation)
    ((_, text),) = told.files
    assert list(json.loads(text)["agent"]) == [own]


def test_a_recording_of_opencode_in_another_run_is_read_as_it_was() -> None:
    option = {"id": "mode", "currentValue": "build", "options": [{"value": "build"}, {"value": "teamflow-0"}]}
    talk = Talk("opencode").begin(configOptions=[option])
    assert talk.last()["params"] == {"sessionId": "s1", "configId": "mode", "value": "teamflow-0"}


@pytest.mark.parametrize("level", ["read", "edit"])
def test_gemini_asks_by_rules_that_go_before_all_others(level: str) -> None:
    told = engine("gemini").invoke(BRIEF._replace(grants=Permissions(level=level)))
    assert isinstance(told, Invocation)
    assert "--admin-policy=/run/a.1.gemini.toml" in told.argv
    rules = tomllib.loads(dict(told.files)["/run/a.1.gemini.toml"])["rule"]
    assert {rule["toolName"] for rule in rules} >= {"run_shell_command", "write_file", "replace"}
    assert {(rule["decision"], rule["priority"]) for rule in rules} == {("ask_user", 999)}


def test_gemini_has_no_rules_where_all_is_allowed() -> None:
    told = engine("gemini").invoke(BRIEF._replace(grants=Permissions(level="full")))
    assert isinstance(told, Invocation)
    assert not [word for word in told.argv if "policy" in word]


def test_claude_by_acp_has_no_hooks_where_it_is_to_ask() -> None:
    talk = Talk("claude-agent-acp")
    talk.initialize()
    options = talk.last()["params"]["_meta"]["claudeCode"]["options"]
    assert options["settings"]["disableAllHooks"] is True
    free = Talk("claude-agent-acp", BRIEF._replace(grants=Permissions(level="full")))
    free.initialize()
    assert "settings" not in free.last()["params"]["_meta"]["claudeCode"]["options"]


@pytest.mark.parametrize(
    ("agent", "offered", "what"),
    [
        ("gemini", {"modes": {"currentModeId": "yolo", "availableModes": [{"id": "yolo"}]}}, "mode default"),
        ("opencode", {"configOptions": [{"id": "mode", "options": [{"value": "build"}]}]}, "mode teamflow-"),
        ("copilot", {"configOptions": [{"id": "allow_all", "options": [{"value": "on"}]}]}, "allow_all off"),
    ],
)
def test_without_what_keeps_its_permissions_nothing_is_begun(agent: str, offered: Any, what: str) -> None:
    failed = Talk(agent).begin(**offered).failed()
    assert failed.failure is FailureClass.START
    assert failed.reason.startswith(f"{agent} does not offer {what}")
