"""Claude by way of claude-agent-acp: what starts it, and what is particular about it.

It brings a Claude Code of its own, unless `CLAUDE_CODE_EXECUTABLE` names another, which is left to the user. What is
said to it while it works reaches the turn that runs; both prompts are answered. Its price begins with each process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.capabilities import FOLD, Capabilities
from teamflow.core.invocation import Brief
from teamflow.core.permissions import FULL
from teamflow.core.plan import Json
from teamflow.engines.acp import AcpEngine
from teamflow.engines.acp_agent import EVERY_SERVER, Agent, Start
from teamflow.engines.acp_said import PROMPT
from teamflow.engines.claude_end import LOGIN
from teamflow.engines.claude_server import settings, variables
from teamflow.engines.claude_tools import held, withheld
from teamflow.engines.telling import instructions

TESTED: Final = "0.49.0"

CAPABILITIES: Final = Capabilities(
    resume=True,
    cost=True,
    steer=FOLD,
    protocol=True,
    chatty=True,
    tail=True,
    interrupt=True,
    asks=True,
    enforces=frozenset({"read", "edit", "globs", "run"}),
    mcp=EVERY_SERVER,
    isolates=True,
    base_url=True,
    login=("ANTHROPIC_*", "CLAUDE_*", "IS_SANDBOX"),
    settings=("CLAUDE_CONFIG_DIR", "CLAUDE_CODE_EXECUTABLE", "IS_SANDBOX"),
    program=("claude-agent-acp", "--version"),
    tested=TESTED,
    # 0.42.0 asks nothing about a tool of a server that the user's settings allow, whatever goes before them.
    least="0.45.1",
    install=f"npm install -g @agentclientprotocol/claude-agent-acp@{TESTED}",
    models=("default", "opus", "sonnet", "haiku"),
    silence=600.0,
    session_within=30.0,
)


def _meta(brief: Brief) -> Mapping[str, Json]:
    """The user's own settings may allow tools: rules of ours to ask go before those, and hooks are off."""
    meta: dict[str, Json] = {}
    words = instructions(brief)
    if words:
        meta["systemPrompt"] = {"append": words}
    options: dict[str, Json] = {"disallowedTools": list(withheld(brief.grants))}
    # What is said here is recorded.
    told = settings(brief, with_key=False)
    if brief.grants.level != FULL:
        told |= held(brief.grants)
    if told:
        options["settings"] = told
    meta["claudeCode"] = {"options": options}
    return meta


def _model(brief: Brief) -> str | None:
    """That of another server is said by variables: it does not offer it."""
    return None if brief.base_url else brief.model


AGENT: Final = Agent(
    "claude-agent-acp",
    CAPABILITIES,
    login=LOGIN,
    usage=PROMPT,
    cached_apart=True,
    prices_process=True,
    holds=(("mode", "default"),),
    appends=True,
    meta=_meta,
    model=_model,
)


def claude_agent_acp() -> AcpEngine:
    return AcpEngine(AGENT, _start)


def _start(brief: Brief) -> Start:
    env = {"DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    # It takes any value for a yes and starts Claude Code with a flag that this, as root, takes with "1" alone.
    env["IS_SANDBOX"] = "1"
    if brief.home:
        env["CLAUDE_CONFIG_DIR"] = brief.home
    return Start(("claude-agent-acp",), env, final=variables(brief))
