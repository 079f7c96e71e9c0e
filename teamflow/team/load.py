"""A team file and all that it names, read, checked and settled: the one way from a path to a `LoadedTeam`.

Decides the order: gather the files, read the shapes, read the files that agents name, check. Reports everything it
finds in one go. Refuses to touch the file system itself: `sources` reads.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping

from teamflow.core.diagnostics import Diagnostics
from teamflow.core.plan import Json
from teamflow.team.check import check
from teamflow.team.env_file import parse_env_file
from teamflow.team.files import Files, Reads, ReadsAnywhere
from teamflow.team.gather import Gatherer, Placed
from teamflow.team.loaded import Loaded, LoadedTeam
from teamflow.team.model import Agent, FileReference, Team
from teamflow.team.places import Places
from teamflow.team.salvage import read_all
from teamflow.team.scope import NO_OTHERS, Others
from teamflow.team.source import Path, decode, parse_value


def load(path: str, *, sources: Reads, anywhere: ReadsAnywhere | None = None, others: Others = NO_OTHERS) -> Loaded:
    """Reads and checks the team file at `path`, relative to the project that `sources` reads. `others`: engines that it
    may name besides those that are built in and its own.

    `anywhere`: reads includes and personas, which may lie outside of the project; None: `sources` does.
    Never raises for what a file holds; the cyclic collector rests meanwhile.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        return _load(path, sources, anywhere, others)
    finally:
        if enabled:
            gc.enable()


def _load(path: str, sources: Reads, anywhere: ReadsAnywhere | None, others: Others) -> Loaded:
    found = Diagnostics()
    files = Files(sources, found, anywhere)
    gatherer = Gatherer(files, found)
    gathered = gatherer.gather(path)
    if gathered is None:
        return Loaded(None, found, _excerpts(files, {}))
    nameable = gatherer.find_personas(gathered, path)
    places = gathered.places
    salvaged = read_all(gathered.tree, Placed(found, places))
    team, tree = salvaged.team, gathered.tree
    if team is None or not isinstance(tree, dict):
        return Loaded(None, found, _excerpts(files, places.texts))
    reader = _NamedFiles(files, places, found)
    reader.read(team)
    loaded = LoadedTeam(
        path, team, files.digests, reader.texts, reader.scripts, reader.env_values, places, tree, nameable
    )
    check(loaded, found, damaged=salvaged.damaged, others=others)
    texts = {**places.texts, **reader.texts}
    excerpts = _excerpts(files, texts)
    for file in team.env_file or ():
        excerpts.pop(file, None)  # what stands in it is secret, also where it is wrong
    return Loaded(None if found.has_errors else loaded, found, excerpts)


def _excerpts(files: Files, texts: Mapping[str, str]) -> dict[str, str]:
    return {**files.decoded(), **texts}


class _NamedFiles:
    """Reads prompt, script and env files, each once."""

    def __init__(self, files: Files, places: Places, found: Diagnostics) -> None:
        self._files = files
        self._places = places
        self._found = found
        self.texts: dict[str, str] = {}
        self.scripts: dict[str, Json] = {}
        self.env_values: dict[str, str] = {}

    def read(self, team: Team) -> None:
        for name, persona in (team.personas or {}).items():
            self._read_agent(persona, ("personas", name))
        if team.defaults:
            self._read_agent(team.defaults, ("defaults",))
        for name, agent in team.agents.items():
            if agent.script is not None or isinstance(agent.prompt, FileReference):
                self._read_agent(agent, ("agents", name))
        for index, path in enumerate(team.env_file or ()):
            text = self._text(path, ("env_file", index))
            if text is not None:
                self.env_values.update(parse_env_file(text, file=path, found=self._found))

    def _read_agent(self, agent: Agent, path: Path) -> None:
        if isinstance(agent.prompt, FileReference) and agent.prompt.file not in self.texts:
            text = self._text(agent.prompt.file, (*path, "prompt", "file"))
            if text is not None:
                self.texts[agent.prompt.file] = text
        if agent.script is not None and agent.script not in self.scripts:
            data = self._files.read(agent.script, span=self._places.value_span((*path, "script")))
            if data is not None:
                script, problems = parse_value(data, file=agent.script)
                # What could not be read as it stands is not complained about a second time.
                self.scripts[agent.script] = [] if problems else script
                self._found.extend(problems)

    def _text(self, file: str, path: Path) -> str | None:
        data = self._files.read(file, span=self._places.value_span(path))
        return None if data is None else decode(data, file=file, found=self._found)


__all__ = ["Loaded", "LoadedTeam", "load"]
