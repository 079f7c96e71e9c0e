"""Declared outputs out of a step's text: finds the JSON in it and holds it against the schemas.

Looks at the whole text, then its fenced blocks from the last one, then the objects that stand in it, from the last one;
the first that fits is taken. Refuses to repair anything: what does not fit goes back to the agent, with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.plan import Json
from teamflow.core.shell import excerpt
from teamflow.engines.lines import parse_json, raw_json

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

DEEPEST: Final = 64
_LONGEST: Final = 1 << 20
_LONGEST_SEARCHED: Final = 128 << 10
_MOST_WORK: Final = 16 << 20
"""Characters that are read in looking for objects: hostile text could make every bracket cost the whole rest."""
_UNKNOWN_WORK: Final = 10_000
_MOST_FAULTS: Final = 10

_FENCE: Final = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*(\w*)")
_BEGIN: Final = re.compile(r"""\{(?=\s*["}])|\[(?=\s*[\]\[{"0-9tfn-])""")


class Fault(NamedTuple):
    """What does not fit, and where: `tasks[2].dir`."""

    path: str
    message: str


def outputs(text: str, schemas: Mapping[str, Json]) -> Mapping[str, Json] | Failed:
    """The value of every declared output, or why there is none. `schemas`: a JSON Schema by output; not empty."""
    validators = {name: _validator(schema) for name, schema in schemas.items()}
    nearest: list[Fault] | None = None
    for value in _candidates(text, schemas):
        faults = _faults(value, validators)
        if not faults:
            return value
        if nearest is None or len(faults) < len(nearest):
            nearest = faults
    if nearest is None:
        return _failed([Fault("", _absent(text, schemas))], schemas)
    return _failed(nearest, schemas)


def request(schemas: Mapping[str, Json]) -> str:
    """What to tell an agent that has to return these outputs."""
    properties: dict[str, Json] = {name: _as_schema(schema) for name, schema in schemas.items()}
    schema = {"type": "object", "required": list(schemas), "properties": properties}
    shape = json.dumps(schema, ensure_ascii=False, indent=2)
    return f"End with one JSON object, in a fenced block, that is valid by this JSON Schema:\n\n```json\n{shape}\n```"


def _candidates(text: str, schemas: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """Objects with at least one of the keys, best first; for a single output also bare values under its name."""
    single = next(iter(schemas)) if len(schemas) == 1 else None
    for value in _values(text, arrays=single is not None):
        keyed = isinstance(value, Mapping) and any(name in value for name in schemas)
        if keyed and isinstance(value, Mapping):
            yield {name: value[name] for name in schemas if name in value}
        elif single is not None:
            yield {single: value}
    if single is not None and text.strip() and _takes_text(schemas[single]):
        yield {single: text.strip()}


def _values(text: str, *, arrays: bool) -> Iterator[Json]:
    text = text[-_LONGEST:].strip()
    for part in (text, *reversed(list(_blocks(text)))):
        try:
            value = parse_json(part)
        except ValueError:
            continue
        if _depth_fits(value):
            yield value
    yield from reversed(list(_embedded(text, arrays=arrays)))


def _blocks(text: str) -> Iterator[str]:
    """Contents of fenced blocks of JSON or of no language."""
    fence, language, lines = "", "", list[str]()
    for line in text.splitlines(keepends=True):
        match = _FENCE.match(line)
        if not fence and match:
            fence, language, lines = match[1], match[2].lower(), []
        elif fence and match and match[1].startswith(fence) and line.strip() == match[1]:
            if language in ("", "json", "jsonc"):
                yield "".join(lines)
            fence = ""
        else:
            lines.append(line)


def _embedded(text: str, *, arrays: bool) -> Iterator[Json]:
    """Outermost objects (and arrays) that stand anywhere in the text, in order."""
    text = text[-_LONGEST_SEARCHED:]
    work = at = 0
    while work < _MOST_WORK:
        begin = _BEGIN.search(text, at)
        if begin is None:
            return
        at = begin.start()
        try:
            value, end = raw_json(text, at)
        except json.JSONDecodeError as error:
            # The error counts the lines before its place, at many characters a step.
            work += error.pos - at + (error.pos >> 6) + 1
            at += 1
            continue
        except ValueError:
            work += _UNKNOWN_WORK
            at += 1
            continue
        if (arrays or isinstance(value, Mapping)) and _depth_fits(value):
            yield value
        at = end


def _depth_fits(value: Json) -> bool:
    level: list[Json] = [value]
    for _ in range(DEEPEST):
        below: list[Json] = []
        for item in level:
            if isinstance(item, Mapping):
                below += item.values()
            elif isinstance(item, list):
                below += item
        if not below:
            return True
        level = below
    return False


def _takes_text(schema: Json) -> bool:
    """Whether a text as it stands could be a value of this schema."""
    kinds = _as_schema(schema).get("type", "string")
    return kinds == "string" or (isinstance(kinds, list) and "string" in kinds)


def _as_schema(schema: Json) -> Mapping[str, Json]:
    """A bare type is short for a schema."""
    if isinstance(schema, Mapping):
        return schema
    return {"type": schema}


def _validator(schema: Json) -> Validator:
    # Imported here: only steps that declare schema outputs pay for it.
    from jsonschema import Draft202012Validator
    from referencing import Registry

    # An empty registry: a `$ref` to somewhere else is a fault, never a download.
    return Draft202012Validator(dict(_as_schema(schema)), registry=Registry())


def _faults(value: Mapping[str, Json], validators: Mapping[str, Validator]) -> list[Fault]:
    faults: list[Fault] = []
    for name, validator in validators.items():
        if name not in value:
            faults.append(Fault(name, "is missing"))
        else:
            faults += _value_faults(name, value[name], validator)
    return faults


def _value_faults(name: str, value: Json, validator: Validator) -> Iterator[Fault]:
    from jsonschema.exceptions import SchemaError, UnknownType
    from referencing.exceptions import Unresolvable

    try:
        for number, error in enumerate(validator.iter_errors(value)):
            if number == _MOST_FAULTS:
                return
            yield Fault(_place(name, list(error.absolute_path)), excerpt(error.message, width=200))
    except (SchemaError, UnknownType, Unresolvable, re.error) as error:
        yield Fault(name, f"cannot be checked, its schema has a fault: {excerpt(str(error), width=200)}")


def _place(name: str, path: Sequence[str | int]) -> str:
    return name + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def _absent(text: str, schemas: Mapping[str, Json]) -> str:
    names = ", ".join(schemas)
    if not text.strip():
        return f"there is no text that could hold {names}"
    return f"no JSON object with {names} in what it returned"


def _failed(faults: Sequence[Fault], schemas: Mapping[str, Json]) -> Failed:
    lines = [f"{fault.path}: {fault.message}" if fault.path else fault.message for fault in faults[:_MOST_FAULTS]]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    detail = "\n".join(f"- {line}" for line in lines) + "\n\n" + request(schemas)
    return Failed(FailureClass.OUTPUT, f"outputs: {lines[0]}{more}", detail=detail)
