"""Inputs of a run: `-i name=value` texts against what the team declares.

Decides how a text becomes a value (JSON, but texts as they are; `@file` is a file's content, `@@` a plain `@`), which
value counts (given, else an earlier run's, else the default) and whether it fits. Files are read by an argument.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn

from teamflow.core.diagnostics import Diagnostics, did_you_mean
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json
from teamflow.team.declared import json_schema
from teamflow.team.json_schema import misfits
from teamflow.team.loaded import LoadedTeam

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


class Inputs(NamedTuple):
    """Values by input name, in the order of the file; not to be used when there are errors."""

    values: dict[str, Json]
    diagnostics: Diagnostics


def bind_inputs(
    loaded: LoadedTeam,
    given: Iterable[str],
    *,
    read_file: Callable[[str], bytes],
    previous: Mapping[str, Json] | None = None,
) -> Inputs:
    """The inputs of a run from `name=value` texts; `previous` are those of the run that would go on.

    `read_file` gets the path behind `@` as written and raises OSError.
    """
    found = Diagnostics()
    declared = loaded.team.inputs or {}
    texts = _split(given, declared, found)
    values: dict[str, Json] = {}
    for name, declaration in declared.items():
        schema = json_schema(declaration)
        if name in texts:
            value = _value(name, texts[name], schema, read_file, found)
            if value is not _BAD:
                values[name] = value  # type: ignore[assignment]
        elif previous is not None and name in previous:
            values[name] = previous[name]
        elif "default" in schema:
            values[name] = schema["default"]
        else:
            _missing(loaded, name, schema, found)
    for name in values:
        _check(loaded, name, values[name], declared[name], found)
    return Inputs(values, found)


class _Bad:
    """No value: a complaint has been made."""


_BAD = _Bad()


def _split(given: Iterable[str], declared: Mapping[str, object], found: Diagnostics) -> dict[str, str]:
    texts: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            found.error("bad-input", f'-i takes name=value, not "{text}"', hint=f"Write -i {name}=VALUE.")
        elif name not in declared:
            known = f"Inputs: {', '.join(declared)}." if declared else "This team declares no inputs."
            found.error("unknown-input", f'there is no input "{name}"', hint=did_you_mean(name, declared) or known)
        else:
            texts[name] = value
    return texts


def _missing(loaded: LoadedTeam, name: str, schema: Mapping[str, Json], found: Diagnostics) -> None:
    about = f" ({schema['description']})" if isinstance(schema.get("description"), str) else ""
    found.error(
        "missing-input",
        f'the input "{name}" has no value{about}',
        loaded.key_span("inputs", name),
        hint=f"Run with -i {name}=VALUE, or give it a default.",
    )


def _value(
    name: str, text: str, schema: Mapping[str, Json], read_file: Callable[[str], bytes], found: Diagnostics
) -> Json | _Bad:
    shown = f"-i {name}={text if len(text) <= 60 else text[:59] + '…'}"
    if text.startswith("@@"):
        text = text[1:]
    elif text.startswith("@"):
        try:
            text = read_file(text[1:]).decode("utf-8")
        except OSError as error:
            found.error("bad-input", f"{shown}: cannot read {text[1:]}: {error.strerror or error}")
            return _BAD
        except UnicodeDecodeError:
            found.error("bad-input", f"{shown}: {text[1:]} is not UTF-8")
            return _BAD
    types = schema.get("type")
    if types == "string":
        return text
    try:
        return _parse(text)
    except (ValueError, RecursionError):
        if types is None or (isinstance(types, list) and "string" in types):
            return text
        found.error("bad-input", f"{shown}: expected {types} as JSON", hint=_example(name, types))
        return _BAD


def _parse(text: str) -> Json:
    value: Json = json.loads(text, parse_constant=_refuse)
    return value


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def _example(name: str, types: Json) -> str | None:
    examples = {"array": '["a", "b"]', "object": '{"a": 1}', "boolean": "true", "integer": "3", "number": "1.5"}
    example = examples.get(types) if isinstance(types, str) else None
    return f"For instance -i '{name}={example}'." if example else None


def _check(
    loaded: LoadedTeam, name: str, value: Json, declaration: str | Mapping[str, Json], found: Diagnostics
) -> None:
    schema = json_schema(declaration)
    kind = schema.get("type")
    if set(schema) <= {"type", "default", "description", "title"} and isinstance(kind, str):
        fits = isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
        faults = [] if fits else [f"{json.dumps(value)[:60]} is not of type {kind}"]
    else:
        faults = misfits(value, schema)
    for fault in faults:
        found.error("bad-input", f'the input "{name}" does not fit: {fault}', loaded.key_span("inputs", name))
