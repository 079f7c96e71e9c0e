"""The engines that there are, as `list engines` shows them: what is installed, and what each can do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from teamflow.core.capabilities import ABORT, FOLD, Capabilities
from teamflow.core.named import NamedTuple
from teamflow.core.plan import EngineDefinition, Json
from teamflow.core.versions import is_older
from teamflow.views.sanitize import cell
from teamflow.views.width import pad, width

_HEADS: Final = (
    "engine",
    "version",
    "resume",
    "steer",
    "schema",
    "cost",
    "permissions",
    "mcp",
    "isolate",
    "base_url",
    "login set",
)
_PERMISSIONS: Final = ("read", "edit", "globs", "run", "net")
_MCP: Final = ("stdio", "http", "sse")


class EngineLine(NamedTuple):
    """One engine. `origin`: built in, or the team file. `path`: of its program, None: not found. `login`: names of the
    variables with its login that are set. `trouble`: why the version is not known, or why it cannot be loaded."""

    name: str
    origin: str
    program: str
    path: str | None
    version: str
    trouble: str
    login: tuple[str, ...]
    capabilities: Capabilities
    variant: EngineDefinition | None = None
    """What the team file says of one that is a variant."""

    @property
    def state(self) -> str:
        """installed | missing | old | none (it needs no program) | broken (it cannot be loaded)"""
        if not self.program:
            return "broken" if self.trouble else "none"
        if self.path is None:
            return "missing"
        least = self.capabilities.least
        return "old" if least and is_older(self.version, least) else "installed"


def engines_text(lines: Sequence[EngineLine]) -> str:
    """A table, and below it what is to be known or done of single engines; ends with a newline."""
    rows = [_HEADS, *(_cells(line) for line in lines)]
    sizes = [max(width(row[index]) for row in rows) for index in range(len(_HEADS))]
    table = ["  ".join(pad(one, size) for one, size in zip(row, sizes, strict=True)).rstrip() for row in rows]
    notes = [cell(note) for line in lines for note in _notes(line)]
    if any(line.capabilities.steer == ABORT for line in lines):
        notes.insert(0, f"steer {ABORT}: a message would break off the turn that runs, so it is told when that is over")
    return "\n".join([*table, *([""] if notes else []), *notes]) + "\n"


def _cells(line: EngineLine) -> tuple[str, ...]:
    can = line.capabilities
    version = line.version or {"none": "-", "missing": "not installed", "broken": "cannot be loaded"}.get(
        line.state, "unknown"
    )
    steer = {FOLD: "yes", "none": "-"}.get(can.steer, can.steer)
    return tuple(
        map(
            cell,
            (
                line.name,
                version,
                _yes(can.resume),
                steer,
                _yes(can.schema),
                _yes(can.cost),
                _some(can.enforces, _PERMISSIONS),
                _some(can.mcp, _MCP),
                _yes(can.isolates),
                _yes(can.base_url),
                ", ".join(line.login) or "-",
            ),
        )
    )


def _notes(line: EngineLine) -> Iterator[str]:
    can, name = line.capabilities, line.name
    if line.variant is not None:
        # What there is to do about its program is said of the built-in one.
        yield f"{name}: {_variant_words(line.variant)}"
        return
    install = f": `{can.install}`" if can.install else ""
    if line.state == "missing":
        yield f"{name}: `{line.program}` is not installed{install}"
    elif line.state == "old":
        yield f"{name}: {line.version} is too old, {can.least} is needed{install}"
    elif line.trouble:
        yield f"{name}: {line.trouble}"
    elif line.version and can.tested and line.version != can.tested:
        age = "older" if is_older(line.version, can.tested) else "newer"
        yield f"{name}: {line.version} is {age} than {can.tested}, with which it was tested"


def _variant_words(variant: EngineDefinition) -> str:
    """`claude/qwen3 at http://127.0.0.1:11434`"""
    model = f"/{variant.asks_for}" if variant.asks_for else ""
    return f"{variant.engine}{model}{f' at {variant.base_url}' if variant.base_url else ''}"


def engines_object(lines: Sequence[EngineLine]) -> dict[str, Json]:
    """The object of `list engines --json`."""
    return {"schema_version": 1, "engines": [_object(line) for line in lines]}


def _object(line: EngineLine) -> dict[str, Json]:
    can, variant = line.capabilities, line.variant
    return {
        "name": line.name,
        "origin": line.origin,
        "variant_of": variant.engine if variant is not None else None,
        "base_url": variant.base_url or None if variant is not None else None,
        "state": line.state,
        "program": line.program or None,
        "path": line.path,
        "version": line.version or None,
        "trouble": line.trouble or None,
        "tested": can.tested or None,
        "least": can.least or None,
        "install": can.install or None,
        "login": list(line.login),
        "models": list(can.models),
        "capabilities": {
            "resume": can.resume,
            "steer": can.steer,
            "schema": can.schema,
            "cost": can.cost,
            "permissions": [word for word in _PERMISSIONS if word in can.enforces],
            "mcp": [word for word in _MCP if word in can.mcp],
            "isolate": can.isolates,
            "base_url": can.base_url,
        },
    }


def _yes(there: object) -> str:
    return "yes" if there else "-"


def _some(given: frozenset[str], order: Sequence[str]) -> str:
    return ", ".join(word for word in order if word in given) or "-"
