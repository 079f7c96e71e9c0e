"""The test file's JSON Schema (draft 2020-12), made from the model and from the words of scripts.

Decides how the model reads to an editor, and nothing about test files. Writes nothing: `schemas/test.schema.json` is
compared with this in the tests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from teamflow.core.script import ACTIONS, ATTEMPT_NUMBER, MOST_ACTIONS
from teamflow.team.testfile import TestFile

_NOTES: Final = {"^x-": True}
_NOTED: Final = ("TestFile", "Case")
_ATTEMPT: Final = "attempt"


def schema_for_tests() -> dict[str, Any]:
    """The JSON Schema of a test file, as plain data."""
    schema = TestFile.model_json_schema(by_alias=True)
    definitions = {name: _clean(part, name) for name, part in schema.pop("$defs", {}).items()}
    definitions |= _script()
    definitions["Played"]["properties"]["script"] |= {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Script"}]}
    top = _clean(schema, "TestFile")
    top["properties"]["cases"]["patternProperties"] = _NOTES
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "teamflow test file",
        **top,
        "$defs": dict(sorted(definitions.items())),
    }


def text_for_tests() -> str:
    """`schema_for_tests` as it stands in `schemas/test.schema.json`."""
    return json.dumps(schema_for_tests(), indent=2, ensure_ascii=False) + "\n"


def _clean(schema: Mapping[str, Any], name: str = "") -> dict[str, Any]:
    """Without titles, defaults of null and branches for null."""
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "title" or (key == "default" and value is None):
            continue
        if key == "properties":
            out[key] = {inner: _clean(part) for inner, part in value.items()}
        elif key == "anyOf":
            branches = [_clean(part) for part in value if part != {"type": "null"}]
            out.update(branches[0] if len(branches) == 1 else {key: branches})
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            out[key] = _clean(value)
        else:
            out[key] = value
    return {**out, "patternProperties": _NOTES} if name in _NOTED else out


def _script() -> dict[str, Any]:
    """A script, an action of it, and one that may stand below `attempt`."""
    taking = {
        word: {"description": action.does, **(action.takes.schema if action.takes is not None else {"type": "null"})}
        for word, action in ACTIONS.items()
        if word != _ATTEMPT
    }
    bare = [word for word, action in ACTIONS.items() if action.takes is None and word != _ATTEMPT]
    by_attempt = {
        "description": ACTIONS[_ATTEMPT].does,
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": ATTEMPT_NUMBER},
        "additionalProperties": _list_of("PlainAction"),
    }
    return {
        "Script": _list_of("Action"),
        "Action": {"anyOf": [{"enum": bare}, _one_of({**taking, _ATTEMPT: by_attempt})]},
        "PlainAction": {"anyOf": [{"enum": bare}, _one_of(taking)]},
    }


def _list_of(name: str) -> dict[str, Any]:
    return {"type": "array", "maxItems": MOST_ACTIONS, "items": {"$ref": f"#/$defs/{name}"}}


def _one_of(words: Mapping[str, Any]) -> dict[str, Any]:
    one = {"minProperties": 1, "maxProperties": 1, "additionalProperties": False}
    return {"type": "object", "properties": dict(words), **one}
