"""A plan as a picture that another program draws: Mermaid for pages that render it, dot for Graphviz.

Decides shapes, labels and how foreign text is quoted. What would happen to a step is said by its symbol and in words;
the shape tells its kind, a broken outline that nothing is certain to start. No colours. Refuses to lay anything out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from teamflow.core.plan import ASK, COMMAND, PROMPT
from teamflow.plan.explain import SKIP, UNDECIDED, Line, Preview
from teamflow.views.json import json_text
from teamflow.views.plan import counted, engine_of, symbol, word
from teamflow.views.sanitize import cell

MOST_EDGES: Final = 500
"""Edges up to which Mermaid draws a flowchart, unless its host allows more."""

_SHAPES: Final[Mapping[str, tuple[str, str]]] = {PROMPT: ("(", ")"), COMMAND: ("[", "]"), ASK: ("{{", "}}")}
_STYLES: Final[Mapping[str, str]] = {PROMPT: "rounded", COMMAND: "solid", ASK: "diagonals"}
_UNCERTAIN: Final = (SKIP, UNDECIDED)

_FOREIGN: Final = re.compile(r"[^A-Za-z0-9 ,./()\[\]+=?!~\u00a0-\U0010ffff-]|[\ufb02\u00b6]|(?<=direction)\s")
"""What stands as an entity in Mermaid's labels: its own signs, those of Markdown, its two marks for entities, and the
blank of `direction LR`, which it finds even in quotes."""


def plan_mermaid(preview: Preview) -> str:
    """A Mermaid flowchart, without a last newline."""
    return "\n".join(_mermaid(preview))


def _mermaid(preview: Preview) -> Iterator[str]:
    # Names of nodes are numbers: some words mean something else there (`end`), and a step's id has a slash.
    names = {line.step.id: f"s{number}" for number, line in enumerate(preview.lines)}
    yield "---"
    yield f"title: {_front_matter(_title(preview))}"
    yield "---"
    yield "flowchart LR"
    for line in preview.lines:
        opening, closing = _SHAPES[line.step.kind]
        mark = ":::uncertain" if line.action.kind in _UNCERTAIN else ""
        yield f'  {names[line.step.id]}{opening}"{_mermaid_label(line)}"{closing}{mark}'
    for line in preview.lines:
        for edge in line.step.edges:
            label = "" if edge.when == "succeeded" else f"|{edge.when}|"
            yield f"  {names[edge.on]} -->{label} {names[line.step.id]}"
    if any(line.action.kind in _UNCERTAIN for line in preview.lines):
        yield "  classDef uncertain stroke-dasharray: 4 4"


def _mermaid_label(line: Line) -> str:
    # In brackets, since `+ x` and `- x` begin a list for versions that read every label as Markdown.
    return "\n".join(_entities(text) for text in (f"[{symbol(line)}] {cell(line.step.id)}", _second(line)))


def _entities(text: str) -> str:
    return _FOREIGN.sub(lambda found: f"#{ord(found.group())};", text)


def _front_matter(text: str) -> str:
    """A text of YAML in double quotes, without what Mermaid takes for a tag."""
    return json_text(text).replace("<", "\\u003c").replace(">", "\\u003e")


def plan_dot(preview: Preview) -> str:
    """A directed graph in the language of Graphviz, without a last newline."""
    return "\n".join(_dot(preview))


def _dot(preview: Preview) -> Iterator[str]:
    yield f"digraph {_name(preview.plan.team)} {{"
    yield f"  graph [rankdir=LR, labelloc=t, label={_text(_title(preview))}];"
    yield "  node [shape=box];"
    for line in preview.lines:
        label = _text(f"{symbol(line)} {cell(line.step.id)}", _second(line))
        style = _STYLES[line.step.kind] + (",dashed" if line.action.kind in _UNCERTAIN else "")
        yield f'  {_name(line.step.id)} [label={label}, tooltip={_text(cell(line.action.reason))}, style="{style}"];'
    for line in preview.lines:
        for edge in line.step.edges:
            label = "" if edge.when == "succeeded" else f" [label={edge.when}]"
            yield f"  {_name(edge.on)} -> {_name(line.step.id)}{label};"
    yield "}"


def _name(text: str) -> str:
    """A quoted name, in which nothing is an escape but that of the quote. One that begins with % would be nameless."""
    shown = cell(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{" " if shown.startswith("%") else ""}{shown}"'


def _text(*lines: str) -> str:
    """A quoted text to be shown, in which entities and escapes would be read."""
    shown = (line.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(shown) + '"'


def _title(preview: Preview) -> str:
    return f"{cell(preview.plan.team)}: {counted(preview)}"


def _second(line: Line) -> str:
    """The second line of a label: by whom, and what becomes of it."""
    return ", ".join(dict.fromkeys((cell(engine_of(line.step)), word(line))))
