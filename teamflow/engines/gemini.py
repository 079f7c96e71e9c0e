"""Gemini CLI, by ACP: what starts it, and what is particular about it.

A second prompt ends the turn that runs, so it is told nothing while it works. It shows a command that it wants to run
by the title of the call alone. A session cannot be gone on with in the minute in which it began (both would be written
to one file): it is lost then, and a new one is told everything. Its own updates are switched off by a settings file
that goes before the user's; it passes over one in a directory that others may write to. So does a file of rules that
have it ask, whatever the user's and the project's settings and rules allow: there is no other place above both. In a
directory that it does not trust it starts no MCP server, and asks about everything, which suits all but those who need
the one or the other.
"""

from __future__ import annotations

import json
from typing import Final

from teamflow.core.capabilities import ABORT, Capabilities
from teamflow.core.invocation import Brief
from teamflow.core.permissions import FULL
from teamflow.engines.acp import AcpEngine
from teamflow.engines.acp_agent import EVERY_SERVER, Agent, Start
from teamflow.engines.acp_said import PROMPT

CAPABILITIES: Final = Capabilities(
    resume=True,
    steer=ABORT,
    protocol=True,
    chatty=True,
    tail=True,
    interrupt=True,
    asks=True,
    enforces=frozenset({"read", "edit", "globs", "run"}),
    mcp=EVERY_SERVER,
    isolates=True,
    login=("GEMINI_*", "GOOGLE_*"),
    program=("gemini", "--version"),
    tested="0.61.0",
    # 0.45.2 does not go on with a session, 0.43.0 hangs when its turn is ended, 0.39.0 knows no `--skip-trust`.
    least="0.47.0",
    install="npm install -g @google/gemini-cli",
    models=("auto", "gemini-2.5-pro", "gemini-2.5-flash"),
    silence=600.0,
    session_within=30.0,
)
AGENT: Final = Agent(
    "gemini",
    CAPABILITIES,
    login="log in once with `gemini`, or set GEMINI_API_KEY",
    methods=("gemini-api-key",),
    usage=PROMPT,
    holds=(("mode", "default"),),
    replays_late=True,
    started_with_model=True,
)
SETTINGS: Final = {"general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False}}
_ASKED: Final = ("run_shell_command", "write_file", "replace", "web_fetch", "activate_skill", "save_memory")
_RULE: Final = 'toolName = "{}"\ndecision = "ask_user"\npriority = 999\ninteractive = true\n'
RULES: Final = "\n".join(
    (*(f"[[rule]]\n{_RULE.format(name)}" for name in _ASKED), f'[[rule]]\nmcpName = "*"\n{_RULE.format("*")}')
)
"""Of the highest of its tiers; the last is for tools of all servers (but of those that the user trusts). What a user's
own rules deny is a question then, too."""


def gemini() -> AcpEngine:
    return AcpEngine(AGENT, _start)


def _start(brief: Brief) -> Start:
    path = f"{brief.stem}.gemini.json"
    argv = ["gemini", "--acp", *(("--yolo",) if brief.grants.level == FULL else ("--approval-mode", "default"))]
    if brief.servers or brief.grants.level == FULL:
        argv.append("--skip-trust")
    if brief.model is not None:
        argv.append(f"--model={brief.model}")
    env = {"GEMINI_CLI_NO_RELAUNCH": "true", "GEMINI_CLI_SYSTEM_SETTINGS_PATH": path}
    if brief.home:
        env["GEMINI_CLI_HOME"] = brief.home
    files = [(path, json.dumps(SETTINGS) + "\n")]
    if brief.grants.level != FULL:
        files.append((f"{brief.stem}.gemini.toml", RULES))
        argv.append(f"--admin-policy={files[-1][0]}")
    return Start(tuple(argv), env, tuple(files))
