"""How the ACP agents are started: words, variables and files, each of which the real ones were seen to need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from teamflow.core.invocation import Brief, Invocation
from teamflow.core.permissions import Permissions
from teamflow.engines.registry import engine

AGENTS = ("gemini", "opencode", "copilot", "claude-agent-acp")
SERVERS = {"docs": {"command": "docs-mcp"}}


def started(name: str, level: str = "edit", **more: Any) -> tuple[list[str], Mapping[str, str], list[tuple[str, str]]]:
    brief = Brief("a", 1, "first", "/w", prompt="Do it: SECRET.", stem="/logs/a.1", **more)
    found = engine(name).invoke(brief._replace(grants=Permissions(level)))
    assert isinstance(found, Invocation)
    assert found.protocol
    assert found.listens
    assert not [word for word in (*found.argv, *found.env.values()) if "SECRET" in word]
    return [*found.argv], found.env, [*found.files]


def test_gemini() -> None:
    argv, env, files = started("gemini")
    assert argv == ["gemini", "--acp", "--approval-mode", "default", f"--admin-policy={files[-1][0]}"]
    # With it, there is no second process that a signal does not reach.
    assert env["GEMINI_CLI_NO_RELAUNCH"] == "true"
    assert env["GEMINI_CLI_SYSTEM_SETTINGS_PATH"] == files[0][0]
    assert json.loads(files[0][1])["general"]["enableAutoUpdate"] is False
    assert started("gemini", "full")[0] == ["gemini", "--acp", "--yolo", "--skip-trust"]
    # Where it trusts nothing, it starts no server.
    assert "--skip-trust" in started("gemini", servers=SERVERS)[0]
    assert started("gemini", model="gemini-2.5-pro")[0][-1] == "--model=gemini-2.5-pro"


def test_opencode() -> None:
    argv, env, files = started("opencode")
    assert argv == ["opencode", "acp", "--cwd", "/w"]
    assert all(env[f"OPENCODE_DISABLE_{what}"] == "1" for what in ("AUTOUPDATE", "LSP_DOWNLOAD", "SHARE"))
    held = json.loads(env["OPENCODE_PERMISSION"])
    assert (held["edit"], held["bash"], held["question"]) == ("ask", "ask", "deny")
    assert env["OPENCODE_CONFIG"] == files[0][0]
    assert json.loads(started("opencode", "full")[1]["OPENCODE_PERMISSION"])["*"] == "allow"


def test_copilot() -> None:
    argv, env, _ = started("copilot")
    assert argv == ["copilot", "--acp", "--no-auto-update", "--no-ask-user"]
    assert env == {"COPILOT_AUTO_UPDATE": "false", "COPILOT_ALLOW_ALL": "false"}
    argv, env, _ = started("copilot", "full", model="gpt-5")
    assert argv[-2:] == ["--allow-all", "--model=gpt-5"]
    assert "COPILOT_ALLOW_ALL" not in env


def test_claude_agent_acp() -> None:
    argv, env, _ = started("claude-agent-acp", "full")
    assert argv == ["claude-agent-acp"]
    assert env == {"DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "IS_SANDBOX": "1"}


@pytest.mark.parametrize("name", AGENTS)
def test_a_home_of_its_own(name: str) -> None:
    mine, theirs = started(name, home="/home/of/it")[1], started(name)[1]
    assert [value for value in mine.values() if value.startswith("/home/of/it")]
    assert not [value for value in theirs.values() if value.startswith("/home")]
