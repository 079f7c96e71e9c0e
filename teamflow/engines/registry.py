"""Which engines this version can run, by name. Loaded one by one: a run of commands imports nothing else.

An engine is one line here: the module, and what in it makes the engine. One that another package brings is an entry
point of the group `teamflow.engines`, of the same form; those of this file go before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Final, cast

from teamflow.core.capabilities import Capabilities
from teamflow.core.plan import EngineDefinition
from teamflow.ports import Engine

ENGINES: Final[Mapping[str, str]] = {
    "claude": "teamflow.engines.claude:ClaudeEngine",
    "codex": "teamflow.engines.codex:CodexEngine",
    "codex-exec": "teamflow.engines.codex_exec:CodexExecEngine",
    "gemini": "teamflow.engines.gemini:gemini",
    "opencode": "teamflow.engines.opencode:opencode",
    "copilot": "teamflow.engines.copilot:copilot",
    "claude-agent-acp": "teamflow.engines.claude_agent_acp:claude_agent_acp",
    "command": "teamflow.engines.command:CommandEngine",
    "scripted": "teamflow.engines.scripted:ScriptedEngine",
}
"""Name → `module:what makes it`, which takes nothing."""

GROUP: Final = "teamflow.engines"


def custom_engine(name: str, definition: EngineDefinition) -> Engine:
    """The engine of that name that a team file defines."""
    if definition.engine:
        from teamflow.engines.variant import Variant

        return Variant(name, engine(definition.engine))
    if definition.output == "acp":
        from teamflow.engines.acp_custom import acp_engine

        return acp_engine(name, definition)
    from teamflow.engines.custom import CustomEngine

    return CustomEngine(name, definition)


@cache
def engine(name: str) -> Engine:
    """The engine of that name, loaded once. Raises KeyError for a name that nobody has brought."""
    module, _, maker = (ENGINES.get(name) or brought()[name]).partition(":")
    return cast("Callable[[], Engine]", getattr(import_module(module), maker))()


@cache
def brought() -> Mapping[str, str]:
    """The engines of other packages, as in `ENGINES`; of two by one name the first on the path. Looking for them takes
    some milliseconds. A package whose description cannot be read brings none."""
    # Imported here: only names that are not in `ENGINES` need it.
    from importlib.metadata import distributions

    found: dict[str, str] = {}
    for package in distributions():
        try:
            points = package.entry_points.select(group=GROUP)
        except (ValueError, TypeError, AttributeError, OSError):
            continue
        for point in points:
            if point.name:
                found.setdefault(point.name, point.value)
    return found


class _BuiltIn(Mapping[str, Capabilities]):
    """Of those that run agents; each is loaded when it is asked about."""

    def __getitem__(self, name: str) -> Capabilities:
        if name == "command" or not known(name):
            raise KeyError(name)
        return engine(name).capabilities

    def __iter__(self) -> Iterator[str]:
        return (name for name in ENGINES if name not in ("command", "scripted"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


BUILT_IN: Final[Mapping[str, Capabilities]] = _BuiltIn()
"""What engines can do that no team file defines, by name. Those for plays are not in the list, but can be asked for."""


def known(name: str) -> bool:
    return name in ENGINES or name in brought()
