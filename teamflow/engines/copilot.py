"""GitHub Copilot CLI, by ACP: what starts it, and what is particular about it.

A second prompt ends the turn that runs, so it is told nothing while it works. It ends a turn as if all were well when
its model cannot be asked (`acp_ending.py`). `COPILOT_ALLOW_ALL` of the user's would let it ask for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.capabilities import ABORT, Capabilities
from teamflow.core.invocation import Brief
from teamflow.core.permissions import FULL
from teamflow.engines.acp import AcpEngine
from teamflow.engines.acp_agent import EVERY_SERVER, Agent, Start
from teamflow.engines.acp_said import SESSION

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
    base_url=True,
    login=("COPILOT_*", "GH_TOKEN", "GH_HOST", "GITHUB_TOKEN"),
    settings=("COPILOT_HOME", "COPILOT_CACHE_HOME"),
    program=("copilot", "--version"),
    tested="1.0.102",
    install="npm install -g @github/copilot",
    silence=600.0,
    session_within=30.0,
)
AGENT: Final = Agent(
    "copilot",
    CAPABILITIES,
    login="log in with `copilot login`",
    usage=SESSION,
    asides=("Info: ", "Warning: ", "Error: "),
    holds=(("allow_all", "off"),),
    started_with_model=True,
)

_PLACEHOLDER: Final = "no-key-for-a-server-of-your-own"
"""Long: wherever the key occurs in what it prints it puts stars."""


def copilot() -> AcpEngine:
    return AcpEngine(AGENT, _start)


def _start(brief: Brief) -> Start:
    argv = ["copilot", "--acp", "--no-auto-update", "--no-ask-user"]
    env = {"COPILOT_AUTO_UPDATE": "false"}
    if brief.grants.level == FULL:
        argv.append("--allow-all")
    else:
        env["COPILOT_ALLOW_ALL"] = "false"
    if brief.model is not None:
        argv.append(f"--model={brief.model}")
    if brief.home:
        env["COPILOT_HOME"] = brief.home
    return Start(tuple(argv), env, final=_provider(brief))


def _provider(brief: Brief) -> Mapping[str, str]:
    """Variables for a server of the team file's."""
    if not brief.base_url:
        return {}
    key = brief.variables.get("COPILOT_PROVIDER_API_KEY") or brief.variables.get("OPENAI_API_KEY")
    return {
        "COPILOT_PROVIDER_TYPE": "openai",
        "COPILOT_PROVIDER_BASE_URL": f"{brief.base_url}/v1",
        "COPILOT_PROVIDER_API_KEY": key or _PLACEHOLDER,
        "COPILOT_MODEL": brief.model or "",
        "COPILOT_OFFLINE": "true",
    }
