"""Kinds of arguments that actions of a script take: each checks a plain value and turns it into what is played.

Knows no action; `core/script.py` puts these together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, TypeAlias

from teamflow.core.diagnostics import did_you_mean
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json

Path: TypeAlias = "tuple[str | int, ...]"


class Complaint(NamedTuple):
    """Where in the script (keys and indexes from its root), what is wrong, and what to do about it."""

    path: Path
    message: str
    hint: str | None = None


class Kind(NamedTuple):
    """`check` complains about a value; `convert` may then rely on it. `shape` is for the reference page; `schema` is
    the JSON Schema of what `check` has no complaint about."""

    shape: str
    check: Callable[[Json, Path], Iterator[Complaint]]
    convert: Callable[[Json], Json] = lambda value: value
    schema: Mapping[str, Json] = {}


_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)(B|kB|KB|MB|GB|KiB|MiB|GiB)")
_BYTES: Final = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
}


def what(value: Json) -> str:
    """The value in a complaint: short, with its type in YAML's words."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value[:40]}{"…" if len(value) > 40 else ""}"'
        case int() | float():
            return f"the number {value}"
        case Mapping():
            return "a mapping"
        case _:
            return "a list"


def _simple(shape: str, fits: Callable[[Json], bool], hint: str | None = None, *, schema: Mapping[str, Json]) -> Kind:
    def check(value: Json, path: Path) -> Iterator[Complaint]:
        if not fits(value):
            yield Complaint(path, f"expected {shape}, found {what(value)}", hint)

    return Kind(shape, check, schema=schema)


def _is_text(value: Json) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_path(value: Json) -> bool:
    return _is_text(value) and str(value) != "" and not str(value).startswith("/") and ".." not in str(value).split("/")


def number(low: float, high: float, *, whole: bool) -> Kind:
    """A number from `low` to `high`, both allowed."""

    def fits(value: Json) -> bool:
        kinds: tuple[type, ...] = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            return False
        return isinstance(value, int | float) and low <= value <= high

    word = "a whole number" if whole else "a number"
    schema: dict[str, Json] = {"type": "integer" if whole else "number", "minimum": low, "maximum": high}
    return _simple(f"{word} from {low:g} to {high:g}", fits, schema=schema)


def choice(words: Collection[str]) -> Kind:
    """One of some words."""
    shape = "one of " + ", ".join(words)

    def check(value: Json, path: Path) -> Iterator[Complaint]:
        if not isinstance(value, str) or value not in words:
            hint = did_you_mean(value, words) if isinstance(value, str) else None
            yield Complaint(path, f"expected {shape}, found {what(value)}", hint)

    return Kind(shape, check, schema={"enum": list(words)})


def mapping(required: Mapping[str, Kind], optional: Mapping[str, Kind] | None = None, *, one_of: bool = False) -> Kind:
    """A mapping of known keys; `one_of`: exactly one optional key is there (at least one where none is required)."""
    optional = optional or {}
    known = {**required, **optional}
    shape = "{" + ", ".join([*required, *(f"{name}?" for name in optional)]) + "}"

    def check(value: Json, path: Path) -> Iterator[Complaint]:
        if not isinstance(value, Mapping):
            yield Complaint(path, f"expected {shape}, found {what(value)}")
            return
        for name in required:
            if name not in value:
                yield Complaint(path, f'"{name}" is missing')
        if one_of and not _enough(value, optional, exactly=bool(required)):
            yield Complaint(path, f"expected {'exactly' if required else 'at least'} one of {', '.join(optional)}")
        for name, item in value.items():
            if name in known:
                yield from known[name].check(item, (*path, name))
            else:
                yield Complaint((*path, name), f'unknown key "{name}"', did_you_mean(str(name), known))

    def convert(value: Json) -> Json:
        items = value.items() if isinstance(value, Mapping) else ()
        return {name: known[name].convert(item) for name, item in items}

    schema: dict[str, Json] = {
        "type": "object",
        "properties": {name: dict(kind.schema) for name, kind in known.items()},
        "required": list(required),
        "additionalProperties": False,
    }
    if one_of:
        schema["oneOf" if required else "anyOf"] = [{"required": [name]} for name in optional]
    return Kind(shape, check, convert, schema)


def _enough(value: Mapping[str, Json], names: Mapping[str, Kind], *, exactly: bool) -> bool:
    found = sum(name in value for name in names)
    return found == 1 if exactly else found > 0


def seconds(value: Json) -> float:
    """Of a checked duration: `500ms`, `1h30m`."""
    return sum(float(count) * _SECONDS[unit] for count, unit in _DURATION_PART.findall(str(value)))


def byte_count(value: Json) -> int:
    """Of a checked size: `64KiB`."""
    match = _SIZE.fullmatch(str(value))
    return round(float(match[1]) * _BYTES[match[2]]) if match else 0


def _is_command(value: Json) -> bool:
    if isinstance(value, str):
        return _is_text(value) and value.strip() != ""
    return isinstance(value, list) and bool(value) and all(map(_is_text, value)) and value[0] != ""


def _pattern(pattern: str) -> dict[str, Json]:
    return {"type": "string", "pattern": pattern}


_NO_NUL: Final = _pattern(r"^[^\u0000]*$")
TEXT: Final = _simple("a text", _is_text, "texts that look like numbers or booleans need quotes", schema=_NO_NUL)
PATH: Final = _simple(
    "a path below the step's directory",
    _is_path,
    schema=_pattern(r"^(?!/)(?!([^\u0000]*/)?\.\.(/|$))[^\u0000]+$"),
)
COMMAND: Final = _simple(
    "a command: a text for sh, or a list of texts",
    _is_command,
    schema={
        "anyOf": [
            _pattern(r"^[^\u0000]*[^\s\u0000][^\u0000]*$"),
            {"type": "array", "minItems": 1, "items": _NO_NUL, "prefixItems": [{"minLength": 1, **_NO_NUL}]},
        ]
    },
)
ANY_MAPPING: Final = _simple("a mapping", lambda value: isinstance(value, Mapping), schema={"type": "object"})
DURATION: Final = _simple(
    "a duration",
    lambda value: isinstance(value, str) and bool(_DURATION.fullmatch(value)),
    "like 500ms, 90s, 10m",
    schema=_pattern(f"^{_DURATION.pattern}$"),
)._replace(convert=seconds)
SIZE: Final = _simple(
    "a size",
    lambda value: isinstance(value, str) and bool(_SIZE.fullmatch(value)),
    "like 512B, 64KiB, 5MB",
    schema=_pattern(f"^{_SIZE.pattern}$"),
)._replace(convert=byte_count)
