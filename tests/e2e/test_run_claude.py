"""Steps of `engine: claude` through the command line, played by a stand-in for the CLI.

What it is started with, what it is told while it works, what becomes of its failures. The real one is in
`test_real_claude.py` and `test_real_team.py`.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project, proves
from tests.fakes.agents.claude import install, scenario

TEAM: dict[str, Any] = {
    "inherit_env": ["FAKE_*"],
    "agents": {"a": {"prompt": "Do it.", "workspace": {"mode": "shared"}, "retry": {"delay": "0s"}}},
}
Turn = list[dict[str, Any]]


class World:
    """A project whose claude plays; more keys of its agent, or of the team, as needed."""

    def __init__(self, place: Path, *turns: Turn, agent: Mapping[str, Any] = {}, **team: Any) -> None:
        self.seen_file = place / "seen"
        self.env = {**install(place / "bin"), **scenario(*turns), "FAKE_CLAUDE_SEEN": str(self.seen_file)}
        made = json.loads(json.dumps({**TEAM, **team}))
        made["agents"]["a"].update(agent)
        self.project = Project(place, made)

    def run(self, code: int = 0, *words: str) -> str:
        return self.project.run(*words, env=self.env).expect(code).err

    @property
    def argv(self) -> list[str]:
        argv: list[str] = json.loads(self.seen_file.read_text().splitlines()[0])["argv"]
        return argv

    @property
    def step(self) -> dict[str, Any]:
        return self.project.status().step("a")

    def file(self, option: str) -> str:
        """What stands in the file that it was given by an option."""
        return Path(next(word.partition("=")[2] for word in self.argv if word.startswith(option))).read_text()


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def test_a_turn(tmp_path: Path) -> None:
    world = World(tmp_path, [{"text": "Reading."}, {"tool": "Read", "input": {"file_path": "x"}}, {"text": "Done."}])
    shown = world.run()
    assert "a | Reading." in shown
    assert (world.step["status"], world.step["text"], world.step["engine"]) == ("succeeded", "Done.", "claude")
    assert world.step["usage"]["input_tokens"] > 0
    assert world.step["attempts"][0]["session"]
    assert "step a of the team team (run 1)" in world.file("--append-system-prompt-file")
    assert not [word for word in world.argv if "Do it." in word], "the prompt is no argument"


@pytest.mark.slow
@proves(
    agent=[
        *("mcp_servers", "mcp_servers.*.type", "mcp_servers.*.command", "mcp_servers.*.args", "mcp_servers.*.env"),
        *("mcp_servers.*.url", "mcp_servers.*.headers"),
    ]
)
def test_its_servers_have_the_values_of_its_variables(tmp_path: Path) -> None:
    servers = {
        "docs": {"command": "docs-mcp", "args": ["--stdio", "${PLACE}"], "env": {"A": "${PLACE:-x}"}},
        "web": {"type": "http", "url": "http://127.0.0.1:1/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}},
    }
    secrets = {"TOKEN": {"env": "MY_TOKEN"}}
    agent = {"mcp_servers": servers, "env": {"PLACE": "here"}, "secrets": ["TOKEN"]}
    world = World(tmp_path, agent=agent, secrets=secrets)
    world.env["MY_TOKEN"] = "a-very-secret-token"
    world.run()
    told = json.loads(world.file("--mcp-config"))["mcpServers"]
    assert told["docs"]["args"] == ["--stdio", "here"]
    assert told["docs"]["env"] == {"A": "here"}
    assert told["web"]["headers"] == {"Authorization": "Bearer a-very-secret-token"}
    assert not [word for word in world.argv if "secret" in word]
    del agent["secrets"]
    world.project.team({**TEAM, "secrets": secrets, "agents": {"a": {**TEAM["agents"]["a"], **agent}}})
    assert "the MCP server web of a refers to TOKEN, which its steps never have" in world.run(2, "--new")
    of_machine = {**TEAM, "inherit_env": ["TOKEN"], "agents": {"a": {**TEAM["agents"]["a"], **agent}}}
    world.project.team(of_machine)
    assert "mcp_servers.web: the step has no variable TOKEN" in world.run(1, "--new")


@pytest.mark.slow
def test_a_server_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    """Wherever people look, once, whatever becomes of the step; of the user's own servers nothing."""
    states = {"docs": "connected", "web": "failed", "own": "failed"}
    listed = [{"name": name, "status": status} for name, status in states.items()]
    told = {"line": {"type": "system", "subtype": "init", "mcp_servers": listed}}
    servers = {name: {"command": f"{name}-mcp"} for name in ("docs", "web", "never")}
    world = World(tmp_path, [told, told, {"text": "Done."}, told], agent={"mcp_servers": servers})
    lines = ["works without MCP server web: failed", "works without MCP server never: it does not know it"]
    shown = world.run()
    assert [line for line in shown.splitlines() if "MCP" in line] == [f"a: {line}" for line in lines]
    assert world.step["attempts"][0]["warnings"] == lines
    assert f"; {lines[0]}; {lines[1]}" in world.project.why("a")
    assert lines[0] in world.project.call("status").out
    assert [event["text"] for event in world.project.events() if event["kind"] == "Warned"] == lines
    logs = world.project.call("logs", "a").out.splitlines()
    assert [line for line in logs if "MCP" in line] == [f"[teamflow: {line}]" for line in lines]


@proves(agent=["isolate"])
def test_isolated_it_has_a_home_of_its_own(tmp_path: Path) -> None:
    world = World(tmp_path, [{"tool": "Bash", "input": {"command": "echo $CLAUDE_CONFIG_DIR > home"}, "runs": True}],
                  agent={"isolate": True})  # fmt: skip
    world.run()
    home = world.project.read("home").strip()
    assert home.endswith("/.teamflow/runs/1/homes/a")
    assert os.stat(home).st_mode & 0o777 == 0o700
    assert "--setting-sources=" in world.argv


def test_what_it_wants_to_do_is_asked_for_and_answered(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        [{"tool": "Bash", "input": {"command": "echo made > made"}, "ask": True, "runs": True}, {"text": "Done."}],
        agent={"permissions": {"run": ["pytest"]}},
    )
    world.run(0, "-d")
    asked = until(lambda: [one for one in world.project.status().data["questions"] if one["kind"] == "permission"])
    assert asked[0]["text"].startswith("run echo made > made\n")
    assert asked[0]["text"].endswith("(permissions.run): it writes into a file (>)")
    world.project.call("approve", "1.1").expect(0)
    until(lambda: world.step["status"] == "succeeded")
    assert world.project.read("made") == "made\n"


def test_it_is_told_more_while_it_works(tmp_path: Path) -> None:
    world = World(tmp_path, [{"text": "Waiting."}, {"wait": "told"}, {"text": "Heard."}])
    world.run(0, "-d")
    until(lambda: "Waiting." in world.project.call("logs", "a").out)
    world.project.call("tell", "a", "Mind the gap.").expect(0)
    until(lambda: world.step["status"] == "succeeded")
    assert "Mind the gap." in world.seen_file.read_text()
    assert len(world.step["attempts"]) == 1


@pytest.mark.slow
def test_interrupted_it_goes_on_in_its_session(tmp_path: Path) -> None:
    world = World(tmp_path, [{"text": "Working."}, {"hang": True}])
    with world.project.popen("run", "--progress", "plain", env=world.env) as running:
        until(lambda: "Working." in world.project.call("logs", "a").out)
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
    session = world.step["attempts"][0]["session"]
    assert session
    world.env |= scenario([{"text": "Again."}])
    world.seen_file.unlink()
    world.run()
    assert f"--resume={session}" in world.argv
    assert [one["session"] for one in world.step["attempts"]] == [session, session]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("turn", "failure"),
    [
        ([{"error": {"kind": "authentication_failed", "status": 401, "text": "Invalid API key"}}], "auth"),
        ([{"error": {"kind": "billing_error", "status": 400, "text": "Credit balance is too low"}}], "usage_exhausted"),
        ([{"error": {"kind": "model_not_found", "status": 404, "text": "no such model"}}], "fatal"),
        ([{"exit": 1}], "crash"),
        ([{"raw": '{"type": "assistant", "message": 7}\nnonsense\n'}, {"exit": 0}], "crash"),
    ],
)
def test_failures(tmp_path: Path, turn: Turn, failure: str) -> None:
    world = World(tmp_path, turn, agent={"retry": {"attempts": 1}}, limits={"on_usage_limit": "stop"})
    world.project.run(env=world.env)
    assert world.step["attempts"][0]["failure"] == failure


def test_what_an_engine_cannot_keep_is_an_error_before_anything_is_spent(tmp_path: Path) -> None:
    world = World(tmp_path, agent={"permissions": {"net": "deny"}})
    told = world.run(2)
    assert "not-enforced" in told
    assert not world.seen_file.exists()


@pytest.mark.slow
@proves(agent=["base_url"])
def test_claude_is_told_by_its_settings_which_go_before_the_users(tmp_path: Path) -> None:
    world = World(tmp_path, agent={"base_url": "http://127.0.0.1:11434/v1/", "model": "m"})
    world.run()
    settings = json.loads(world.file("--settings"))
    assert settings["env"]["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:11434"
    assert settings["env"]["ANTHROPIC_AUTH_TOKEN"] == settings["env"]["ANTHROPIC_API_KEY"] == "local"
    assert settings["apiKeyHelper"] == ""
    [step] = world.project.plan()["steps"]
    assert step["permissions"]["base_url"] == "http://127.0.0.1:11434"
    shown = world.project.call("plan", "--new").expect(0).out
    assert "models of other servers: http://127.0.0.1:11434 (a)" in shown
