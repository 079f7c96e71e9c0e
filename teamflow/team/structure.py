"""A tree of plain values to a `Team`: shapes, unknown keys and wrong types, each at its path.

Decides what pydantic's findings mean in words that a team file's author knows. Refuses to know places: it
reports paths, and `complain` turns them into spans.
"""

from __future__ import annotations

import itertools
from typing import Any, Protocol, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from teamflow.core.diagnostics import did_you_mean
from teamflow.team.habits import key_hint, value_hint
from teamflow.team.model import Team
from teamflow.team.source import Path, Value
from teamflow.team.template import kind_of

_NAMED = frozenset(("agents", "personas", "targets", "pr_policies", "engines", "secrets", "mcp_servers"))
_ENTRIES = frozenset(("inputs", "outputs", "matrix"))
_FREE = frozenset(("env", "headers"))
_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "string_too_short": "a text that is not empty",
    "too_short": "a list that is not empty",
    "greater_than_equal": "a number of at least {ge}",
    "greater_than": "a number above {gt}",
    "literal_error": "{expected}",
    "finite_number": "a finite number",
}


MOST = 1_000
"""Complaints about shapes after which the rest is only counted."""


_FAR_TOO_MANY = 10 * MOST
_CUT_DEPTH = 4


class Complain(Protocol):
    """Takes one complaint about the part of the team at `path`."""

    def __call__(self, code: str, message: str, path: Path, *, hint: str | None = None, key: bool = False) -> None: ...


def without_notes(tree: dict[str, Value], complain: Complain, path: Path = ()) -> dict[str, Value]:
    """The tree without `x-` keys, and complaints about keys with no value. Leaves free-form parts alone."""
    kept: dict[str, Value] = {}
    for key, value in tree.items():
        if key.startswith("x-"):
            continue
        at = (*path, key)
        if value is None:
            complain("no-value", f'the key "{key}" has no value', at, hint="Give it one, or leave it out.", key=True)
        elif not isinstance(value, dict) or key in _FREE:
            kept[key] = value
        elif key in _ENTRIES:
            kept[key] = {name: item for name, item in value.items() if not name.startswith("x-")}
        elif key in _NAMED:
            kept[key] = {
                name: without_notes(item, complain, (*at, name)) if isinstance(item, dict) else item
                for name, item in value.items()
                if not name.startswith("x-")
            }
        else:
            kept[key] = without_notes(value, complain, at)
    return kept


def read_team(tree: Value, complain: Complain) -> Team | None:
    """The team in `tree`, or None after at least one complaint."""
    if not isinstance(tree, dict):
        found = "is empty" if tree is None else f"holds {kind_of(tree)}"
        complain("wrong-type", f"a team file is a map with the key agents, this one {found}", ())
        return None
    try:
        return Team.model_validate(tree)
    except ValidationError as error:
        report(error, tree, complain)
        return None


def report(error: ValidationError, tree: dict[str, Value], complain: Complain) -> None:
    """Complains about everything in `error`, once per place."""
    if error.error_count() > _FAR_TOO_MANY:
        shorter = _cut(tree, 0)
        try:
            Team.model_validate(shorter)
        except ValidationError as first:
            total = error.error_count()
            error = first
            complain("too-many", f"there are {total} complaints in all", ())
    found: dict[Path, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False, include_context=True, include_input=False):
        found.setdefault(_real_path(detail, tree), []).append(detail)
    inner = {path[:length] for path in found for length in range(len(path))}
    for count, (path, details) in enumerate(found.items()):
        if count == MOST:
            complain("too-many", f"there are {len(found) - MOST} more complaints like these", path)
            return
        if path in inner and all(detail["type"] not in ("missing", "extra_forbidden") for detail in details):
            continue  # another form of the value got further, and its complaint is the one meant
        _say(path, details, tree, complain)


def _cut(tree: Value, depth: int) -> Value:
    """The beginning of every map and list near the top, for files with mistakes without number."""
    if isinstance(tree, dict) and depth < _CUT_DEPTH:
        return {key: _cut(tree[key], depth + 1) for key in itertools.islice(tree, MOST)}
    if isinstance(tree, list) and depth < _CUT_DEPTH:
        return [_cut(item, depth + 1) for item in tree[:MOST]]
    return tree


def _real_path(detail: ErrorDetails, tree: Value) -> Path:
    """The part of pydantic's location that is in the tree; the rest names branches of unions."""
    path: list[str | int] = []
    value = tree
    last = len(detail["loc"]) - 1
    for index, part in enumerate(detail["loc"]):
        if isinstance(value, dict) and part in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        elif index != last or detail["type"] != "missing":
            continue
        path.append(part)
    return tuple(path)


def _value_at(tree: Value, path: Path) -> Value:
    for part in path:
        if isinstance(tree, dict):
            tree = tree.get(str(part))
        elif isinstance(tree, list) and isinstance(part, int):
            tree = tree[part]
    return tree


def _say(path: Path, details: list[ErrorDetails], tree: dict[str, Value], complain: Complain) -> None:
    first = details[0]
    match first["type"]:
        case "extra_forbidden":
            known = _keys_at(path[:-1])
            complain(
                "unknown-key", f'there is no key "{path[-1]}" here', path, hint=key_hint(str(path[-1]), known), key=True
            )
        case "missing":
            where = f'"{path[-2]}"' if len(path) > 1 else "a team"
            complain("missing-key", f'{where} needs the key "{path[-1]}"', path[:-1], key=True)
        case code if "-" in code:
            complain(code, _own_words(first), path)
        case _:
            _say_type(path, details, _value_at(tree, path), complain)


def _own_words(detail: ErrorDetails) -> str:
    return detail["msg"]


def _say_type(path: Path, details: list[ErrorDetails], value: Value, complain: Complain) -> None:
    expected: dict[str, None] = {}
    for detail in details:
        words = _EXPECTED.get(detail["type"])
        expected[words.format(**detail.get("ctx", {})).replace("'", '"') if words else detail["msg"]] = None
    wanted = " or ".join(expected)
    literals = [word for detail in details for word in _literals(detail)]
    hint = None
    if literals and (isinstance(value, str) or all(detail["type"] == "literal_error" for detail in details)):
        hint = value_hint(path, value, []) or did_you_mean(str(value), literals)
        complain("wrong-value", f"expected {wanted}, found {_found(value)}", path, hint=hint)
        return
    if "a text" in expected and "a list" not in expected and isinstance(value, (bool, int, float)):
        hint = f'Quote it: "{str(value).lower() if isinstance(value, bool) else value}"'
    hint = value_hint(path, value, list(expected)) or hint
    complain("wrong-type", f"expected {wanted}, found {_found(value)}", path, hint=hint)


def _found(value: Value) -> str:
    if isinstance(value, (bool, int, float)):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{_short(value)}"' if value else "an empty text"
    if value is None:
        return "no value"
    return kind_of(value) if value else f"an empty {'map' if isinstance(value, dict) else 'list'}"


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _literals(detail: ErrorDetails) -> list[str]:
    if detail["type"] != "literal_error":
        return []
    return str(detail.get("ctx", {}).get("expected", "")).replace(" or ", ", ").replace("'", "").split(", ")


def _keys_at(path: Path) -> list[str]:
    """The keys that the model knows at `path`, for suggestions."""
    annotation: Any = Team
    for part in path:
        annotation = _step(annotation, part)
    models = _models(annotation)
    return [field.alias or name for model in models for name, field in model.model_fields.items()]


def _step(annotation: Any, part: str | int) -> Any:
    for model in _models(annotation):
        for name, field in model.model_fields.items():
            if (field.alias or name) == part:
                return field.annotation
    return _entries(annotation)


def _entries(annotation: Any) -> Any:
    """What lies behind the keys of a `dict[str, X]` somewhere in `annotation`."""
    arguments = get_args(annotation)
    if getattr(annotation, "__origin__", None) is dict:
        return arguments[1]
    for argument in arguments:
        inner = _entries(argument)
        if inner is not None:
            return inner
    return None


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models that may stand directly at `annotation`, unions looked through, maps and lists not."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if getattr(annotation, "__origin__", None) in (dict, list, tuple):
        return []
    return [model for argument in get_args(annotation) for model in _models(argument)]
