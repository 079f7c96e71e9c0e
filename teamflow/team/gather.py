"""All files of a team into one tree: includes followed and merged, personas read, file names settled.

Decides the order of merging and where file names may stand. Every file name in the tree it gives is relative to the
project. Refuses to know types and meaning, which are checked after.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TypeAlias

from teamflow.core.diagnostics import Diagnostics, Span
from teamflow.core.ids import NAME
from teamflow.team.files import Files
from teamflow.team.persona_file import parse_persona
from teamflow.team.persona_servers import parse_servers, servers_file
from teamflow.team.places import Places
from teamflow.team.source import Path, Source, Value, decode, parse
from teamflow.team.structure import without_notes

MAX_INCLUDES = 200
MAX_DEPTH = 16

Chain: TypeAlias = tuple[tuple[str, Span], ...]
"""The files on the way to an include, each with the place that names the next."""


class Gathered:
    """One merged tree and the places of its parts."""

    def __init__(self, tree: Value, places: Places) -> None:
        self.tree = tree
        self.places = places


class Gatherer:
    """Follows the files of one team."""

    def __init__(self, files: Files, found: Diagnostics) -> None:
        self._files = files
        self._found = found
        self._count = 0

    def gather(self, path: str, *, span: Span | None = None, chain: Chain = ()) -> Gathered | None:
        """The tree of the file at `path` with all that it includes; None after a complaint."""
        data = self._files.read(path, span=span, outside=bool(chain))
        source = None if data is None else parse(data, file=path, found=self._found)
        if source is None:
            return None
        places = Places(source)
        if not isinstance(source.value, dict):
            return Gathered(source.value, places)
        tree = source.value
        if source.has_null or "x-" in source.text:
            tree = without_notes(tree, Placed(self._found, places))
        included = self._included(tree, source, chain)
        self._settle_names(tree, places)
        for other in reversed(included):
            if isinstance(other.tree, dict):
                places.absorb(tree, other.tree, other.places)
        return Gathered(tree, places)

    def _included(self, tree: dict[str, Value], source: Source, chain: Chain) -> list[Gathered]:
        """The trees that this file includes, in order; later ones win over earlier ones."""
        named = tree.get("include")
        names = [named] if isinstance(named, str) else named if isinstance(named, list) else []
        found: list[Gathered] = []
        for index, name in enumerate(names):
            if not isinstance(name, str) or not name:
                continue
            span = source.value_span(("include", index) if isinstance(named, list) else ("include",))
            path = self._files.place(name, named_in=source.file, span=span, outside=True)
            if path is not None and self._may_include(path, span, source.file, chain):
                gathered = self.gather(path, span=span, chain=(*chain, (source.file, span)))
                found.extend([gathered] if gathered else [])
        return found

    def _may_include(self, path: str, span: Span, file: str, chain: Chain) -> bool:
        self._count += 1
        files = [name for name, _ in chain] + [file]
        if path in files:
            start = files.index(path)
            around = " includes ".join([*files[start:], path])
            related = tuple((f"{name} includes from here", place) for name, place in chain[start:])
            self._found.error("include-cycle", f"files include each other: {around}", span, related=related)
            return False
        if len(files) > MAX_DEPTH or self._count > MAX_INCLUDES:
            self._found.error("include-depth", f"more than {MAX_DEPTH} levels or {MAX_INCLUDES} includes", span)
            return False
        return True

    def _settle_names(self, tree: dict[str, Value], places: Places) -> None:
        """Makes every file name relative to the project, and puts the keys of persona files in place."""
        personas = tree.get("personas")
        if isinstance(personas, dict):
            for name, persona in personas.items():
                if isinstance(persona, dict) and isinstance(persona.get("file"), str):
                    personas[name] = self._persona(persona, ("personas", name), places)
        for holder, key, path in _file_names(tree):
            holder[key] = self._settled(str(holder[key]), path, places)
        env_files = tree.get("env_file")
        if isinstance(env_files, str):
            tree["env_file"] = self._settled(env_files, ("env_file",), places)
        elif isinstance(env_files, list):
            tree["env_file"] = [
                self._settled(name, ("env_file", index), places) if isinstance(name, str) and name else name
                for index, name in enumerate(env_files)
            ]

    def _settled(self, name: str, path: Path, places: Places) -> str:
        settled = self._files.place(name, named_in=places.file_of(path), span=places.value_span(path))
        return name if settled is None else settled

    def _persona(self, persona: dict[str, Value], path: Path, places: Places) -> dict[str, Value]:
        """The persona with the keys of its file under its own."""
        span = places.value_span((*path, "file"))
        file = self._files.place(str(persona["file"]), named_in=places.file_of(path), span=span, outside=True)
        data = None if file is None else self._files.read(file, span=span, outside=True)
        if data is None or file is None:
            return persona
        return self._with_file(persona, file, data, path, places)

    def _with_file(
        self, persona: dict[str, Value], file: str, data: bytes, path: Path, places: Places
    ) -> dict[str, Value]:
        """`data`: what stands in the file of the persona at `path`."""
        text = decode(data, file=file, found=self._found)
        parsed = None if text is None else parse_persona(text, file=file, found=self._found)
        if text is None or parsed is None:
            places.texts[file] = text or ""
            return persona
        keys = {key: value for key, value in parsed.keys.items() if key not in persona}
        if "engine" in persona:
            keys.pop("model", None)  # it was one of the engine that the file has in mind
        places.graft(keys, at=path, source=parsed.source)
        if "mcp_servers" not in persona:
            self._add_servers(keys, file, path, places)
        merged: dict[str, Value] = {**persona, "file": file, **keys}
        return without_notes(merged, Placed(self._found, places), path) if _has_notes(keys) else merged

    def _add_servers(self, keys: dict[str, Value], file: str, path: Path, places: Places) -> None:
        """Those of the file beside a persona's file; what the persona's file says itself wins, name by name."""
        beside = servers_file(file)
        data = None if beside is None else self._files.find(beside, span=places.value_span(path))
        if beside is None or data is None:
            return
        servers = parse_servers(data, file=beside, found=self._found)
        own = keys.get("mcp_servers", {})
        if not servers or not isinstance(own, dict):
            return
        if not own:
            source = Source(beside, data.decode("utf-8-sig", "replace"), value={"mcp_servers": servers}, root=None)
            places.graft({"mcp_servers": servers}, at=path, source=source)
        keys["mcp_servers"] = {**servers, **own}

    # -- personas that nobody declares ---------------------------------------------------------------------------

    def find_personas(self, gathered: Gathered, team_file: str) -> dict[str, str]:
        """Adds the personas that agents name and no file declares, where there is a file of that name.

        Gives the file of every persona that could be named so, if one could not be found.
        """
        tree, places = gathered.tree, gathered.places
        personas = tree.get("personas", {}) if isinstance(tree, dict) else None
        if not isinstance(tree, dict) or not isinstance(personas, dict):
            return {}
        found: dict[str, Value] = dict(personas)
        todo = list(_named_personas(tree, found))
        missing = False
        while todo:
            name, at = todo.pop(0)
            if name in found:
                continue
            if (persona := self._found_persona(name, at, team_file, places)) is None:
                missing = True
                continue
            tree["personas"] = found = {**found, name: persona}
            todo += [(helper, ("personas", name, "subagents")) for helper in _texts(persona.get("subagents"))]
        return self.nameable(team_file) if missing else {}

    def _found_persona(self, name: str, at: Path, team_file: str, places: Places) -> dict[str, Value] | None:
        span = places.value_span(at)
        for directory in persona_directories(team_file):
            file = f"{directory}/{name}.md"
            data = self._files.find(file, span=span)
            if data is not None:
                path: Path = ("personas", name)
                persona = self._with_file({"file": file}, file, data, path, places)
                for holder, key, where in _file_names_of(persona, path):
                    holder[key] = self._settled(str(holder[key]), where, places)
                return persona
        return None

    def nameable(self, team_file: str) -> dict[str, str]:
        """The file of each persona that an agent may name without a declaration."""
        found: dict[str, str] = {}
        for directory in persona_directories(team_file):
            for file in self._files.names(directory):
                name = file.removesuffix(".md")
                if file.endswith(".md") and NAME.match(name):
                    found.setdefault(name, f"{directory}/{file}")
        return found


def persona_directories(team_file: str) -> tuple[str, ...]:
    """Where a persona that is only named is looked for, in this order."""
    beside = posixpath.join(posixpath.dirname(team_file), "personas")
    return (".claude/agents", beside, "~/.claude/agents")


def _named_personas(tree: dict[str, Value], declared: dict[str, Value]) -> Iterator[tuple[str, Path]]:
    """Names that stand for personas, with the place of one that names it."""
    agents = tree.get("agents")
    known: dict[str, Value] = agents if isinstance(agents, dict) else {}
    layers: list[tuple[Path, Value]] = [(("agents", name), agent) for name, agent in known.items()]
    layers += [(("personas", name), persona) for name, persona in declared.items()]
    layers.append((("defaults",), tree.get("defaults")))
    for path, layer in layers:
        if isinstance(layer, dict):
            named = [(name, (*path, "persona")) for name in _texts(layer.get("persona")) if path[0] != "personas"]
            helpers = [(name, (*path, "subagents")) for name in _texts(layer.get("subagents")) if name not in known]
            yield from ((name, at) for name, at in (*named, *helpers) if NAME.match(name))


def _texts(value: Value) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]


def _has_notes(keys: dict[str, Value]) -> bool:
    return any(value is None or key.startswith("x-") or isinstance(value, dict) for key, value in keys.items())


def _file_names(tree: dict[str, Value]) -> Iterator[tuple[dict[str, Value], str, Path]]:
    """Every place of an agent's keys that names a file, as (map, key, path)."""
    for section in ("agents", "personas"):
        entries = tree.get(section)
        if isinstance(entries, dict):
            for name, entry in entries.items():
                if isinstance(entry, dict):
                    yield from _file_names_of(entry, (section, name))
    defaults = tree.get("defaults")
    if isinstance(defaults, dict):
        yield from _file_names_of(defaults, ("defaults",))


def _file_names_of(agent: dict[str, Value], path: Path) -> Iterator[tuple[dict[str, Value], str, Path]]:
    prompt = agent.get("prompt")
    if isinstance(prompt, dict) and isinstance(prompt.get("file"), str) and prompt["file"]:
        copied = dict(prompt)  # an anchor may share it, and a name is settled once
        agent["prompt"] = copied
        yield copied, "file", (*path, "prompt", "file")
    if isinstance(agent.get("script"), str) and agent["script"]:
        yield agent, "script", (*path, "script")


class Placed:
    """Adds complaints about paths to `found`, with their places. A `structure.Complain`."""

    def __init__(self, found: Diagnostics, places: Places) -> None:
        self._found = found
        self._places = places
        spans = [item.span for item in found if item.span is not None and item.code.startswith("yaml-")]
        self._unread = {(span.file, span.line, span.column) for span in spans}

    def __call__(self, code: str, message: str, path: Path, *, hint: str | None = None, key: bool = False) -> None:
        span = self._places.key_span(path) if key else self._places.value_span(path)
        if (span.file, span.line, span.column) not in self._unread:  # what is not YAML has no type to complain about
            self._found.error(code, message, span, hint=hint)
