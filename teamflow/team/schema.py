"""The team file's JSON Schema (draft 2020-12), made from the model, and the table of keys made from that.

Decides how the model reads to an editor: no nulls, `x-` keys allowed where they are notes. Writes nothing: the file
`schemas/team.schema.json` and the table in `docs/team-file.md` are compared with these in the tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from teamflow.core.named import NamedTuple
from teamflow.team import areas
from teamflow.team.model import Team
from teamflow.team.resolve import BUILT_IN
from teamflow.team.scalars import show_duration

_NOTES: Final = {"^x-": True}
_MAPS: Final = frozenset(
    ("agents", "personas", "targets", "pr_policies", "engines", "secrets", "mcp_servers", "inputs", "outputs")
    + ("matrix", "depends_on")
)
"""Keys whose value maps names of the author's own; notes may stand among them."""

DEFAULTS: Final[Mapping[str, str]] = {
    "version": "1",
    "name": "the file's name",
    "limits.max_parallel": "number of cores",
    "limits.orphan_after": show_duration(BUILT_IN.orphan_after),
    "limits.log_size": "2GiB",
    "limits.on_overlap": BUILT_IN.on_overlap,
    "engines.*.prompt": "stdin",
    "engines.*.output": "text",
    "agent.engine": BUILT_IN.engine,
    "agent.permissions": "edit",
    "agent.retry.attempts": f"{BUILT_IN.attempts_of_prompt} for prompt, else {BUILT_IN.attempts_of_others}",
    "agent.retry.backoff": "exponential",
    "agent.retry.delay": show_duration(BUILT_IN.retry_delay),
    "agent.retry.max_delay": show_duration(BUILT_IN.retry_max_delay),
    "agent.grace": show_duration(BUILT_IN.grace),
    "agent.cache": "false",
    "agent.continue_on_error": "false",
    "agent.skip_if_verified": "false",
    "agent.on_failure": "stop",
    "agent.target": "local",
    "agent.workspace.keep": "on_failure",
    "agent.workspace.sparse": "false",
}
"""Built-in values for the table of keys; a test compares them with what resolution gives."""


def team_schema() -> dict[str, Any]:
    """The JSON Schema of a team file, as plain data."""
    schema = Team.model_json_schema(by_alias=True)
    definitions = schema.pop("$defs", {})
    cleaned = _clean(schema)
    cleaned["$defs"] = {name: _clean(definition) for name, definition in sorted(definitions.items())}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "teamflow team file",
        **{key: value for key, value in cleaned.items() if key != "title"},
    }


def schema_text() -> str:
    """`team_schema` as it stands in `schemas/team.schema.json`."""
    return json.dumps(team_schema(), indent=2, ensure_ascii=False) + "\n"


def _clean(schema: dict[str, Any], *, named: bool = False) -> dict[str, Any]:
    """Without titles, defaults of null and branches for null; with notes where they may stand."""
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "title" or (key == "default" and value is None):
            continue
        if key == "properties":
            out[key] = {name: _clean(part, named=name in _MAPS) for name, part in value.items()}
        elif key == "anyOf":
            branches = [_clean(part, named=named) for part in value if part != {"type": "null"}]
            out.update(branches[0] if len(branches) == 1 else {key: branches})
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            out[key] = _clean(value)
        else:
            out[key] = value
    if "properties" in out or (named and out.get("type") == "object"):
        out["patternProperties"] = _NOTES
    return out


class Key(NamedTuple):
    """One row of the table of keys. `path` is as in `team/areas.py`, `agent.` in front for keys of agents."""

    path: str
    type: str
    default: str
    meaning: str
    area: str


def keys() -> Iterator[Key]:
    """Every key of the schema, the team's first, then those of agents."""
    schema = team_schema()
    yield from _rows(schema, schema, "", agent=False)
    yield from _rows(schema["$defs"]["Persona"], schema, "", agent=True)


def _rows(part: Mapping[str, Any], schema: Mapping[str, Any], prefix: str, *, agent: bool) -> Iterator[Key]:
    for name, value in part.get("properties", {}).items():
        path = f"{prefix}{name}"
        shown = f"agent.{path}" if agent else path
        meaning = value.get("description", "")
        yield Key(shown, _type(value, schema), DEFAULTS.get(shown, ""), meaning, areas.area_of(path, agent=agent))
        if not agent and path in ("agents", "personas", "defaults"):
            continue
        for inner, step in _objects(value, schema):
            yield from _rows(inner, schema, f"{path}{step}.", agent=agent)


def _objects(value: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The objects with keys of their own under `value`, each with `.*` when a name comes in between."""
    for branch in [value, *value.get("anyOf", ())]:
        resolved = _resolve(branch, schema)
        if "properties" in resolved:
            yield resolved, ""
        between = resolved.get("additionalProperties")
        if isinstance(between, dict):
            inner = _resolve(between, schema)
            if "properties" in inner:
                yield inner, ".*"


def _resolve(part: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = part.get("$ref")
    found: Mapping[str, Any] = schema["$defs"][reference.rsplit("/", 1)[-1]] if reference else part
    return found


def _type(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(_type(branch, schema) for branch in value["anyOf"]))
    if "enum" in value or "const" in value:
        return " or ".join(f"`{word}`" for word in value.get("enum", [value.get("const")]))
    value = _resolve(value, schema)
    pattern = value.get("pattern", "")
    if "ms|s" in pattern:
        return "duration"
    if "KiB" in pattern:
        return "size"
    if "k|M" in pattern:
        return "count"
    if value.get("type") == "array":
        inner = _type(value.get("items", {}), schema)
        return f"list of {inner}s" if inner != "any" else "list"
    words = {"string": "text", "integer": "whole number", "object": "map", "boolean": "true or false"}
    kind = str(value.get("type", "any"))
    return words.get(kind, kind)


def key_table() -> str:
    """The table of `docs/team-file.md`, in Markdown."""
    lines: list[str] = []
    for title, agent in (("Keys of the team", False), ("Keys of an agent, a persona or `defaults`", True)):
        lines += [f"### {title}", "", "| key | type | default | meaning | state |", "|---|---|---|---|---|"]
        for key in keys():
            if key.path.startswith("agent.") == agent:
                state = key.area if key.area == areas.WORKS else f"waits for {key.area}"
                name = key.path.removeprefix("agent.")
                cells = (f"`{name}`", key.type, key.default, key.meaning, state)
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)
