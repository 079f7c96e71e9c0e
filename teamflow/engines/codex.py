"""The engine of Codex, over its app server: what is started, for whom, and what it can do.

How it is talked to is in `codex_server.py`, what an agent may do there in `codex_fence.py`. One process is one attempt:
its first lines open or resume a thread, and it ends when its input does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.capabilities import FOLD
from teamflow.core.invocation import Brief, Invocation
from teamflow.core.outcome import Failed
from teamflow.core.plan import Json
from teamflow.engines.codex_end import TESTED
from teamflow.engines.codex_fence import PROVIDER, fence, inline, introduced, untrusted
from teamflow.engines.codex_server import ServerSession, opening
from teamflow.engines.codex_servers import servers
from teamflow.ports import Capabilities

CAPABILITIES: Final = Capabilities(
    resume=True,
    schema=True,
    steer=FOLD,
    protocol=True,
    chatty=True,
    tail=True,
    interrupt=True,
    asks=True,
    enforces=frozenset(("read", "edit", "globs", "run", "net")),
    mcp=frozenset(("stdio", "http")),
    isolates=True,
    base_url=True,
    login=("CODEX_HOME", "CODEX_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
    settings=("CODEX_HOME",),
    program=("codex", "--version"),
    tested=TESTED,
    # 0.131.0 does not read the profile of permissions, 0.96.0 passes it over: what only looks could write then.
    least="0.133.0",
    install=f"npm install -g @openai/codex@{TESTED}",
    models=("gpt-5", "gpt-5-codex"),
    silence=300.0,
    session_within=30.0,
)


_KEYS: Final = ("OPENAI_API_KEY", "CODEX_API_KEY")


class CodexEngine:
    name = "codex"
    capabilities = CAPABILITIES

    def invoke(self, brief: Brief) -> Invocation | Failed:
        given = servers(brief.servers)
        if isinstance(given, Failed):
            return given
        limits = fence(brief.grants)
        return Invocation(
            ("codex", "app-server", *limits.words, *untrusted(brief), *provider(brief)),
            env={**given.env, **home(brief)},
            stdin=opening(),
            protocol=True,
            listens=True,
            directories=limits.directories,
        )

    def session(self, brief: Brief) -> ServerSession:
        return ServerSession(introduced(brief))


def home(brief: Brief) -> Mapping[str, str]:
    """The variable for settings and sessions of its own."""
    return {"CODEX_HOME": brief.home} if brief.home else {}


def provider(brief: Brief) -> tuple[str, ...]:
    """Words for a server of the team file's. A key of its own for it goes by variable, never by argument."""
    if not brief.base_url:
        return ()
    key = next((name for name in _KEYS if brief.variables.get(name)), None)
    named: dict[str, Json] = {"name": PROVIDER, "base_url": f"{brief.base_url}/v1", "wire_api": "responses"}
    told = inline({**named, **({"env_key": key} if key is not None else {})})
    return ("-c", f"model_providers.{PROVIDER}={told}", "-c", f"model_provider={inline(PROVIDER)}")
