"""GitHub Copilot CLI, by ACP: what starts it, and what is particular about it.

A second prompt ends the turn that runs, so it is told nothing while it works. It ends a turn as if all were well when
its model cannot be asked (`acp_ending.py`). `COPILOT_ALLOW_ALL` of the user's would let it ask for nothing. Hooks can
answer before it asks, and nothing that it is told switches them off (`disableAllHooks` in settings does not, seen with
the version in `CAPABILITIES.tested`): so it is not started where there are some, but with full leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.capabilities import ABORT, Capabilities
from teamflow.core.invocation import Brief, Obstacle
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
    # Without that it tells the newest version that any start of it has left in its cache, which is not the one started.
    program=("copilot", "--no-auto-update", "--version"),
    tested="1.0.102",
    # 1.0.88 does not take the model that it is given, 1.0.87 tells of an interrupted turn as of a success, 1.0.83 and
    # those before it run commands without a question, 1.0.75 asks for a login where there is a server of one's own.
    least="1.0.89",
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
_WHY: Final = "lets hooks of copilot answer before it asks, and nothing switches them off: "
_GIVE: Final = "take it away, or give the step `permissions: full`"
_PROJECT: Final = (Obstacle(".github/hooks", f"{_WHY}{_GIVE}"),)
_ELSE: Final = f"{_WHY}give the step `isolate: true` or `permissions: full`, or take them away"
_USER: Final = (
    Obstacle("hooks", _ELSE, variable="COPILOT_HOME", usual=".copilot"),
    Obstacle("settings.json", _ELSE, variable="COPILOT_HOME", usual=".copilot", holding='"hooks"'),
    # In a directory that the user's settings trust.
    *(
        Obstacle(f"{directory}/{name}.json", _ELSE, holding='"hooks"')
        for directory in (".github/copilot", ".claude")
        for name in ("settings", "settings.local")
    ),
)
"""What it does not heed with settings of its own."""

_PLACEHOLDER: Final = "no-key-for-a-server-of-your-own"
"""Long: wherever the key occurs in what it prints it puts stars."""


def copilot() -> AcpEngine:
    return AcpEngine(AGENT, _start)


def _start(brief: Brief) -> Start:
    argv = ["copilot", "--acp", "--no-auto-update", "--no-ask-user"]
    env = {"COPILOT_AUTO_UPDATE": "false"}
    obstacles: tuple[Obstacle, ...] = ()
    if brief.grants.level == FULL:
        argv.append("--allow-all")
    else:
        env["COPILOT_ALLOW_ALL"] = "false"
        obstacles = _PROJECT if brief.home else (*_PROJECT, *_USER)
    if brief.model is not None:
        argv.append(f"--model={brief.model}")
    if brief.home:
        env["COPILOT_HOME"] = brief.home
    return Start(tuple(argv), env, final=_provider(brief), obstacles=obstacles)


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
