"""Complaints as SARIF 2.1.0, which code scanning and editors read: each code once as a rule, with its explanation.

Decides what of a complaint goes where. Where paths start is the caller's: they are told as relative to the source
root, and no path of this machine is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from teamflow.core.codes import CODES, explain
from teamflow.core.diagnostics import Diagnostic, Span
from teamflow.core.plan import Json

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT: Final = "%SRCROOT%"


def to_sarif(diagnostics: Iterable[Diagnostic], *, version: str) -> dict[str, Json]:
    """A log with one run of teamflow `version`."""
    items = list(diagnostics)
    codes = list(dict.fromkeys(item.code for item in items))
    driver = {"name": "teamflow", "version": version, "rules": [_rule(code) for code in codes]}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {_ROOT: {"description": _text("The top of the repository.")}},
                "results": [_result(item, rule=codes.index(item.code)) for item in items],
            }
        ],
    }


def _rule(slug: str) -> Json:
    code = CODES.get(slug)
    if code is None:
        return {"id": slug}
    return {
        "id": slug,
        "shortDescription": _text(code.title),
        "fullDescription": _text(code.explanation),
        "help": {"text": explain(slug)},
    }


def _result(item: Diagnostic, *, rule: int) -> Json:
    text = f"{item.message}\nhint: {item.hint}" if item.hint else item.message
    result: dict[str, Json] = {
        "ruleId": item.code,
        "ruleIndex": rule,
        "level": item.severity.value,
        "message": _text(text),
    }
    if item.span is not None:
        result["locations"] = [{"physicalLocation": _place(item.span)}]
    if item.related:
        result["relatedLocations"] = [
            {"id": number, "physicalLocation": _place(span), "message": _text(word)}
            for number, (word, span) in enumerate(item.related, 1)
        ]
    return result


def _place(span: Span) -> Json:
    return {
        "artifactLocation": {"uri": quote(span.file.encode("utf-8", "surrogateescape")), "uriBaseId": _ROOT},
        "region": {
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
        },
    }


def _text(text: str) -> Json:
    return {"text": text}
