"""Declared outputs as the one strict JSON Schema that Codex has its model answer with, where they can be such.

Strict means: objects name all their keys, need each of them and take no other. A schema that means something else is
not bent, for what the model made of it would fail the runner's check: then there is none, and the prompt asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from teamflow.core.plan import Json

_PLAIN: Final = frozenset(
    ("type", "title", "description", "enum", "const", "pattern", "minimum", "maximum", "exclusiveMinimum",
     "exclusiveMaximum", "multipleOf", "minItems", "maxItems")
)  # fmt: skip
"""Keywords that a strict schema may have, and that hold no schema."""
_TYPES: Final = frozenset(("string", "number", "integer", "boolean", "null"))
_DEEPEST: Final = 5
_MOST: Final = 100
"""Properties of all objects together, and levels: what the model's provider takes."""


def strict(schemas: Mapping[str, Json]) -> Mapping[str, Json] | None:
    """One schema for an object with these outputs; None: it cannot be strict."""
    count = [0]
    properties = {name: _strict(schema, depth=1, count=count) for name, schema in schemas.items()}
    if any(schema is None for schema in properties.values()) or count[0] + len(properties) > _MOST:
        return None
    return _object(properties)


def _object(properties: Mapping[str, Json]) -> Mapping[str, Json]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _strict(schema: Json, *, depth: int, count: list[int]) -> Mapping[str, Json] | None:
    if isinstance(schema, str):
        schema = {"type": schema}
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return None
    plain = {key: value for key, value in schema.items() if key in _PLAIN}
    rest = schema.keys() - _PLAIN
    match schema.get("type"):
        case "object" if rest <= {"properties", "required", "additionalProperties"}:
            return _strict_object(schema, plain, depth=depth, count=count)
        case "array" if rest == {"items"}:
            items = _strict(schema["items"], depth=depth + 1, count=count)
            return None if items is None else {**plain, "items": items}
        case str(kind) if kind in _TYPES and not rest:
            return plain
        case [*kinds] if kinds and not rest and all(isinstance(kind, str) and kind in _TYPES for kind in kinds):
            return plain
        case _:
            return None


def _strict_object(
    schema: Mapping[str, Json], plain: Mapping[str, Json], *, depth: int, count: list[int]
) -> Mapping[str, Json] | None:
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, Mapping) or not properties or not isinstance(required, Sequence):
        return None
    names = [name for name in required if isinstance(name, str)]
    if set(names) != set(properties) or schema.get("additionalProperties", False) is not False:
        return None
    count[0] += len(properties)
    made = {name: _strict(value, depth=depth + 1, count=count) for name, value in properties.items()}
    if any(value is None for value in made.values()):
        return None
    return {**plain, **_object(made)}
