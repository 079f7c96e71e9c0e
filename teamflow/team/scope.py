"""What every check needs: the team, its names, and a way to complain about a path.

Decides nothing about correctness. Suggestions cost time, so there is a fixed number of them per load.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from typing import Final, Protocol

from teamflow.core.diagnostics import Diagnostics, did_you_mean
from teamflow.team.declared import layers_of
from teamflow.team.loaded import LoadedTeam
from teamflow.team.model import Agent, PrPolicy, Team
from teamflow.team.places import Places
from teamflow.team.source import Path
from teamflow.team.template import Compiled, TemplateError

_SUGGESTIONS = 40
_MOST_KNOWN = 2_000
_MOST_TOKENS = 20_000
_SECTIONS = {
    "unknown-engine": "engines",
    "unknown-persona": "personas",
    "unknown-policy": "pr_policies",
    "unknown-secret": "secrets",
    "unknown-target": "targets",
    "no-agents": "agents",
}
"""Complaints that cannot be told from a consequence when the section is damaged."""

BUILT_IN_ENGINES = (
    "claude", "claude-agent-acp", "codex", "codex-exec", "copilot", "gemini", "opencode", "scripted",
)  # fmt: skip
"""Engines that need no definition."""

PROTOCOL = "acp"
"""What many engines speak, and no engine: the name is kept for nobody."""


RESERVED: Final = frozenset((*BUILT_IN_ENGINES, PROTOCOL, "ask", "command", "person"))
"""Names that no other engine can have."""


class Others(Protocol):
    """Engines that other packages bring. To look for them takes time: asked only about names that nothing else has."""

    def names(self) -> Collection[str]: ...

    def problem(self, name: str) -> str:
        """Why one of `names` cannot be used; empty: it can."""
        ...


class NoOthers:
    """Where nothing but this teamflow counts."""

    def names(self) -> Collection[str]:
        return ()

    def problem(self, name: str) -> str:
        return ""


NO_OTHERS: Final = NoOthers()


class Scope:
    """One load's team under check."""

    def __init__(
        self,
        loaded: LoadedTeam,
        found: Diagnostics,
        *,
        damaged: frozenset[Path] = frozenset(),
        others: Others = NO_OTHERS,
    ) -> None:
        self.others = others
        self.damaged = damaged
        self._broken = frozenset(path[0] for path in damaged if path)
        self.loaded = loaded
        self.team: Team = loaded.team
        self.places: Places = loaded.places
        self.engines = frozenset((*BUILT_IN_ENGINES, *(self.team.engines or ())))
        self.targets = frozenset(("local", *(self.team.targets or ())))
        self._found = found
        self._suggestions = _SUGGESTIONS
        self._tokens = 0
        self._seen: set[str] = set()
        self.checked_scripts: set[str] = set()

    @cached_property
    def brought(self) -> frozenset[str]:
        """Engines of other packages by whose names nothing of teamflow goes."""
        return frozenset(self.others.names()) - RESERVED

    @cached_property
    def helpers(self) -> frozenset[str]:
        """Agents that another one may start as a sub-agent."""
        layers = [*self.team.agents.values(), *(self.team.personas or {}).values()]
        return frozenset(name for layer in layers for name in layer.subagents or ())

    @cached_property
    def extra_names(self) -> frozenset[str]:
        """`feedback` when some loop or policy sends any back, `task` when there are sub-agents."""
        team = self.team
        layers = [*team.agents.values(), *(team.personas or {}).values(), *([team.defaults] if team.defaults else [])]
        policies = [*(team.pr_policies or {}).values(), *(layer.pr for layer in layers)]
        feedback = any(layer.loop for layer in layers) or any(
            isinstance(policy, PrPolicy) and policy.feedback for policy in policies
        )
        return frozenset((["feedback"] if feedback else []) + (["task"] if self.helpers else []))

    def error(self, code: str, message: str, path: Path, *, hint: str | None = None, key: bool = False) -> None:
        """Complains at the value at `path`, or at its key."""
        if self._broken and _SECTIONS.get(code) in self._broken:
            return
        span = self.places.key_span(path) if key else self.places.value_span(path)
        self._found.error(code, message, span, hint=hint)

    def is_damaged(self, section: str) -> bool:
        """Whether something below a top-level key was taken out because its shape was wrong."""
        return section in self._broken

    def warn(self, code: str, message: str, path: Path, *, hint: str | None = None) -> None:
        self._found.warn(code, message, self.places.value_span(path), hint=hint)

    def suggest(self, word: str, known: Iterable[str], *, otherwise: str | None = None) -> str | None:
        """A did-you-mean, else `otherwise`; only the first few of a load are looked for."""
        names = list(known)
        if self._suggestions <= 0 or len(names) > _MOST_KNOWN:
            return otherwise
        self._suggestions -= 1
        return did_you_mean(word, names) or otherwise

    def read(self, source: str, compile_text: Callable[[str], Compiled]) -> Compiled | None:
        """A template as `compile_text` reads it. Raises TemplateError, also once when all of a team are too much.

        None after that: the rest is not read.
        """
        if self._tokens > _MOST_TOKENS:
            return None
        compiled = compile_text(source)
        if compiled.tokens and source not in self._seen:
            self._seen.add(source)
            self._tokens += compiled.tokens
            if self._tokens > _MOST_TOKENS:
                raise TemplateError(
                    "the templates of this team are too many together: name values with plain {{ a.b }}"
                )
        return compiled

    def layers(self, agent: Agent) -> tuple[Agent, ...]:
        """The agent, its persona and the defaults, strongest first."""
        return layers_of(self.team, agent)

    def setting(self, agent: Agent, key: str) -> object:
        """An agent's value for `key` from the strongest layer that has one, else None."""
        for layer in self.layers(agent):
            value: object = getattr(layer, key)
            if value is not None:
                return value
        return None

    def merged(self, agent: Agent, key: str) -> dict[str, object]:
        """A plain map of an agent, merged over its layers."""
        found: dict[str, object] = {}
        for layer in reversed(self.layers(agent)):
            value = getattr(layer, key)
            if isinstance(value, Mapping):
                found.update(value)
        return found
