"""What the YAML parser's complaints mean to somebody who writes a team file.

Decides words, hints and places for errors of the grammar; refuses to know keys. What it does not know it
passes on in the parser's words.
"""

from __future__ import annotations

import re

from yaml import Mark, MarkedYAMLError

from teamflow.core.diagnostics import Diagnostic, Span

_BREAK = re.compile(r"\r\n|\r|\n")
_TAB = "Indent with spaces: YAML does not take tabs there."
_QUOTE = 'Quote the value: a text that starts with one of @ ` % & * ! | > { [ " \' # or holds ": " needs quotes.'

_KNOWN: tuple[tuple[str, str, str, str | None], ...] = (
    ("while scanning an alias", "yaml-alias", "an unquoted * begins an alias", 'If it is a glob, quote it: "*.py".'),
    ("while scanning an anchor", "yaml-alias", "an unquoted & begins an anchor", "Quote the value."),
    (
        "expected a single document",
        "yaml-documents",
        "a second document starts here",
        "One file, one document: remove the line ---.",
    ),
    ("undefined alias", "yaml-alias", "this alias has no anchor before it", 'If it is a glob, quote it: "*.py".'),
    ("duplicate anchor", "yaml-alias", "this anchor is defined twice", "Give it another name."),
    ("second occurrence", "yaml-alias", "this anchor is defined twice", "Give it another name."),
    (
        "mapping values are not allowed",
        "yaml-syntax",
        'a ": " cannot stand here',
        "Quote a value that holds a colon followed by a space, or check the indentation.",
    ),
    (
        "unexpected end of stream",
        "yaml-syntax",
        "the quotes that open here are never closed",
        "Close them, or indent the following lines.",
    ),
    (
        "unexpected document separator",
        "yaml-syntax",
        "the quotes that open here are never closed",
        "Close them, or indent the following lines.",
    ),
    (
        "invalid Unicode character escape",
        "yaml-character",
        "this escape names no character",
        "Surrogates have no place in UTF-8: write the character itself.",
    ),
    (
        "did not find expected hexdecimal",
        "yaml-syntax",
        "this escape lacks hexadecimal digits",
        "Use single quotes or write a backslash as \\\\.",
    ),
    (
        "unknown escape character",
        "yaml-syntax",
        "there is no such escape in double quotes",
        "Use single quotes, or write a backslash as \\\\.",
    ),
    (
        "did not find expected ',' or",
        "yaml-syntax",
        "a bracket is not closed, or a comma is missing",
        "Brackets open and close in pairs.",
    ),
    (
        "expected ',' or",
        "yaml-syntax",
        "a bracket is not closed, or a comma is missing",
        "Brackets open and close in pairs.",
    ),
    (
        "did not find expected '-' indicator",
        "yaml-syntax",
        'expected another "- " of the list',
        "Check the indentation.",
    ),
    (
        "did not find expected key",
        "yaml-syntax",
        "expected a key here",
        "Check the indentation, and quotes that end too early.",
    ),
    (
        "could not find expected ':'",
        "yaml-syntax",
        'expected ":" after the key',
        "A key is followed by a colon and a space.",
    ),
    (
        "block sequence entries are not allowed",
        "yaml-syntax",
        "a list cannot start here",
        'Put "- " on a line of its own.',
    ),
    ("did not find expected node content", "yaml-syntax", "expected a value here", _QUOTE),
    ("undefined tag handle", "yaml-tag", "tags are not read here", _QUOTE),
    ("found character that cannot start any token", "yaml-syntax", "a value cannot start with this character", _QUOTE),
)


def explain(error: MarkedYAMLError, *, text: str, file: str, line_offset: int = 0) -> Diagnostic:
    """The diagnostic for an error of the parser in `text`, `line_offset` lines below the top of `file`."""
    said = f"{error.context or ''}: {error.problem or ''}"
    mark = error.problem_mark or error.context_mark
    lines = _BREAK.split(text)
    tab = _tab_at(lines, mark) if mark is not None else None
    if tab is not None:
        line, column = tab
        span = Span(file, line + line_offset, column, line + line_offset, column + 1)
        return Diagnostic("yaml-tab", "a tab cannot indent", span, _TAB)
    for part, code, message, hint in _KNOWN:
        if part in said:
            at_end = mark is not None and mark.line >= len(lines) - 1 and "expected ',' or" in part
            opener = at_end or part.startswith(("unexpected", "while"))
            start = error.context_mark if opener and error.context_mark is not None else mark
            return Diagnostic(code, message, _span(start, lines, file, line_offset), hint)
    return Diagnostic(
        "yaml-syntax", said.strip(": ") or "this is not YAML", _span(mark, lines, file, line_offset), None
    )


def _tab_at(lines: list[str], mark: Mark) -> tuple[int, int] | None:
    """Line and column of a tab in front of the first word of the line that the parser stopped at."""
    if not 0 <= mark.line < len(lines):
        return None
    line = lines[mark.line]
    before = len(line) - len(line.lstrip(" \t-?:"))
    position = line.find("\t", 0, before)
    return None if position < 0 or mark.column > before else (mark.line + 1, position + 1)


def _span(mark: Mark | None, lines: list[str], file: str, offset: int) -> Span | None:
    if mark is None:
        return None
    line = min(mark.line, len(lines) - 1)
    column = mark.column if line == mark.line else len(lines[line])
    column = min(column, len(lines[line]))
    return Span(file, line + 1 + offset, column + 1, line + 1 + offset, column + 2)
