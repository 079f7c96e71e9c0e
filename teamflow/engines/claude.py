"""Claude Code, told and heard line by line in its own JSON, both ways.

Decides the command line: what it is told, what it may do, which servers it gets. What its lines mean is in
`claude_stream.py`, what its tools are in `claude_tools.py`, how it ends in `claude_end.py`. Each trap that this file
goes around was seen with the version in `CAPABILITIES.tested`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from teamflow.core.capabilities import FOLD
from teamflow.core.invocation import Brief, Invocation
from teamflow.core.model_server import priced
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.permissions import FULL
from teamflow.core.plan import Json
from teamflow.engines.claude_server import settings, variables
from teamflow.engines.claude_stream import ClaudeSession
from teamflow.engines.claude_tools import held, withheld
from teamflow.engines.exits import size
from teamflow.engines.telling import instructions
from teamflow.ports import Capabilities

CAPABILITIES: Final = Capabilities(
    resume=True,
    schema=True,
    cost=True,
    steer=FOLD,
    protocol=True,
    chatty=True,
    tail=True,
    interrupt=True,
    asks=True,
    # Not net: its own tools for it can be taken away, but what its commands do nobody sees.
    enforces=frozenset(("read", "edit", "globs", "run")),
    mcp=frozenset(("stdio", "http", "sse")),
    isolates=True,
    base_url=True,
    login=(
        "ANTHROPIC_*",
        "API_TIMEOUT_MS",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
        "CLAUDE_CODE_MAX_RETRIES",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CODE_SKIP_*",
        "CLAUDE_CODE_USE_*",
        "CLAUDE_CONFIG_DIR",
        "CLOUD_ML_REGION",
        "NODE_EXTRA_CA_CERTS",
    ),
    settings=(
        *("API_TIMEOUT_MS", "CLAUDE_CODE_MAX_OUTPUT_TOKENS", "CLAUDE_CODE_MAX_RETRIES"),
        *("CLAUDE_CONFIG_DIR", "NODE_EXTRA_CA_CERTS"),
    ),
    program=("claude", "--version"),
    tested="2.1.197",
    # 2.1.84 and those before it tell of a turn that was interrupted as of one that has succeeded.
    least="2.1.89",
    install="npm install -g @anthropic-ai/claude-code",
    models=(
        *("fable", "haiku", "opus", "sonnet"),
        *("claude-fable-5", "claude-haiku-4-5", "claude-opus-4-8", "claude-sonnet-4-5"),
    ),
    # A long answer comes as one line, at its end.
    silence=1200.0,
    # It starts its MCP servers first.
    session_within=30.0,
)

LONGEST_SCHEMA: Final = 120 << 10
"""Bytes of a schema, which can only be an argument; the kernel takes 128 KiB."""

_LEAST_USD: Final = 1e-6
"""It does not start with 0."""

_ENV: Final = {
    "DISABLE_AUTOUPDATER": "1",
    # What it leaves running when its turn ends is killed, or has it begin another turn: a step would be over before its
    # work is. So it waits for its commands, if need be for long (the default is 10 minutes).
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "BASH_MAX_TIMEOUT_MS": "7200000",
}
_PROTOCOL: Final = (
    *("claude", "-p", "--verbose"),
    *("--input-format=stream-json", "--output-format=stream-json"),
    # It says when it has heard what it was told.
    "--replay-user-messages",
    # It asks us, by its stdout, for what it has no leave for.
    "--permission-prompt-tool=stdio",
)


class ClaudeEngine:
    name = "claude"
    capabilities = CAPABILITIES

    def invoke(self, brief: Brief) -> Invocation | Failed:
        """Failed: its outputs have a schema that is too long for an argument."""
        argv, env, files = [*_PROTOCOL], dict(_ENV), list[tuple[str, str]]()
        if brief.model:
            argv.append(f"--model={brief.model}")
        if brief.session:
            argv.append(f"--resume={brief.session}")
        told = instructions(brief)
        if told:
            # It keeps none of them in a session. A file: `ps` shows arguments to everybody, and they may be too long.
            files.append((f"{brief.stem}.instructions.md", _text(told)))
            argv.append(f"--append-system-prompt-file={files[-1][0]}")
        if brief.servers:
            files.append((f"{brief.stem}.mcp.json", json.dumps({"mcpServers": brief.servers})))
            argv.append(f"--mcp-config={files[-1][0]}")
            # Else the first turn begins without the tools of a server that takes more than 5 s. Half of the time that
            # it has for opening its session (`session_within`).
            env |= {"MCP_CONNECTION_NONBLOCKING": "0", "MCP_CONNECT_TIMEOUT_MS": "15000"}
        if brief.home:
            env["CLAUDE_CONFIG_DIR"] = brief.home
            # Without sources it reads no CLAUDE.md either.
            argv += ("--strict-mcp-config", "--setting-sources=")
        if brief.schemas:
            schema = json.dumps(_schema(brief), separators=(",", ":"))
            if len(schema) > LONGEST_SCHEMA:
                reason = f"the schema of its outputs has {size(len(schema))}, more than {size(LONGEST_SCHEMA)}"
                return Failed(
                    FailureClass.START, f"{reason}, which is all that claude takes: declare them more loosely"
                )
            argv.append(f"--json-schema={schema}")
        argv += (*_permissions(brief, env, files), *_limits(brief))
        return Invocation(
            tuple(argv),
            env=env,
            stdin=ClaudeSession(brief).opening,
            protocol=True,
            files=tuple(files),
            listens=True,
            final=variables(brief),
        )

    def session(self, brief: Brief) -> ClaudeSession:
        return ClaudeSession(brief)


def _permissions(brief: Brief, env: dict[str, str], files: list[tuple[str, str]]) -> tuple[str, ...]:
    """So that each thing of which a grant could say something is asked about. The user's own settings may allow tools:
    rules of ours to ask go before those, and hooks, which could answer in our place, are off."""
    told, mode = settings(brief), "bypassPermissions" if brief.grants.level == FULL else "default"
    words = (f"--permission-mode={mode}", f"--disallowedTools={','.join(withheld(brief.grants))}")
    if brief.grants.level == FULL:
        # As root it refuses to start without; for others it means nothing.
        env["IS_SANDBOX"] = "1"
    else:
        told |= held(brief.grants)
    if not told:
        return words
    if not brief.base_url:
        return (*words, f"--settings={json.dumps(told)}")
    # A key may stand in them.
    files.append((f"{brief.stem}.settings.json", json.dumps(told)))
    return (*words, f"--settings={files[-1][0]}")


def _limits(brief: Brief) -> Iterator[str]:
    """A fence behind that of the runner, which holds where no runner lives. Money is counted for the process, also
    where a session goes on, and looked at after each call; turns for each message, one for every call of its model."""
    if brief.usd is not None and priced(brief.base_url, brief.model):
        yield f"--max-budget-usd={max(brief.usd, _LEAST_USD)!r}"
    if brief.turns is not None:
        yield f"--max-turns={brief.turns}"


def _schema(brief: Brief) -> dict[str, Json]:
    properties: dict[str, Json] = {
        name: schema if isinstance(schema, Mapping) else {"type": schema} for name, schema in brief.schemas.items()
    }
    return {"type": "object", "properties": properties, "required": list(brief.schemas)}


def _text(text: str) -> str:
    """Halves of surrogate pairs cannot be written."""
    return text.encode("utf-8", "replace").decode("utf-8")
