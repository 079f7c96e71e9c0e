"""What loading gives: a team with the files behind it, its settled agents and the places of its parts.

Decides nothing; `team/load.py` makes these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from teamflow.core.diagnostics import Diagnostics, Span
from teamflow.core.plan import EngineDefinition, Json
from teamflow.team.model import Team
from teamflow.team.places import Places
from teamflow.team.source import Value

if TYPE_CHECKING:
    from teamflow.team.resolved import ResolvedAgent, ResolvedLimits


@dataclass(frozen=True)
class LoadedTeam:
    """A team as read from `file` (relative to the project).

    `files`: every defining file with its sha256, and "" for one that was looked for and is not there; `texts`: prompt
    files by path; `scripts`: what the scripts of `engine: scripted` hold, by path; `env_file_values`: their variables,
    which count as secrets. `tree`: the values as they are spelled in the files, includes and persona files merged.
    `nameable`: files of personas that an agent could name without a declaration, where one names a persona that there
    is none of.
    """

    file: str
    team: Team
    files: Mapping[str, str]
    texts: Mapping[str, str]
    scripts: Mapping[str, Json]
    env_file_values: Mapping[str, str]
    places: Places
    tree: Mapping[str, Value]
    nameable: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name the file gives, else the file's own without its ending."""
        base = self.file.rsplit("/", 1)[-1]
        return self.team.name or base.removesuffix(".yaml").removesuffix(".yml") or base

    @cached_property
    def resolved(self) -> Mapping[str, ResolvedAgent]:
        """Every agent with its settings merged, in the order of the file."""
        from teamflow.team.resolve import resolve  # only plans need it

        return resolve(self.team, texts=self.texts, scripts=self.scripts)

    @cached_property
    def engines(self) -> Mapping[str, EngineDefinition]:
        """The engines that the team defines, by name."""
        from teamflow.team.engines import engine_definitions

        return engine_definitions(self.team)

    @cached_property
    def limits(self) -> ResolvedLimits:
        from teamflow.team.resolve import resolve_limits

        return resolve_limits(self.team)

    def key_span(self, *path: str | int) -> Span:
        """Where the key at `path` (`"agents", "build", "timeout"`) stands."""
        return self.places.key_span(path)

    def value_span(self, *path: str | int) -> Span:
        """Where the value at `path` stands."""
        return self.places.value_span(path)


@dataclass(frozen=True)
class Loaded:
    """What a load came to. `team` is None when there are errors; `sources` are texts for excerpts."""

    team: LoadedTeam | None
    diagnostics: Diagnostics
    sources: Mapping[str, str]
