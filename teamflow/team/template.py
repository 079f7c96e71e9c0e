"""Templates and expressions: what they name, and what they come to.

Decides how text and values mix: a text that is exactly one `{{ expression }}` keeps the value's type, any other
value inside a text is written as JSON is (`true`, `[1, 2]`), a text as itself. Plain text and plain dotted
references (`{{ inputs.feature }}`) are settled here; everything else goes to the bounded Jinja2 in
`team/sandbox.py`, which is imported only then. Refuses to know which names exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol, TypeAlias

from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json

MAX_RESULT = 2**20
"""Largest result of one render, in characters (texts) or values (lists, maps)."""

Context: TypeAlias = Mapping[str, Json]

_SIMPLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)\s*\}\}")
_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*\Z")
_OPENERS = re.compile(r"\{[{%#]")
_WORDS = frozenset(
    [
        "and",
        "or",
        "not",
        "in",
        "is",
        "if",
        "else",
        "true",
        "false",
        "none",
        "True",
        "False",
        "None",
        "loop",
        "range",
        "self",
        "super",
        "caller",
        "varargs",
    ]
)


class TemplateError(ValueError):
    """A template or expression that cannot be read or has no value; the text says why and what to do.

    `line` counts from 1 within the template, None when the place is not known.
    """

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class Reference(NamedTuple):
    """A name that a template uses: `agents.a.outputs.b` is `("agents", "a", "outputs", "b")`.

    `whole` is False when a computed subscript or a loop follows, so that the path is only a beginning.
    `optional`: the template itself provides for its absence (`is defined`, `default`).
    """

    path: tuple[str, ...]
    whole: bool = True
    optional: bool = False


class Compiled(Protocol):
    """A template or an expression that has been read."""

    @property
    def references(self) -> tuple[Reference, ...]: ...

    @property
    def tokens(self) -> int:
        """What reading it took; 0 for what needed no Jinja2."""
        ...

    @property
    def json_type(self) -> str | None:
        """The JSON type that its value is certain to have, None when that depends."""
        ...

    def render(self, context: Context) -> Json:
        """Its value. Raises TemplateError."""
        ...


def is_template(text: str) -> bool:
    """Whether `text` holds anything that would be replaced."""
    return "{" in text and _OPENERS.search(text) is not None


def to_text(value: Json) -> str:
    """How a value stands inside a text: texts as they are, everything else as JSON."""
    if isinstance(value, str):
        return value
    import json

    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def look_up(path: tuple[str, ...], context: Context) -> Json:
    """The value at a dotted path. Raises TemplateError that says which part is missing."""
    value: Json = context
    for depth, part in enumerate(path):
        if not isinstance(value, Mapping) or part not in value:
            raise TemplateError(missing(path[:depth], part, value))
        value = value[part]
    return value


def missing(parent: tuple[str, ...], part: str, value: object) -> str:
    """What to say when `part` is not to be found under `parent`, which is `value`."""
    name = ".".join(parent)
    if not parent:
        return f"there is no {part} here"
    if not isinstance(value, Mapping):
        return f'{name} is no map, so it has no key "{part}"'
    known = sorted(str(key) for key in value)[:8]
    listed = f"; it has {', '.join(known)}" if known else "; it is empty"
    return f'{name} has no key "{part}"{listed}'


class _Simple:
    """Literal pieces and dotted references, alternating; one lone reference keeps its type."""

    __slots__ = ("_pieces", "json_type", "references")
    tokens = 0

    def __init__(self, pieces: tuple[str | tuple[str, ...], ...]) -> None:
        self._pieces = pieces
        self.json_type = None if len(pieces) == 1 and isinstance(pieces[0], tuple) else "string"
        self.references = tuple(Reference(piece) for piece in pieces if isinstance(piece, tuple))

    def render(self, context: Context) -> Json:
        pieces = self._pieces
        if len(pieces) == 1 and isinstance(pieces[0], tuple):
            return look_up(pieces[0], context)
        texts = [piece if isinstance(piece, str) else to_text(look_up(piece, context)) for piece in pieces]
        if sum(map(len, texts)) > MAX_RESULT:
            raise TemplateError(f"the result is longer than {MAX_RESULT} characters")
        return "".join(texts)


def _simple_pieces(source: str) -> tuple[str | tuple[str, ...], ...] | None:
    """The pieces of a template that needs no Jinja2, else None."""
    pieces: list[str | tuple[str, ...]] = []
    for index, part in enumerate(_SIMPLE.split(source)):
        if index % 2:
            path = tuple(part.split("."))
            if path[0] in _WORDS:
                return None
            pieces.append(path)
        elif part:
            if _OPENERS.search(part) or "#}" in part or "%}" in part or "}}" in part:
                return None
            pieces.append(part)
    return tuple(pieces)


@lru_cache(maxsize=4096)
def compile_template(source: str) -> Compiled:
    """Reads a template, once per distinct source. Raises TemplateError."""
    if not is_template(source):
        return _Simple((source,) if source else ())
    pieces = _simple_pieces(source)
    if pieces is not None:
        return _Simple(pieces)
    from teamflow.team import sandbox

    return sandbox.read_template(source)


@lru_cache(maxsize=4096)
def compile_expression(source: str) -> Compiled:
    """Reads a bare expression (`if`, `until`, `matrix`, team outputs). Raises TemplateError."""
    text = source.strip()
    if is_template(text):
        raise TemplateError("this takes an expression without braces: write inputs.x, not {{ inputs.x }}")
    if _DOTTED.match(text) and text.split(".")[0] not in _WORDS:
        return _Simple((tuple(text.split(".")),))
    from teamflow.team import sandbox

    return sandbox.read_expression(source)


def names(source: str) -> tuple[Reference, ...]:
    """What a template refers to. Raises TemplateError when it cannot be read."""
    return compile_template(source).references if "{" in source else ()


def expression_names(source: str) -> tuple[Reference, ...]:
    """What a bare expression refers to. Raises TemplateError when it cannot be read."""
    return compile_expression(source).references


def render(source: str, context: Context) -> Json:
    """The value of a template: a text, unless it is exactly one `{{ … }}`. Raises TemplateError."""
    return compile_template(source).render(context) if "{" in source else source


def render_text(source: str, context: Context) -> str:
    """The value of a template as text. Raises TemplateError."""
    return to_text(render(source, context))


def evaluate(expression: str, context: Context) -> Json:
    """The value of a bare expression. Raises TemplateError."""
    return compile_expression(expression).render(context)


def evaluate_condition(expression: str, context: Context) -> bool:
    """The value of `if` or `until`, which must be true or false. Raises TemplateError."""
    value = evaluate(expression, context)
    if isinstance(value, bool):
        return value
    raise TemplateError(f"this must be true or false, but it is {kind_of(value)}: compare it, as in x == 'y'")


def kind_of(value: object) -> str:
    """A value's kind in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case Mapping():
            return "a map"
        case list() | tuple():
            return "a list"
        case _:
            return "no plain value"
