"""Which engines this version can run, by name. Loaded one by one: a run of commands imports nothing else.

Engines that a team file may name but that wait for a later version are listed in `team/areas.py`, not here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from teamflow.core.plan import EngineDefinition
from teamflow.ports import Engine


def _command() -> Engine:
    from teamflow.engines.command import CommandEngine

    return CommandEngine()


def _scripted() -> Engine:
    from teamflow.engines.scripted import ScriptedEngine

    return ScriptedEngine()


def _gemini() -> Engine:
    from teamflow.engines.gemini import gemini

    return gemini()


def _opencode() -> Engine:
    from teamflow.engines.opencode import opencode

    return opencode()


def _copilot() -> Engine:
    from teamflow.engines.copilot import copilot

    return copilot()


def _claude_agent_acp() -> Engine:
    from teamflow.engines.claude_agent_acp import claude_agent_acp

    return claude_agent_acp()


def _claude() -> Engine:
    from teamflow.engines.claude import ClaudeEngine

    return ClaudeEngine()


def _codex() -> Engine:
    from teamflow.engines.codex import CodexEngine

    return CodexEngine()


def _codex_exec() -> Engine:
    from teamflow.engines.codex_exec import CodexExecEngine

    return CodexExecEngine()




ENGINES: Final[Mapping[str, Callable[[], Engine]]] = {
    "claude": _claude,
    "command": _command,
    "scripted": _scripted,
    "codex": _codex,
    "codex-exec": _codex_exec,


    "gemini": _gemini,
    "opencode": _opencode,
    "copilot": _copilot,
    "claude-agent-acp": _claude_agent_acp,
}


def custom_engine(name: str, definition: EngineDefinition) -> Engine:
    """The engine of that name that a team file defines."""
    if definition.output == "acp":
        from teamflow.engines.acp_custom import acp_engine

        return acp_engine(name, definition)
    from teamflow.engines.custom import CustomEngine

    return CustomEngine(name, definition)


@cache
def engine(name: str) -> Engine:
    """The engine of that name, loaded once. Raises KeyError for a name that is not in `ENGINES`."""
    return ENGINES[name]()
