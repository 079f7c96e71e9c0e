"""opencode, by ACP: what starts it, and what is particular about it.

It asks leave only for what its configuration says, so that is said by a variable of its own, which goes before every
file: `OPENCODE_CONFIG_CONTENT` stays the user's, but for the server of a `base_url`. What a sub-agent asks never comes
out of it, and is waited for without end: it has none, unless there is nothing to be asked. What is said to it while it
works reaches the turn that runs. It tells the price of the session, and tokens of the last call only.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Mapping
from typing import Final

from teamflow.core.capabilities import FOLD, Capabilities
from teamflow.core.invocation import Brief
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.permissions import FULL
from teamflow.core.plan import Json
from teamflow.engines.acp import AcpEngine
from teamflow.engines.acp_agent import EVERY_SERVER, Agent, Start
from teamflow.engines.lines import parse_json

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
    login=(
        "OPENCODE_*", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY",
        "OPENROUTER_API_KEY", "GROQ_API_KEY", "MISTRAL_API_KEY", "XAI_API_KEY", "DEEPSEEK_API_KEY",
    ),
    settings=("OPENCODE_*",),
    program=("opencode", "--version"),
    tested="1.18.33",
    install="npm install -g opencode-ai",
    silence=600.0,
    session_within=60.0,
)  # fmt: skip
PROVIDER: Final = "teamflow"


def model(brief: Brief) -> str | None:
    """A server of the team file's is a provider of ours, whose models may have slashes in their names."""
    return f"{PROVIDER}/{brief.model}" if brief.base_url else brief.model


def mode(brief: Brief) -> str:
    """The name of an agent of opencode's like its usual one, but for what it may. A project's files may say more of
    those that they know: so it is another one in each run, and the same for all that goes on in one session there."""
    known = brief.run or posixpath.dirname(brief.stem)
    return f"teamflow-{hashlib.sha256(known.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


def _holds(brief: Brief) -> tuple[tuple[str, str], ...]:
    return (("mode", mode(brief)),)


AGENT: Final = Agent(
    "opencode",
    CAPABILITIES,
    login="log in with `opencode auth login`",
    holds_for=_holds,
    model=model,
    tells_writes=True,
    # It tells no status of a refused call: the provider's own words have to do.
    failures=(("auth", "incorrect api key|api key (?:is )?(?:not valid|missing)|forbidden"),),
)
_CONTENT: Final = "OPENCODE_CONFIG_CONTENT"
_ASKED: Final = ("edit", "bash", "webfetch", "websearch", "codesearch", "external_directory")
_HELD: Final = {**dict.fromkeys(_ASKED, "ask"), "task": "deny", "question": "deny"}
_FREE: Final = {**dict.fromkeys(("*", *_ASKED, "read", "task", "doom_loop"), "allow"), "question": "deny"}
_QUIET: Final = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_SHARE": "1",
}


def opencode() -> AcpEngine:
    return AcpEngine(AGENT, _start)


def _start(brief: Brief) -> Start | Failed:
    content = _content(brief)
    if isinstance(content, Failed):
        return content
    free = brief.grants.level == FULL
    env = {**_QUIET, "OPENCODE_PERMISSION": json.dumps(_FREE if free else _HELD)}
    files: tuple[tuple[str, str], ...] = ()
    if not free:
        env["OPENCODE_CONFIG"] = path = f"{brief.stem}.opencode.json"
        files = ((path, json.dumps({"agent": {mode(brief): {"mode": "primary", "permission": _HELD}}}) + "\n"),)
    if brief.home:
        for name in ("CONFIG", "DATA", "STATE", "CACHE"):
            env[f"XDG_{name}_HOME"] = f"{brief.home}/{name.lower()}"
        env["OPENCODE_DISABLE_CLAUDE_CODE"] = "1"
    return Start(("opencode", "acp", "--cwd", brief.cwd), env, files, content)


def _content(brief: Brief) -> Mapping[str, str] | Failed:
    """The variable that goes before every file, with the one server; what the user says by it stays. Lists in it take
    the place of those in files, all else is merged."""
    if not brief.base_url:
        return {}
    try:
        told = parse_json(brief.variables.get(_CONTENT) or "{}")
    except ValueError:
        told = None
    if not isinstance(told, Mapping):
        return Failed(FailureClass.START, f"{_CONTENT} is no JSON object, so base_url cannot be added to it")
    key = next((f"{{env:{name}}}" for name in ("OPENAI_API_KEY",) if brief.variables.get(name)), "local")
    provider: Json = {
        "npm": "@ai-sdk/openai-compatible",
        "name": PROVIDER,
        "options": {"baseURL": f"{brief.base_url}/v1", "apiKey": key},
        "models": {brief.model or "": {}},
    }
    known = told.get("provider")
    ours: dict[str, Json] = {
        "provider": {**(known if isinstance(known, Mapping) else {}), PROVIDER: provider},
        "enabled_providers": [PROVIDER],
        "disabled_providers": [],
        **dict.fromkeys(("model", "small_model"), model(brief)),
    }
    return {_CONTENT: json.dumps({**told, **ours}), "OPENCODE_DISABLE_MODELS_FETCH": "1"}
