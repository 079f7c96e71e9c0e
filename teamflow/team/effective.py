"""A team file as it takes effect: includes, personas, `defaults` and built-in values settled into one, each value with
its origin.

Decides what the result holds: every agent complete, so that no `include`, no `defaults` and no persona is needed any
more, but those that are started as sub-agents. Values are spelled as in their files. The order of precedence is that of
`team/resolve.py`, and a test holds the two against each other. Refuses to know how it is shown.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json
from teamflow.team.check_kind import MEANINGLESS
from teamflow.team.declared import KINDS
from teamflow.team.files import is_outside
from teamflow.team.loaded import LoadedTeam
from teamflow.team.model import Agent, Team
from teamflow.team.resolve import BUILT_IN
from teamflow.team.resolved import ResolvedAgent
from teamflow.team.schema import DEFAULTS
from teamflow.team.source import Path, Value

FILE: Final = "file"
PERSONA: Final = "persona"
DEFAULT: Final = "defaults"
BUILT: Final = "built in"


class Origin(NamedTuple):
    """`kind`: file | persona | defaults | built in. `line` None: not a single line of the file, but what it means."""

    kind: str
    file: str | None = None
    line: int | None = None
    persona: str | None = None


class Setting(NamedTuple):
    """One value of the file, whatever its shape."""

    value: Json
    origin: Origin


Node: TypeAlias = "Setting | dict[str, Node]"
"""Maps whose entries are settled one by one, down to the settings."""

MERGED: Final = frozenset(
    ("env", "outputs", "mcp_servers", "retry", "workspace", "diff", "budget", "guards", "permissions", "pr")
)
"""Maps of an agent that are merged one level over its layers."""

_DEEP: Final = frozenset(("secrets", "limits", "targets", "pr_policies", "engines"))
"""Sections with maps in maps."""


class _Layer(NamedTuple):
    """Some keys of an agent: its own, its persona's, those of `defaults`."""

    path: Path
    values: Mapping[str, Value]
    kind: str
    persona: str | None = None


def effective(
    loaded: LoadedTeam,
    *,
    named: Callable[[str], str] = lambda file: file,
    hide: Callable[[Json], Json] = lambda value: value,
) -> dict[str, Node]:
    """The settings of a team without errors, in the order of the format.

    Names of files in them are relative to the team file's directory, so that the result can stand in its place.
    `named`: how the files of origins are called; `hide`: takes secrets out of a value.
    """
    return _Writer(loaded, named, hide).team()


class _Writer:
    def __init__(self, loaded: LoadedTeam, named: Callable[[str], str], hide: Callable[[Json], Json]) -> None:
        self._loaded = loaded
        self._tree = loaded.tree
        self._named = named
        self._hide = hide

    def team(self) -> dict[str, Node]:
        agents: dict[str, Node] = {name: self._agent(name) for name in self._section("agents")}
        made: dict[str, Node] = {
            "version": Setting(1, Origin(BUILT)),
            "name": Setting(self._hide(self._loaded.name), Origin(BUILT)),
            "limits": {},
            "agents": agents,
            "personas": self._helpers(agents),
        }
        for key in _keys(Team):
            if key in self._tree and key not in ("include", "defaults", "personas", "agents"):
                made[key] = self._node((key,), self._tree[key], depth=2 if key in _DEEP else 1)
        if "env_file" in made:
            made["env_file"] = self._files(("env_file",))
        given = made["limits"]
        limits = made["limits"] = given if isinstance(given, dict) else {}
        for key in ("orphan_after", "log_size", "on_overlap"):
            limits.setdefault(key, Setting(DEFAULTS[f"limits.{key}"], Origin(BUILT)))
        self._complete_engines(made.get("engines"))
        return {key: made[key] for key in _keys(Team) if made.get(key, {}) != {}}

    def _complete_engines(self, engines: Node | None) -> None:
        for engine in engines.values() if isinstance(engines, dict) else ():
            for key in ("prompt", "output"):
                if isinstance(engine, dict) and "engine" not in engine:  # of a program, that is
                    engine.setdefault(key, Setting(DEFAULTS[f"engines.*.{key}"], Origin(BUILT)))

    # -- agents --------------------------------------------------------------------------------------------------

    def _agent(self, name: str) -> dict[str, Node]:
        own = self._section("agents")[name]
        defaults = self._section("defaults")
        persona = own.get("persona", defaults.get("persona"))
        layers = [_Layer(("agents", name), own, FILE), *self._persona_layers(persona, defaults)]
        found = self._settled(layers, kind=_kind(layers))
        _drop_unmade(found, self._loaded.resolved[name])
        return found

    def _helpers(self, agents: Mapping[str, Node]) -> dict[str, Node]:
        """The personas that some agent, or some persona that is one of these, may start as sub-agents."""
        personas = self._section("personas")
        found: dict[str, Node] = {}
        todo = [name for agent in agents.values() for name in _subagents(agent)]
        while todo:
            name = todo.pop(0)
            if name in personas and name not in found:
                layers = self._persona_layers(name, self._section("defaults"))
                found[name] = self._settled(layers, kind=None)
                todo += _subagents(found[name])
        return found

    def _persona_layers(self, persona: object, defaults: Mapping[str, Value]) -> list[_Layer]:
        layers = []
        if isinstance(persona, str):
            values = self._section("personas")[persona]
            layers.append(_Layer(("personas", persona), values, PERSONA, persona))
        return [*layers, _Layer(("defaults",), defaults, DEFAULT)]

    def _settled(self, layers: Sequence[_Layer], *, kind: str | None) -> dict[str, Node]:
        """The keys of all layers, the strongest first. `kind` None: of a persona, which gets nothing built in."""
        found: dict[str, Node] = {}
        working = next((layer for layer in layers if any(word in layer.values for word in KINDS)), None)
        for key in _keys(Agent):
            if key == "persona" or (kind is not None and key in MEANINGLESS[kind]):
                continue
            having = [layer for layer in layers if key in layer.values]
            if key in KINDS:
                having = [layer for layer in having if layer is working]
            elif key == "model":
                having = _of_engine(having, layers)
            if having:
                found[key] = self._merged(key, having)
            if kind is not None:
                _fill(found, key, kind)
        if kind is not None:
            _drop_idle(found)
        return found

    def _merged(self, key: str, having: Sequence[_Layer]) -> Node:
        """A key's value over the layers that have it."""
        first = having[0]
        value = first.values[key]
        if key == "script":
            return self._setting((*first.path, key), self._relative(str(value)), first)
        if key == "prompt" and isinstance(value, dict):
            path = (*first.path, key, "file")
            return {"file": self._setting(path, self._relative(str(value["file"])), first)}
        if key not in MERGED or not isinstance(value, dict):
            return self._node((*first.path, key), value, depth=1, layer=first)
        merged: dict[str, Node] = {}
        for layer in having:
            part = layer.values[key]
            for name, item in part.items() if isinstance(part, dict) else ():
                if name not in merged:
                    merged[name] = self._setting((*layer.path, key, name), item, layer)
        return merged or self._setting((*first.path, key), {}, first)

    # -- values --------------------------------------------------------------------------------------------------

    def _node(self, path: Path, value: Value, *, depth: int, layer: _Layer | None = None) -> Node:
        if depth and isinstance(value, dict) and value:
            return {key: self._node((*path, key), item, depth=depth - 1, layer=layer) for key, item in value.items()}
        return self._setting(path, value, layer)

    def _setting(self, path: Path, value: Value, layer: _Layer | None = None) -> Setting:
        places = self._loaded.places
        span = places.value_span(path)
        line = span.line if places.has(path) else None
        origin = Origin(FILE, self._named(span.file), line)
        if layer is not None:
            origin = origin._replace(kind=layer.kind, persona=layer.persona)
        return Setting(self._hide(value), origin)

    def _files(self, path: Path) -> Setting:
        setting = self._setting(path, None)
        return setting._replace(value=[self._relative(name) for name in self._loaded.team.env_file or ()])

    def _relative(self, file: str) -> str:
        """A path in the project as the team file would write it."""
        if is_outside(file):
            return file
        return posixpath.relpath(f"/{file}", posixpath.dirname(f"/{self._loaded.file}"))

    def _section(self, key: str) -> dict[str, dict[str, Value]]:
        section = self._tree.get(key)
        return section if isinstance(section, dict) else {}  # type: ignore[return-value]


def _keys(model: type[Agent] | type[Team]) -> Iterator[str]:
    """The keys that a model has in a file, in its order."""
    return (field.alias or name for name, field in model.model_fields.items())


def _kind(layers: Iterable[_Layer]) -> str:
    """prompt | command | ask: as the strongest layer that says one has it."""
    return next(word for layer in layers for word in KINDS if word in layer.values)


def _of_engine(having: Sequence[_Layer], layers: Sequence[_Layer]) -> list[_Layer]:
    """The layers whose `model` counts: none that is weaker than the one that chooses the engine."""
    chooser = next((index for index, layer in enumerate(layers) if "engine" in layer.values), len(layers))
    return [layer for layer in having if layers.index(layer) <= chooser]


def _subagents(agent: Node) -> list[str]:
    named = agent.get("subagents") if isinstance(agent, dict) else None
    return [str(name) for name in named.value] if isinstance(named, Setting) and isinstance(named.value, list) else []


_TO_FILL: Final = (
    "engine",
    "permissions",
    "cache",
    "grace",
    "skip_if_verified",
    "on_failure",
    "continue_on_error",
    "target",
)


def _fill(found: dict[str, Node], key: str, kind: str) -> None:
    """What is built in for a key that means something with the kind, where no layer has it."""
    if key in _TO_FILL:
        text = DEFAULTS[f"agent.{key}"]
        found.setdefault(key, Setting({"false": False}.get(text, text), Origin(BUILT)))
    elif key == "retry":
        given = found.get("retry")
        retry = found["retry"] = given if isinstance(given, dict) else {}
        attempts = BUILT_IN.attempts_of_prompt if kind == "prompt" else BUILT_IN.attempts_of_others
        retry.setdefault("attempts", Setting(attempts, Origin(BUILT)))
        for part in ("backoff", "delay", "max_delay"):
            retry.setdefault(part, Setting(DEFAULTS[f"agent.retry.{part}"], Origin(BUILT)))


def _drop_unmade(found: dict[str, Node], agent: ResolvedAgent) -> None:
    """What weaker layers ask of a workspace of its own, where the agent gets none."""
    if agent.diff is None:
        found.pop("diff", None)
    workspace = found.get("workspace")
    if not isinstance(workspace, dict):
        return
    if not agent.workspace.copy:
        workspace.pop("copy", None)
    sparse = workspace.get("sparse")
    if isinstance(sparse, Setting) and sparse.value and not agent.workspace.sparse:
        del workspace["sparse"]
    if not workspace:
        del found["workspace"]


def _drop_idle(found: dict[str, Node]) -> None:
    """Keys of weaker layers that mean nothing beside the agent's others: in the agent itself they would be errors."""
    engine = found.get("engine")
    if isinstance(engine, Setting):
        chain = [engine.value] if isinstance(engine.value, str) else engine.value
        first = chain[0] if isinstance(chain, list) and chain else ""
        if str(first).partition("/")[0] != "scripted":
            found.pop("script", None)
    if "matrix" not in found:
        found.pop("max_failures", None)
    if "start" in found:
        found.pop("on_conflict", None)
    verify = found.get("verify")
    if not isinstance(verify, Setting) or not verify.value:
        found.pop("skip_if_verified", None)
    options, default = found.get("options"), found.get("default")
    if isinstance(default, Setting):
        known = options.value if isinstance(options, Setting) else None
        if not isinstance(known, list) or default.value not in known:
            del found["default"]
