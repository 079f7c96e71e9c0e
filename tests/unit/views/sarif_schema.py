"""The parts of SARIF 2.1.0 that teamflow writes, as JSON Schema: written after the standard (3.13 to 3.49).

Stricter than the standard where that leaves a choice: no property that is not listed, no absolute URI, no empty text.
"""

from __future__ import annotations

from typing import Any

_MESSAGE = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 1}},
    "required": ["text"],
    "additionalProperties": False,
}
_POSITION = {"type": "integer", "minimum": 1}
_PLACE = {
    "type": "object",
    "properties": {
        "artifactLocation": {
            "type": "object",
            "properties": {
                # A relative reference (RFC 3986): segments of pchar, the first without a colon.
                "uri": {
                    "type": "string",
                    "pattern": r"^([A-Za-z0-9._~!$&'()*+,;=@/-]|%[0-9A-F]{2})+$",
                    "not": {"pattern": "^/"},
                },
                "uriBaseId": {"const": "%SRCROOT%"},
            },
            "required": ["uri", "uriBaseId"],
            "additionalProperties": False,
        },
        "region": {
            "type": "object",
            "properties": dict.fromkeys(("startLine", "startColumn", "endLine", "endColumn"), _POSITION),
            "required": ["startLine", "startColumn", "endLine", "endColumn"],
            "additionalProperties": False,
        },
    },
    "required": ["artifactLocation", "region"],
    "additionalProperties": False,
}
_RULE = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "minLength": 1},
        "shortDescription": _MESSAGE,
        "fullDescription": _MESSAGE,
        "help": _MESSAGE,
    },
    "required": ["id"],
    "additionalProperties": False,
}
_RESULT = {
    "type": "object",
    "properties": {
        "ruleId": {"type": "string", "minLength": 1},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": _MESSAGE,
        "locations": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {"physicalLocation": _PLACE},
                "required": ["physicalLocation"],
                "additionalProperties": False,
            },
        },
        "relatedLocations": {
            "type": "array",
            "uniqueItems": True,
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "integer", "minimum": 0},
                    "physicalLocation": _PLACE,
                    "message": _MESSAGE,
                },
                "required": ["id", "physicalLocation", "message"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["ruleId", "ruleIndex", "level", "message"],
    "additionalProperties": False,
}
_DRIVER = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "version": {"type": "string", "minLength": 1},
        "rules": {"type": "array", "uniqueItems": True, "items": _RULE},
    },
    "required": ["name", "version", "rules"],
    "additionalProperties": False,
}
_RUN = {
    "type": "object",
    "properties": {
        "tool": {
            "type": "object",
            "properties": {"driver": _DRIVER},
            "required": ["driver"],
            "additionalProperties": False,
        },
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "originalUriBaseIds": {
            "type": "object",
            "properties": {
                "%SRCROOT%": {
                    "type": "object",
                    "properties": {"description": _MESSAGE},
                    "additionalProperties": False,
                }
            },
            "required": ["%SRCROOT%"],
            "additionalProperties": False,
        },
        "results": {"type": "array", "items": _RESULT},
    },
    "required": ["tool", "columnKind", "originalUriBaseIds", "results"],
    "additionalProperties": False,
}
LOG: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "$schema": {"type": "string", "pattern": "sarif-schema-2.1.0.json$"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "items": _RUN},
    },
    "required": ["$schema", "version", "runs"],
    "additionalProperties": False,
}
