"""Complaints as workflow commands of GitHub Actions, which shows them beside the lines that they are about.

Decides how a place and a message become one command, and escapes so that no text can begin another. Where paths start
is the caller's: GitHub wants them relative to the top of the repository.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from teamflow.core.diagnostics import Diagnostic, Span
from teamflow.views.diagnostics import safe

_OF_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_OF_PROPERTIES: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def to_github(diagnostics: Iterable[Diagnostic]) -> str:
    """One line per complaint, each ended by a newline; empty when there are none."""
    return "".join(f"{_command(item)}\n" for item in diagnostics)


def _command(item: Diagnostic) -> str:
    properties = [*(_place(item.span) if item.span else ()), ("title", safe(item.code))]
    shown = ",".join(f"{name}={value.translate(_OF_PROPERTIES)}" for name, value in properties)
    return f"::{item.severity.value} {shown}::{_message(item).translate(_OF_DATA)}"


def _place(span: Span) -> Iterator[tuple[str, str]]:
    yield "file", safe(span.file)
    yield "line", str(span.line)
    # Columns go with places within one line only, and GitHub's last one belongs to the place.
    if span.end_line == span.line:
        yield "col", str(span.column)
    yield "endLine", str(span.end_line)
    if span.end_line == span.line:
        yield "endColumn", str(max(span.column, span.end_column - 1))


def _message(item: Diagnostic) -> str:
    lines = [safe(item.message)]
    lines += [f"{safe(span.file)}:{span.line}:{span.column}: {safe(word)}" for word, span in item.related]
    if item.hint:
        lines.append(f"hint: {safe(item.hint)}")
    return "\n".join(lines)
