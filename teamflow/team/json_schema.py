"""JSON Schema as declarations use it: whether one is valid, and whether a value fits.

Decides words for what jsonschema finds, and that nothing is ever fetched: a `$ref` stays inside its schema. The
library is imported only for declarations that a bare type does not settle.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from teamflow.core.plan import Json
from teamflow.team.declared import is_file_output, json_schema
from teamflow.team.scope import Scope
from teamflow.team.source import Path

_TRIVIAL = frozenset(("type", "description", "title", "default"))
_TYPES = frozenset(("string", "number", "integer", "boolean", "array", "object", "null"))


def check_declaration(scope: Scope, declared: str | Mapping[str, Json], path: Path, *, default: bool) -> None:
    """Complains when a declaration is no JSON Schema, or its default does not fit it."""
    if isinstance(declared, str) or (not default and is_file_output(declared)):
        return
    if _is_bare(declared) and (not default or "default" not in declared or _is_of_type(declared, declared["default"])):
        return
    problem = schema_problem(declared)
    if problem is not None:
        where, message = problem
        scope.error("bad-schema", message, (*path, *where), hint="Declarations are JSON Schema, or a bare type.")
    elif default and "default" in declared:
        faults = misfits(declared["default"], declared)
        if faults:
            scope.error("bad-default", f"the default does not fit: {faults[0]}", (*path, "default"))


def _is_bare(declared: Mapping[str, Json]) -> bool:
    """Whether it says no more than a type: then it is a JSON Schema, and the library need not be asked."""
    word = declared.get("type", "string")
    return set(declared) <= _TRIVIAL and isinstance(word, str) and word in _TYPES


def _is_of_type(declared: Mapping[str, Json], value: Json) -> bool:
    """Whether a value is of the bare type, or of any where none is named. False may also mean "not certain"."""
    match declared.get("type"):
        case None:
            return True
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case _:
            return False


def schema_problem(schema: Mapping[str, Json]) -> tuple[Path, str] | None:
    """Where in `schema` and why it is no JSON Schema; None when it is one."""
    for path, reference in _references(schema):
        if not reference.startswith("#"):
            return path, "a $ref must stay inside its schema: nothing is fetched"
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        path = tuple(error.absolute_path)
        if path and path[-1] == "type":
            return path, f"there is no type {json.dumps(error.instance)[:60]}; types are {', '.join(sorted(_TYPES))}"
        return path, f"this is no JSON Schema: {_short(error.message)}"
    return None


def misfits(value: Json, declared: str | Mapping[str, Json]) -> list[str]:
    """What is wrong with `value` under a declaration, at most five things, in the order of the value."""
    schema = json_schema(declared)
    if _is_bare(schema) and _is_of_type(schema, value):
        return []
    from jsonschema import Draft202012Validator
    from referencing.exceptions import Unresolvable

    validator = Draft202012Validator(schema)
    found: list[str] = []
    try:
        for error in validator.iter_errors(value):
            where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
            found.append(f"{where.removeprefix('.')}: {_short(error.message)}" if where else _short(error.message))
            if len(found) == 5:
                break
    except (Unresolvable, RecursionError):
        found.append("its schema refers to itself or to something that is not there")
    return found


def _references(schema: Json, path: Path = ()) -> Iterator[tuple[Path, str]]:
    pending: list[tuple[Json, Path]] = [(schema, path)]
    while pending:
        part, at = pending.pop()
        if isinstance(part, Mapping):
            for key, value in part.items():
                if key in ("$ref", "$dynamicRef") and isinstance(value, str):
                    yield (*at, key), value
                pending.append((value, (*at, key)))
        elif isinstance(part, list):
            pending.extend((value, (*at, index)) for index, value in enumerate(part))


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:199] + "…"
