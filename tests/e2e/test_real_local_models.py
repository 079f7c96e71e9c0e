"""Agents whose model is a server of the user's own (`base_url`): through the command line, with the real CLIs.

The server is the scripted one as Ollama would be: it has one model, and says 404 for each other. The environment holds
no key, or keys of the user's that are none of its business.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from teamflow.engines.registry import ENGINES
from teamflow.engines.registry import engine as load
from teamflow.store.machine import Machine, SharedLimit
from tests.e2e.project import Project
from tests.e2e.test_run_claude import World
from tests.fakes import clis
from tests.fakes.models import FOREVER, Models, run, say, tool, write

NAME = "qwen/qwen3-coder:30b"
"""With a slash, as LM Studio and vLLM have them, and a tag, as Ollama."""
ABLE = [name for name in ENGINES if (can := load(name).capabilities).base_url and can.program]
USERS = {
    "ANTHROPIC_API_KEY": "users-own-key-a",
    "CLAUDE_CODE_OAUTH_TOKEN": "users-own-key-b",
    "OPENAI_API_KEY": "users-own-key-c",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:1",
    "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
    "CLAUDE_CODE_USE_BEDROCK": "1",
    "ANTHROPIC_MODEL": "opus",
}


def project_of(place: Path, server: str, engine: str, **more: Any) -> tuple[Project, dict[str, str]]:
    agent = {
        "engine": engine,
        "model": NAME,
        "base_url": server,
        "prompt": "Do it.",
        "permissions": "full",
        "workspace": {"mode": "shared"},
        "retry": {"attempts": 2, "delay": "0s"},
        **more,
    }
    clis.program(engine.removesuffix("-exec"))
    path = f"{clis.place()}/node_modules/.bin:{os.environ['PATH']}"
    env = {"PATH": path, "CLAUDE_CODE_MAX_RETRIES": "1", "COPILOT_CACHE_HOME": str(clis.place() / "copilot-cache")}
    return Project(place, {"agents": {"a": agent}}), env


def asked_for(server: Models) -> set[str]:
    """Names of models, in every call whatsoever."""
    return {request.ask.model for request in server.requests if request.ask is not None}


def keys(server: Models) -> set[str]:
    told = [request.headers.get(name, "") for request in server.requests for name in ("authorization", "x-api-key")]
    return {key.removeprefix("Bearer ") for key in told}


@pytest.mark.slow
def test_a_limit_of_the_account_is_none_of_a_server_of_ones_own(tmp_path: Path) -> None:
    local = World(tmp_path / "local", agent={"base_url": "http://127.0.0.1:11434", "model": "m"})
    account = World(tmp_path / "account", agent={})
    for world, code in ((local, 0), (account, 4)):
        machine = Machine.open(world.project.environ)
        assert machine is not None
        with closing(machine):
            later = time.time() + 3600
            machine.note_limit(SharedLimit("claude", "another boot", 1.0, later, "used up", time.time()))
        world.project.run("--no-input", env=world.env).expect(code)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ABLE)
@pytest.mark.parametrize("users", [{}, USERS], ids=["no key", "keys of others"])
def test_its_model_alone_is_asked_and_there_alone(tmp_path: Path, engine: str, users: Mapping[str, str]) -> None:
    with Models(names=[NAME]) as server:
        server.play(run("echo said > said.txt"), write("more.txt", "more\n"), say("All done."))
        project, env = project_of(tmp_path, server.url(), engine)
        project.run("--no-input", env={**env, **users}, seconds=200).expect(0)
        assert project.read("said.txt") == "said\n"
        assert project.read("more.txt") == "more\n"
        assert asked_for(server) == {NAME}
        assert not [key for key in keys(server) if "users-own" in key]
        assert len(server.calls()) == 3
        usage = project.status().step("a")["usage"]
        assert usage is None or usage["usd"] is None, "what it costs nobody knows"


@pytest.mark.slow
def test_what_lies_in_the_settings_of_claude_leads_nowhere_else(tmp_path: Path) -> None:
    """Its sub-agents ask for `haiku`, and the user has keys and another server in each place that there is."""
    part = {"description": "part", "prompt": "[[script:sub]] Do it.", "subagent_type": "general-purpose"}
    with Models(names=[NAME]) as server, Models() as other:
        server.play(tool("Agent", part), tool("Agent", {**part, "model": "haiku"}), say("All done."))
        server.play(say("The part is done.", times=FOREVER), agent="sub")
        project, env = project_of(tmp_path, f"{server.url()}/v1", "claude")
        env_of_theirs = {
            "ANTHROPIC_API_KEY": "users-own-key-d",
            "ANTHROPIC_BASE_URL": other.url(),
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": "theirs",
            "ANTHROPIC_CUSTOM_HEADERS": "authorization: users-own-key-e",
        }
        folder = tmp_path / "home/.claude"
        folder.mkdir()
        theirs = {"env": env_of_theirs, "apiKeyHelper": "echo users-own-key-f", "model": "opus"}
        (folder / "settings.json").write_text(json.dumps(theirs))
        login = {
            "accessToken": "users-own-key-g",
            "refreshToken": "r",
            "expiresAt": 2**42,
            "scopes": ["user:inference"],
        }
        (folder / ".credentials.json").write_text(json.dumps({"claudeAiOauth": login}))
        (tmp_path / "home/.claude.json").write_text(json.dumps({"primaryApiKey": "users-own-key-h"}))
        project.run("--no-input", env=env, seconds=200).expect(0)
        assert len(server.calls("sub")) == 2
        assert asked_for(server) == {NAME}
        assert keys(server) <= {"local", ""}
        assert not other.requests


@pytest.mark.slow
def test_gemini_is_led_to_another_server_by_variables_alone(tmp_path: Path) -> None:
    with Models() as server:
        server.play(write("more.txt", "more\n"), say("All done."))
        project, env = project_of(tmp_path, "", "gemini", model="gemini-2.5-pro")
        team = yaml.safe_load(project.read("team.yaml"))
        del team["agents"]["a"]["base_url"]
        given = {"GOOGLE_GEMINI_BASE_URL": server.url(), "GEMINI_API_KEY": server.key()}
        project.team({**team, "env": given})
        project.run("--no-input", env=env, seconds=200).expect(0)
        assert project.read("more.txt") == "more\n"
        assert len(server.calls()) == 2
        assert not (tmp_path / "home/.gemini/settings.json").exists()


def leave_behind(home: Path, project: Path, other: str) -> None:
    """Logins and settings of the users of codex and opencode, which lead to another server."""
    codex, opencode = home / ".codex", home / ".config/opencode"
    for folder in (codex, opencode, home / ".local/share/opencode"):
        folder.mkdir(parents=True)
    (codex / "auth.json").write_text(json.dumps({"OPENAI_API_KEY": "users-own-key-i"}))
    theirs = f'name = "x"\nbase_url = "{other}/v1"\nwire_api = "responses"\n'
    told = f'model = "theirs"\nmodel_provider = "x"\nreview_model = "theirs"\n[model_providers.x]\n{theirs}'
    (codex / "config.toml").write_text(told)
    provider = {"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": f"{other}/v1"}, "models": {"theirs": {}}}
    (opencode / "opencode.json").write_text(json.dumps({"disabled_providers": ["teamflow"]}))
    chosen = {"model": "x/theirs", "small_model": "x/theirs", "enabled_providers": ["x", "opencode"]}
    (project / "opencode.json").write_text(json.dumps({**chosen, "provider": {"x": provider}}))
    login = {"type": "api", "key": "users-own-key-j"}
    (home / ".local/share/opencode/auth.json").write_text(json.dumps({"teamflow": login, "x": login}))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["opencode", "codex", "codex-exec"])
def test_nor_does_what_lies_in_those_of_others(tmp_path: Path, engine: str) -> None:
    with Models(names=[NAME]) as server, Models() as other:
        server.play(say("All done."))
        project, env = project_of(tmp_path, server.url(), engine)
        leave_behind(tmp_path / "home", project.root, other.url())
        project.run("--no-input", env=env, seconds=200).expect(0)
        assert asked_for(server) == {NAME}
        assert not [key for key in keys(server) if "users-own" in key]
        assert not other.requests


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["claude", "opencode"])
def test_a_key_for_the_server_goes_there_and_into_no_argument(tmp_path: Path, engine: str) -> None:
    name = {"claude": "ANTHROPIC_AUTH_TOKEN", "opencode": "OPENAI_API_KEY"}[engine]
    with Models(names=[NAME]) as server:
        server.play(run("tr '\\0' '\\n' < /proc/$PPID/cmdline > words; env > env.txt"), say("done"))
        project, env = project_of(tmp_path, server.url(), engine, secrets=[name])
        team = yaml.safe_load(project.read("team.yaml"))
        project.team({**team, "secrets": {name: {"env": "GATEWAY"}}})
        project.run("--no-input", env={**env, "GATEWAY": server.key()}, seconds=200).expect(0)
        assert {key for key in keys(server) if key} == {server.key()}
        assert server.key() not in project.read("words")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["claude", "opencode", "codex", "copilot"])
def test_a_model_that_the_server_does_not_have(tmp_path: Path, engine: str) -> None:
    with Models(names=["llama3"]) as server:
        project, env = project_of(tmp_path, server.url(), engine)
        project.run("--no-input", env=env, seconds=200).expect(1)
        step = project.status().step("a")
        assert step["failure"] == "fatal"
        assert f"[{server.url()} was asked for {NAME}]" in step["reason"]
        assert "not found" in step["reason"] or "may not exist" in step["reason"], step["reason"]
        assert len(step["attempts"]) == 1
        assert asked_for(server) == {NAME}


@pytest.mark.slow
def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        project, env = project_of(tmp_path, url, "claude", retry={"attempts": 1, "delay": "1ms"})
        project.run("--no-input", env={**env, "CLAUDE_CODE_MAX_RETRIES": "0"}, seconds=200).expect(1)
        step = project.status().step("a")
        assert set(project.status().failures("a")) == {"transient"}
        assert "ConnectionRefused" in step["reason"]
        assert f"[{url} was asked for {NAME}]" in step["reason"]
