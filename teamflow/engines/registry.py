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
}


def custom_engine(name: str, definition: EngineDefinition) -> Engine:
    """The engine of that name that a team file defines."""
    from teamflow.engines.custom import CustomEngine

    return CustomEngine(name, definition)


@cache
def engine(name: str) -> Engine:
    """The engine of that name, loaded once. Raises KeyError for a name that is not in `ENGINES`."""
    return ENGINES[name]()
