"""Settings of the user's and of the project's, by which each real CLI would not ask: it asks all the same."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from teamflow.core.invocation import Asked
from teamflow.core.outcome import Succeeded
from teamflow.core.permissions import Permissions
from teamflow.engines.registry import engine
from tests.e2e.acp_scenes import environment
from tests.e2e.claude_scenes import notes_server
from tests.e2e.project import Project
from tests.fakes.agents.pump import Pump, brief_for
from tests.fakes.models import Models, Step, run, say, tool, write

pytestmark = pytest.mark.slow

ULID: Final = "01JD7Q0Y2Z8XK4M5N6P7R8S9TV"
READ: Final = Permissions(level="read")
PATIENT: Final = {"MCP_CONNECTION_NONBLOCKING": "0", "MCP_CONNECT_TIMEOUT_MS": "60000"}
"""Else claude begins its turn without the tools of its user's servers, or after 5 s."""


def merged(path: Path, more: Mapping[str, Any]) -> None:
    """Into settings that are there, or new ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text()) if path.exists() else {}
    for name, value in more.items():
        known[name] = {**known[name], **value} if isinstance(known.get(name), dict) else value
    path.write_text(json.dumps(known))


def works(
    name: str,
    root: Path,
    *,
    project: Mapping[str, Any],
    home: Mapping[str, Any],
    grants: Permissions = READ,
    steps: tuple[Step, ...] = (run("echo x > no1"), run("touch no2"), run("ls"), say("could not")),
    **more: Any,
) -> Pump:
    """The agent at work, to its end; settings are texts, or JSON."""
    with Models() as models:
        models.play(*steps)
        env = {**environment(name, models, root), **PATIENT}
        for place, files in ((root / "work", project), (root / "home", home)):
            place.mkdir(exist_ok=True)
            for path, settings in files.items():
                if isinstance(settings, str):
                    (place / path).parent.mkdir(parents=True, exist_ok=True)
                    (place / path).write_text(settings.replace("@ROOT@", str(root / "work")))
                else:
                    merged(place / path, json.loads(json.dumps(settings).replace("@ROOT@", str(root / "work"))))
        brief = brief_for(root / "work", "Do it.", grants=grants, run=ULID, **more)
        with Pump(engine(name), brief, env=env) as agent:
            outcome = agent.finish()
            assert isinstance(outcome, Succeeded), (outcome, agent.told())
            return agent


def left(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "work").iterdir() if path.name.startswith("no"))


# -- claude, by itself and by ACP --------------------------------------------------------------------------------------


def hook(event: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    told = json.dumps({"hookSpecificOutput": {"hookEventName": event, **answer}})
    return {event: [{"matcher": "*", "hooks": [{"type": "command", "command": f"echo '{told}'"}]}]}


CLAUDE: Final = {
    "permissions": {"allow": ["Bash(*)", "Write"], "defaultMode": "bypassPermissions"},
    "sandbox": {"enabled": True, "autoAllowBashIfSandboxed": True},
    "disableAllHooks": False,
    "hooks": {
        **hook("PermissionRequest", {"decision": {"behavior": "allow"}}),
        **hook("PreToolUse", {"permissionDecision": "allow", "permissionDecisionReason": "x"}),
    },
}


@pytest.mark.parametrize("name", ["claude", "claude-agent-acp"])
def test_claude(name: str, tmp_path: Path) -> None:
    files = {".claude/settings.json": CLAUDE}
    works(name, tmp_path, project=files, home=files)
    assert left(tmp_path) == []


@pytest.mark.parametrize("name", ["claude", "claude-agent-acp"])
def test_tools_of_a_server_that_the_user_of_claude_allows_are_asked_about(name: str, tmp_path: Path) -> None:
    with notes_server() as (url, asked):
        home = {
            ".claude/.claude.json": {"mcpServers": {"mine": {"type": "http", "url": url}}},
            ".claude/settings.json": {"permissions": {"allow": ["mcp__mine__post_note", "mcp__mine"]}},
        }
        steps = (tool("mcp__mine__post_note", {"text": "hi"}), say("could not"))
        works(name, tmp_path, project={}, home=home, steps=steps)
        assert [call for call in asked if call.get("method") == "tools/list"]
        assert not [call for call in asked if call.get("method") == "tools/call"]


# -- opencode ----------------------------------------------------------------------------------------------------------

LOOSE: Final = {"bash": "allow", "edit": "allow"}
AGENTS: Final = {name: {"permission": LOOSE} for name in ("build", "teamflow", "teamflow*", "*")}
OPENCODE: Final[Mapping[str, Any]] = {
    "opencode.json": {"permission": {"*": "allow", **LOOSE}, "default_agent": "build", "agent": AGENTS},
    ".opencode/opencode.json": {"agent": {"teamflow": {"permission": {"bash": {"*": "allow"}}}}},
    ".opencode/agent/teamflow.md": "---\nmode: primary\npermission:\n  bash: allow\n---\nhi\n",
}


def test_opencode(tmp_path: Path) -> None:
    works("opencode", tmp_path, project=OPENCODE, home={})
    assert left(tmp_path) == []


# -- gemini ------------------------------------------------------------------------------------------------------------

TOOLS: Final = {"tools": {"allowed": ["run_shell_command", "write_file", "replace"]}}
TRUSTED: Final = {".gemini/trustedFolders.json": {"@ROOT@": "TRUST_FOLDER"}}
RULES: Final = """
[[rule]]
toolName = ["run_shell_command", "write_file"]
decision = "allow"
priority = 999
"""


@pytest.mark.parametrize("whose", ["project", "user"])
def test_gemini(whose: str, tmp_path: Path) -> None:
    files = {".gemini/settings.json": {**TOOLS, "general": {"defaultApprovalMode": "auto_edit"}},
             ".gemini/policies/a.toml": RULES}  # fmt: skip
    steps = (write("no3", "x"), run("echo x > no1"), run("touch no2"), say("could not"))
    project, home = (files, {}) if whose == "project" else ({}, files)
    works("gemini", tmp_path, project=project, home={**home, **TRUSTED}, steps=steps)
    assert left(tmp_path) == []


def test_gemini_still_does_what_it_may(tmp_path: Path) -> None:
    agent = works(
        "gemini",
        tmp_path,
        project={".gemini/settings.json": TOOLS},
        home=TRUSTED,
        grants=Permissions(run=("touch",), edit=("no*",), ask="deny"),
        steps=(write("no3", "x"), run("touch no2"), run("ls"), say("done")),
    )
    assert left(tmp_path) == ["no2", "no3"]
    assert not agent.all(Asked)


def test_tools_of_a_server_that_the_user_of_gemini_allows_are_asked_about(tmp_path: Path) -> None:
    """Not those of one that is trusted (`trust: true`): there nothing asks."""
    with notes_server() as (url, asked):
        servers = {".gemini/settings.json": {"mcpServers": {"mine": {"httpUrl": url}}, "mcp": {"allowed": ["mine"]}}}
        steps = (tool("mcp_mine_post_note", {"text": "hi"}), say("could not"))
        works("gemini", tmp_path, project={}, home={**servers, **TRUSTED}, steps=steps)
        assert [call for call in asked if call.get("method") == "tools/list"]
        assert not [call for call in asked if call.get("method") == "tools/call"]


# -- copilot -----------------------------------------------------------------------------------------------------------


def hook_of_copilot(event: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    return {event: [{"type": "command", "bash": f"echo '{json.dumps(answer)}'"}]}


COPILOT: Final = {
    "version": 1,
    "hooks": {
        **hook_of_copilot("preToolUse", {"permissionDecision": "allow", "permissionDecisionReason": "x"}),
        **hook_of_copilot("permissionRequest", {"behavior": "allow"}),
    },
}


def test_copilot_is_still_one_that_hooks_answer_for(tmp_path: Path) -> None:
    """Where this fails, a newer one has a switch, or asks: then `engines/copilot.py` need not refuse to start it."""
    off = {".copilot/settings.json": {"disableAllHooks": True}}
    subprocess.run(["git", "init", "-q", str(tmp_path / "work")], check=True)
    works("copilot", tmp_path, project={".github/hooks/a.json": COPILOT}, home=off)
    assert left(tmp_path) == ["no1", "no2"]


def test_copilot_is_not_started_where_hooks_would_answer(tmp_path: Path) -> None:
    project = Project(
        tmp_path,
        "agents: {a: {engine: copilot, permissions: read, prompt: Look., retry: {attempts: 1}}}",
        files={".github/hooks/a.json": json.dumps(COPILOT)},
    )
    with Models() as models:
        models.play(run("touch no"), say("done"))
        env = environment("copilot", models, tmp_path)
        project.run("--no-input", env={name: env[name] for name in env if name not in ("HOME", "LANG", "TERM")}).expect(
            1
        )
        assert models.calls() == []
    assert not project.exists("no")
    assert ".github/hooks lets hooks of copilot answer before it asks" in project.status().step("a")["reason"]


# -- what one leaves for the next --------------------------------------------------------------------------------------

STARTS: Final = {
    ".claude/settings.json": {"hooks": {"SessionStart": [{"hooks": [{"type": "command", "command": "touch @/no-1"}]}]}},
    ".mcp.json": {"mcpServers": {"x": {"command": "touch", "args": ["@/no-2"]}}},
    ".github/hooks/a.json": {"version": 1, "hooks": {"sessionStart": [{"type": "command", "bash": "touch @/no-3"}]}},
}
"""What claude and copilot start of a project."""
LEAVES: Final = "mkdir -p .claude .github/hooks" + "".join(
    f"; echo '{json.dumps(settings)}' > {path}" for path, settings in STARTS.items()
)
BUILD_AND_LOOK: Final = """
inherit_env: [SCRIPTED_KEY]
defaults: {retry: {attempts: 1}}
agents:
  build: {engine: codex, permissions: {net: deny}, prompt: 'Build. [[script:build]]'}
  look: {engine: claude, permissions: read, depends_on: [build], prompt: 'Look. [[script:look]]'}
"""


def test_what_a_fenced_agent_leaves_is_not_started_by_the_next(tmp_path: Path) -> None:
    project = Project(tmp_path, BUILD_AND_LOOK, files={".gitignore": ".teamflow/\n"}, git=True)
    project.git("add", "-A")
    project.git("commit", "-qm", "first")
    with Models() as models:
        models.play(run(LEAVES.replace("@", str(tmp_path))), say("built"), agent="build")
        models.play(say("looked"), agent="look")
        env = environment("claude", models, tmp_path) | environment("codex", models, tmp_path)
        env = {name: env[name] for name in env if name not in ("HOME", "LANG", "TERM", "IS_SANDBOX")}
        project.run("--no-input", env=env).expect(1)
        assert models.calls("look") == []
    status = project.status()
    assert status.failures("build") == ["writes"]
    assert "changed settings of agents: .claude/settings.json and 2 more" in status.step("build")["reason"]
    assert not list(tmp_path.glob("no-*"))
