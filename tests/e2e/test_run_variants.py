"""Variants of a built-in engine through the command line, played by a stand-in for claude. With the real CLIs they are
in `test_real_variants.py`."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from teamflow.store.machine import Machine, SharedLimit
from tests.e2e.project import proves
from tests.e2e.test_run_claude import World
from tests.fakes.agents.claude import scenario

SPENT = [{"error": {"kind": "billing_error", "status": 400, "text": "Credit balance is too low"}}]
URL = "http://127.0.0.1:11434"


def world_of(place: Path, **local: Any) -> World:
    """The account of claude is used up; what the variant plays stands in a variable of its own."""
    variant = {"engine": "claude", "base_url": f"{URL}/v1/", "model": "qwen3", "env": scenario([{"text": "Local."}])}
    agent = {"engine": ["claude/opus", "local"], "permissions": "read"}
    return World(place, SPENT, agent=agent, engines={"local": {**variant, **local}})


def started(world: World) -> list[list[str]]:
    lines = (json.loads(line) for line in world.seen_file.read_text().splitlines())
    return [line["argv"] for line in lines if "argv" in line]


def settings_of(argv: list[str]) -> dict[str, Any]:
    path = next(word.partition("=")[2] for word in argv if word.startswith("--settings="))
    found: dict[str, Any] = json.loads(path if path.startswith("{") else Path(path).read_text())
    return found.get("env", {})


@proves(team=["engines.*.engine", "engines.*.base_url", "engines.*.model", "engines.*.env"])
def test_the_next_choice_has_its_own_server_model_and_variables(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    [planned] = world.project.plan()["steps"]
    assert planned["fallbacks"] == [{"engine": "local", "model": "qwen3", "base_url": URL}]
    assert planned["permissions"]["base_url"] is None
    shown = world.project.call("plan", "--new").expect(0).out
    assert "claude/opus, else local/qwen3" in shown
    assert f"local asks the model at {URL}" in shown
    world.run()
    assert world.step["text"] == "Local."
    assert [one["engine"] for one in world.step["attempts"]] == ["claude", "local"]
    account, local = started(world)
    assert "ANTHROPIC_BASE_URL" not in settings_of(account)
    assert settings_of(local)["ANTHROPIC_BASE_URL"] == URL
    assert settings_of(local)["ANTHROPIC_MODEL"] == "qwen3"
    assert not [word for word in local if word.startswith("--resume")], "it knows nothing of that session"
    logs = world.project.call("logs", "a").out
    assert "Local." in logs
    assert '"type"' not in logs, "it is read as what it is"


@proves(team=["engines.*.inherit_env"])
def test_only_what_it_names_becomes_a_key_for_its_server(tmp_path: Path) -> None:
    """The secrets of the step, and what the team has all steps inherit, are for the account before it."""
    for place, names, key in (("none", [], "local"), ("named", ["ANTHROPIC_AUTH_TOKEN"], "for-the-gateway")):
        world = world_of(tmp_path / place, inherit_env=names)
        team = yaml.safe_load(world.project.read("team.yaml"))
        team["secrets"] = {"ANTHROPIC_API_KEY": {"env": "MINE"}}
        team["agents"]["a"]["secrets"] = ["ANTHROPIC_API_KEY"]
        team["inherit_env"] += ["ANTHROPIC_AUTH_TOKEN"]
        world.project.team(team)
        world.env |= {"MINE": "of-the-account", "ANTHROPIC_AUTH_TOKEN": "for-the-gateway"}
        world.run()
        told = settings_of(started(world)[1])
        assert {told["ANTHROPIC_AUTH_TOKEN"], told["ANTHROPIC_API_KEY"]} == {key}


def test_a_secret_does_not_take_the_place_of_its_own_variable(tmp_path: Path) -> None:
    """Else it would go to the server, for the variant names it."""
    world = world_of(tmp_path, env={**scenario([{"text": "Local."}]), "ANTHROPIC_AUTH_TOKEN": "local-key"})
    team = yaml.safe_load(world.project.read("team.yaml"))
    team["secrets"] = {"ANTHROPIC_AUTH_TOKEN": {"env": "MINE"}}
    team["agents"]["a"]["secrets"] = ["ANTHROPIC_AUTH_TOKEN"]
    world.project.team(team)
    world.env["MINE"] = "of-the-account"
    world.run()
    assert settings_of(started(world)[1])["ANTHROPIC_AUTH_TOKEN"] == "local-key"


@pytest.mark.parametrize(
    ("variant", "code"),
    [
        ({"base_url": URL, "model": "m"}, 0),
        ({"env": {"CLAUDE_CONFIG_DIR": "/elsewhere"}}, 0),
        ({"inherit_env": ["OTHER_LOGIN"]}, 0),
        ({"model": "haiku"}, 4),
    ],
)
def test_whose_limit_it_has(tmp_path: Path, variant: dict[str, Any], code: int) -> None:
    """That of the account has been met by another run; only what may have another server or login goes on."""
    world = World(tmp_path, agent={"engine": "local"}, engines={"local": {"engine": "claude", **variant}})
    machine = Machine.open(world.project.environ)
    assert machine is not None
    with closing(machine):
        machine.note_limit(SharedLimit("claude", "another boot", 1.0, time.time() + 3600, "used up", time.time()))
    world.run(code, "--no-input")


def test_servers_of_mcp_may_name_its_variables(tmp_path: Path) -> None:
    world = world_of(tmp_path, env={**scenario([{"text": "Local."}]), "PLACE": "here"})
    team = yaml.safe_load(world.project.read("team.yaml"))
    team["agents"]["a"] |= {"engine": "local", "mcp_servers": {"docs": {"command": "docs-mcp", "args": ["${PLACE}"]}}}
    world.project.team(team)
    assert "PLACE" not in world.project.call("plan").expect(0).out
    world.run()
    assert json.loads(world.file("--mcp-config"))["mcpServers"]["docs"]["args"] == ["here"]


def test_a_run_with_one_is_recorded_and_played_back(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.run()
    world.project.call("record", "-o", "fixture").expect(0)
    for what in ("1", "fixture"):
        world.project.run("--replay", what).expect(0)
        again = world.step
        assert [(one["engine"], one["model"]) for one in again["attempts"]] == [("claude", "opus"), ("local", "qwen3")]
        assert again["text"] == "Local."
    assert len(started(world)) == 2, "nothing was started for it"


def test_a_step_is_worked_on_anew_with_one(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    team = yaml.safe_load(world.project.read("team.yaml"))
    team["agents"]["a"] |= {"engine": "claude/opus", "retry": {"attempts": 1}}
    world.project.team({**team, "limits": {"on_usage_limit": "stop"}})
    world.run(4, "--no-input")
    world.project.call("relaunch", "a", "--engine", "local").expect(0)
    world.run(0, "--no-input")
    assert [(one["engine"], one["model"]) for one in world.step["attempts"]][-1] == ("local", "qwen3")
    assert settings_of(started(world)[-1])["ANTHROPIC_BASE_URL"] == URL
