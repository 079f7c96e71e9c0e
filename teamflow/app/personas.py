"""The personas that an agent of a team file can name: declared ones, and files that are found by their names.

Each file is read by itself, so that a broken one is told of and hides no other. Starts nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from teamflow.app.files import ProjectFiles
from teamflow.app.plugins import spare_plugins
from teamflow.app.project import NoTeamFile, find_source, project_around, project_of
from teamflow.core.diagnostics import Diagnostics, Severity
from teamflow.core.named import NamedTuple
from teamflow.views.personas import PersonaLine

if TYPE_CHECKING:
    from teamflow.team.loaded import LoadedTeam
    from teamflow.team.model import Agent

_MADE: Final = "\0list"
"""In place of a team file, for the one that is made up around a persona; no file can have this name."""


class Listed(NamedTuple):
    """`diagnostics` and `sources`: of the team file; with errors in it, its own personas are not listed."""

    lines: tuple[PersonaLine, ...]
    diagnostics: Diagnostics
    sources: dict[str, str]


def list_personas(word: str | None, directory: str) -> Listed:
    """Of the team file that `word` names; where there is none and none is named, of one that would stand here.

    Raises NoTeamFile.
    """
    spare_plugins()
    from teamflow.team.files import Files
    from teamflow.team.gather import Gatherer
    from teamflow.team.load import load

    root, file = _place(word, directory)
    files = ProjectFiles(root)
    found = None if file is None else load(file, sources=files, anywhere=files.anywhere)
    team = None if found is None else found.team
    defaults = None if team is None else team.team.defaults

    def seen(path: str) -> str:
        return path if path.startswith(("/", "~/")) else os.path.relpath(os.path.join(root, path), directory)

    lines = {} if team is None else {name: _of_team(team, name, seen) for name in team.team.personas or {}}
    by_name = Gatherer(Files(files, Diagnostics(), files.anywhere), Diagnostics()).nameable(file or "team.yaml")
    for name, path in by_name.items():
        if name not in lines:
            lines[name] = _of_file(files, name, path, defaults)._replace(origin=seen(path))
    listed = tuple(lines[name] for name in sorted(lines))
    return Listed(listed, found.diagnostics if found else Diagnostics(), dict(found.sources) if found else {})


def _place(word: str | None, directory: str) -> tuple[str, str | None]:
    """The project, and the team file relative to it."""
    try:
        path = find_source(word, directory)
    except NoTeamFile:
        if word is not None:
            raise
        return project_around(directory).root, None
    root = project_of(os.path.dirname(path)).root
    return root, os.path.relpath(path, root)


def _of_team(team: LoadedTeam, name: str, seen: Callable[[str], str]) -> PersonaLine:
    persona = (team.team.personas or {})[name]
    origin = persona.file or team.places.file_of(("personas", name))
    return _line(name, persona, team.team.defaults)._replace(origin=seen(origin))


def _of_file(files: ProjectFiles, name: str, path: str, defaults: Agent | None) -> PersonaLine:
    from teamflow.team.load import load

    made = _Made(files, name, path)
    loaded = load(_MADE, sources=made, anywhere=made)
    persona = (loaded.team.team.personas or {}).get(name) if loaded.team is not None else None
    if persona is not None:
        return _line(name, persona, defaults)
    said = next((item.message for item in loaded.diagnostics if item.severity is Severity.ERROR), "it cannot be read")
    return PersonaLine(name, "", "", "", "", trouble=said)


def _line(name: str, persona: Agent, defaults: Agent | None) -> PersonaLine:
    from teamflow.plan.words import grants_in_words
    from teamflow.team.layers import Layers
    from teamflow.team.resolve import BUILT_IN
    from teamflow.team.where import permissions

    layers = Layers(tuple(layer for layer in (persona, defaults) if layer is not None))
    chain = (f"{one.name}/{one.model}" if one.model else one.name for one in layers.engines(BUILT_IN.engine))
    text = (layers.get("instructions") or "").strip()
    first = text.splitlines()[0] if text else ""
    return PersonaLine(
        name,
        "",
        ", else ".join(chain),
        grants_in_words(permissions(layers), servers=layers.maps("mcp_servers")),
        first,
        persona.description or "",
    )


class _Made:
    """A team of one agent that names one persona, beside the files of the project."""

    def __init__(self, files: ProjectFiles, name: str, path: str) -> None:
        self._files = files
        self._team = {"personas": {name: {"file": path}}, "agents": {"a": {"persona": name, "command": "x"}}}

    def read(self, path: str) -> bytes:
        return json.dumps(self._team).encode() if path == _MADE else self._files.read_any(path)

    def names(self, path: str) -> Iterable[str]:
        return ()
