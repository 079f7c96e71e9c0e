"""Env files: `NAME=value` lines to a map. Decides their dialect; refuses to know whose environment it is.

`#` starts a comment line, `export ` is allowed, a value may stand in single quotes (as it is) or double
quotes (with the escapes `\\n \\t \\" \\\\ \\$`); nothing is expanded.
"""

from __future__ import annotations

import re

from teamflow.core.diagnostics import Diagnostics, Span

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*\Z", re.S)
_ESCAPE = re.compile(r"\\(.)", re.S)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def parse_env_file(text: str, *, file: str, found: Diagnostics) -> dict[str, str]:
    """The variables of `text`, later lines over earlier ones; complaints about lines that are none."""
    values: dict[str, str] = {}
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.match(line)
        value = _unquoted(match.group(2)) if match else None
        if match is None or value is None:
            hint = "Write NAME=value; quote a value with blanks or # in it."
            span = Span(file, number, 1, number, len(line) + 1)
            found.error("bad-env-file", "this is no line of an env file", span, hint=hint)
        else:
            values[match.group(1)] = value
    return values


def _unquoted(text: str) -> str | None:
    """The value behind `=`; None when its quotes do not match."""
    if text[:1] == "'":
        return text[1:-1] if len(text) > 1 and text.endswith("'") and "'" not in text[1:-1] else None
    if text[:1] == '"':
        inner = text[1:-1]
        bare = _ESCAPE.sub("", inner)
        if len(text) < 2 or not text.endswith('"') or '"' in bare or "\\" in bare:
            return None
        return _ESCAPE.sub(lambda match: _ESCAPES.get(match.group(1), match.group(1)), inner)
    return re.split(r"\s#", text, maxsplit=1)[0].rstrip()
