"""Text to a tree of plain values, strictly YAML 1.2, with the place of every value on demand.

Decides what is acceptable YAML: one document, core-schema scalars, text keys, no duplicate, no tag, bounded
depth, size and alias expansion. Refuses to know what any key means. Merge keys (`<<`) are honoured, because
files with anchors need them; anchors and aliases are, too.

One C pass composes nodes, one Python pass makes values of them; places are looked up in the nodes only when
somebody asks. All problems but the first one of the grammar are reported together.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from typing import TypeAlias

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from teamflow.core.diagnostics import Diagnostic, Diagnostics, Span
from teamflow.core.plan import Json
from teamflow.team.composer import FastComposer, Nodes, PythonComposer, TooDeep, compose
from teamflow.team.grammar import explain
from teamflow.team.yaml_scalars import STARTS, BadNumber, plain

MAX_BYTES = 2**20
MAX_DEPTH = 64
MAX_EXPANDED = 100_000
MOST_PROBLEMS = 1_000
"""Problems of one file after which the rest is not listed."""

Path: TypeAlias = "tuple[str | int, ...]"
Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"

_BREAK = re.compile(r"\r\n|\r|\n")
_FORBIDDEN = "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
_ALLOWED_BYTES = bytes([9, 10, 13, *range(32, 127)])


def split_lines(text: str) -> list[str]:
    """The lines of a source as spans count them."""
    return _BREAK.split(text)


class Source:
    """One defining file: its text, its value, and the place of each part of it.

    `line_offset` lines lie above the YAML in the same file (the fence of front matter). `has_null`: some value is null.
    """

    def __init__(
        self, file: str, text: str, *, value: Value, root: Node | None, has_null: bool = True, line_offset: int = 0
    ) -> None:
        self.file = file
        self.text = text
        self.value = value
        self.has_null = has_null
        self._root = root
        self._offset = line_offset
        self._lines: list[str] | None = None
        self._index: dict[int, dict[str, tuple[Node, Node]]] = {}

    def key_span(self, path: Path) -> Span:
        """The key that `path` ends in; for a list's element or the root, the value."""
        return self._inside(self._find(path, key=True))

    def value_span(self, path: Path) -> Span:
        """The value at `path`, or of the nearest part of the file that is there."""
        return self._inside(self._find(path, key=False))

    def has(self, path: Path) -> bool:
        node = self._root
        for part in path:
            pair = self._child(node, part)
            if pair is None:
                return False
            node = pair[1]
        return node is not None

    def _inside(self, span: Span) -> Span:
        if span.line == 1:
            return span
        if self._lines is None:
            self._lines = split_lines(self.text)
        return _clamped(span, self._lines)

    def _find(self, path: Path, *, key: bool) -> Span:
        if self._root is None:
            return Span(self.file, 1 + self._offset, 1, 1 + self._offset, 1)
        found: tuple[Node, Node] = (self._root, self._root)
        for part in path:
            pair = self._child(found[1], part)
            if pair is None:
                alone = isinstance(found[1], ScalarNode) and part == 0  # one text where a list may stand
                return span_of(found[1] if alone else found[0], self.file, line_offset=self._offset)
            found = pair
        return span_of(found[0] if key else found[1], self.file, line_offset=self._offset)

    def _child(self, node: Node | None, part: str | int) -> tuple[Node, Node] | None:
        if isinstance(node, MappingNode) and isinstance(part, str):
            return self._pairs(node).get(part)
        if isinstance(node, SequenceNode) and isinstance(part, int) and 0 <= part < len(node.value):
            return (node.value[part], node.value[part])
        return None

    def _pairs(self, node: MappingNode) -> dict[str, tuple[Node, Node]]:
        known = self._index.get(id(node))
        if known is None:
            known = {}
            self._index[id(node)] = known  # first, so that a merge of itself ends
            for key, value in node.value:
                if _is_merge(key):
                    sources = value.value if isinstance(value, SequenceNode) else [value]
                    for source in sources:
                        if isinstance(source, MappingNode):
                            known.update({k: v for k, v in self._pairs(source).items() if k not in known})
            own: dict[str, tuple[Node, Node]] = {}
            for key, value in node.value:
                if isinstance(key, ScalarNode):
                    own.setdefault(key.value, (key, value))
            known.update(own)
        return known


def span_of(node: Node, file: str, *, line_offset: int = 0) -> Span:
    """A node's place; a block collection ends with its first line, it has no end of its own to point at."""
    start, end = node.start_mark, node.end_mark or node.start_mark  # an unfinished collection has no end
    line, column = start.line + 1 + line_offset, start.column + 1
    end_line, end_column = end.line + 1 + line_offset, end.column + 1
    if isinstance(node, ScalarNode) and node.style not in ("|", ">"):
        return Span(file, line, column, end_line, end_column)
    if isinstance(node, (MappingNode, SequenceNode)) and node.flow_style and end is not start:
        return Span(file, line, column, end_line, end_column)
    return Span(file, line, column, line, column + 1)


def _clamped(span: Span, lines: list[str]) -> Span:
    """`span`, or the end of the last line where the parser is a line beyond it (an empty value at the end)."""
    if span.line <= len(lines):
        return span
    end = len(lines[-1]) + 1
    return Span(span.file, len(lines), end, len(lines), end)


def _is_merge(key: Node) -> bool:
    return isinstance(key, ScalarNode) and key.value == "<<" and not key.style


class _Builder:
    """Nodes to values. Problems go to `problems` with the node they are at; building goes on."""

    def __init__(self, problem: Callable[[str, str, Node, str | None], None]) -> None:
        self._problem = problem
        self._made: dict[int, Value] = {}
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()
        self._count = 0
        self._expanded = 0
        self._overflow = False
        self.has_null = False

    def build(self, node: Node, depth: int) -> Value:
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        identity = id(node)
        if identity in self._made:
            self._expand(self._sizes[identity], node)
            return None if self._overflow else self._made[identity]
        if identity in self._open:
            self._problem("yaml-alias", "this collection contains itself through an alias", node, None)
            return None
        if depth > MAX_DEPTH:
            raise TooDeep(node)
        if node.tag is not None:
            self._tagged(node)
        self._open.add(identity)
        before = self._count
        made: Value = []
        if isinstance(node, MappingNode):
            made = self._mapping(node, depth)
        elif isinstance(node, SequenceNode):
            made = self._sequence(node, depth)
        self._open.discard(identity)
        self._made[identity] = made
        self._sizes[identity] = self._count - before + 1
        return made

    def _expand(self, size: int, node: Node) -> None:
        self._count += size
        self._expanded += size
        if self._expanded > MAX_EXPANDED and not self._overflow:
            self._overflow = True
            limit = f"{MAX_EXPANDED:,}".replace(",", " ")
            self._problem("yaml-alias", f"aliases expand to more than {limit} values", node, None)

    def _scalar(self, node: ScalarNode) -> Value:
        text: str = node.value
        if node.tag is not None:
            self._tagged(node)
            if node.style or node.tag.endswith(":str"):
                return text
        if node.style:
            if "\x00" in text:
                self._problem("yaml-character", "a value cannot hold a NUL character", node, None)
            return text
        if text and text[0] not in STARTS:
            return text
        try:
            value = plain(text)
        except BadNumber as error:
            self._problem("yaml-number", str(error), node, "Quote it if it is meant as text.")
            return 0
        self.has_null = self.has_null or value is None
        return value

    def _sequence(self, node: SequenceNode, depth: int) -> Value:
        children = node.value
        self._count += len(children)
        build = self.build
        return [build(child, depth + 1) for child in children]

    def _mapping(self, node: MappingNode, depth: int) -> Value:
        made: dict[str, Value] = {}
        merges: list[Node] = []
        places: dict[str, Node] = {}
        self._count += len(node.value)
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                merges.append(value_node)
                continue
            key = self._key(key_node, node)
            if key is None:
                continue
            if key in made:
                self._twice(key, key_node, places, node)
                continue
            made[key] = self.build(value_node, depth + 1)
        if merges:
            return self._merged(made, merges, depth)
        return made

    def _key(self, node: Node, mapping: Node) -> str | None:
        if not isinstance(node, ScalarNode):
            self._not_text(node, mapping)
            return None
        text: str = node.value
        if node.style or (text and text[0] not in STARTS):
            if node.tag is not None:
                self._tagged(node)
            return text
        value = self._scalar(node)
        if not isinstance(value, str):
            shown = text or "empty"
            self._problem("yaml-key", f"a key must be text, this one is {shown}", node, f'Quote it: "{text}"')
            return None
        return text

    def _not_text(self, node: Node, mapping: Node) -> None:
        hint = "A key must be a single word or a quoted text."
        if isinstance(node, MappingNode) and node.flow_style:
            hint = 'A value that starts with "{" must be quoted when it is a template: "{{ inputs.x }}".'
            node = mapping
        self._problem("yaml-key", "a key must be text, not a map or a list", node, hint)

    def _twice(self, key: str, node: Node, places: dict[str, Node], mapping: MappingNode) -> None:
        if not places:
            for other, _ in mapping.value:
                if isinstance(other, ScalarNode):
                    places.setdefault(other.value, other)
        first = places[key].start_mark.line + 1
        self._problem("duplicate-key", f'the key "{key}" is here twice (first on line {first})', node, None)

    def _merged(self, own: dict[str, Value], merges: list[Node], depth: int) -> Value:
        """Own keys win, then the earlier of the merged maps."""
        if len(merges) > 1:
            self._problem("duplicate-key", 'the key "<<" is here twice', merges[1], "Write <<: [*one, *two].")
        made = dict(own)
        for source in merges[0].value if isinstance(merges[0], SequenceNode) else [merges[0]]:
            value = self.build(source, depth + 1)
            if isinstance(value, dict):
                self._expand(len(value), source)
                if not self._overflow:
                    made.update({key: item for key, item in value.items() if key not in made})
            elif isinstance(source, ScalarNode) or value is not None:
                self._problem("yaml-merge", "only a map can be merged with <<", source, "Write <<: *anchor.")
        return made

    def _tagged(self, node: Node) -> None:
        self._problem(
            "yaml-tag",
            f"tags are not read here ({node.tag})",
            node,
            "Leave the tag out; quote a value to make it text.",
        )


def decode(data: bytes, *, file: str, found: Diagnostics) -> str | None:
    """The text of a defining file, or None with a complaint: size, encoding, characters no text has."""
    if len(data) > MAX_BYTES:
        found.error(
            "file-too-large",
            f"the file has {len(data):,} bytes, the limit is {MAX_BYTES:,}",
            Span(file, 1, 1, 1, 1),
            hint="Split it with include, or move long prompts into files of their own.",
        )
        return None
    if data.isascii() and not data.translate(None, _ALLOWED_BYTES):
        return data.decode("ascii")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        hint = "Save the file as UTF-8."
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            hint = "It looks like UTF-16: save the file as UTF-8."
        found.error("yaml-encoding", "this is not UTF-8", _at(before, file), hint=hint)
        return None
    text = text.removeprefix("\ufeff")
    bad = re.search(_FORBIDDEN, text)
    if bad is None:
        return text
    name = f"U+{ord(bad.group()):04X}"
    found.error(
        "yaml-character",
        f"the character {name} cannot stand in a file like this",
        _at(text[: bad.start()], file),
        hint='Remove it, or write it as an escape in double quotes, like "\\u2028".',
    )
    return None


def _at(before: str, file: str) -> Span:
    lines = split_lines(before)
    return Span(file, len(lines), len(lines[-1]) + 1, len(lines), len(lines[-1]) + 2)


def parse(data: bytes, *, file: str, found: Diagnostics, parser: type[PythonComposer] = FastComposer) -> Source | None:
    """The source in `data`, with complaints added to `found`; None when there is no value to go on with."""
    text = decode(data, file=file, found=found)
    return None if text is None else parse_text(text, file=file, found=found, parser=parser)


def parse_text(
    text: str, *, file: str, found: Diagnostics, line_offset: int = 0, parser: type[PythonComposer] = FastComposer
) -> Source | None:
    """As `parse`, for text that `decode` has passed; `line_offset` lines of the file lie above it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        return _parse(text, file, found, line_offset, parser)
    finally:
        if enabled:
            gc.enable()


def _parse(text: str, file: str, found: Diagnostics, offset: int, parser: type[PythonComposer]) -> Source | None:
    lines: list[str] = []
    count = 0

    def problem(code: str, message: str, node: Node, hint: str | None) -> None:
        nonlocal count
        count += 1
        if count > MOST_PROBLEMS:
            return
        if count == MOST_PROBLEMS:
            code, message, hint = "too-many", "there are more problems like these; the rest is not listed", None
        if not lines:
            lines.extend(split_lines(text))
        span = _clamped(span_of(node, file), lines)
        shifted = Span(file, span.line + offset, span.column, span.end_line + offset, span.end_column)
        found.error(code, message, shifted, hint=hint)

    root: Nodes
    try:
        root = compose(text, max_depth=MAX_DEPTH, parser=parser)
        builder = _Builder(problem)
        value = None if root is None else builder.build(root, 1)
    except TooDeep as error:
        hint = f"At most {MAX_DEPTH} levels are read."
        problem("yaml-depth", f"this is nested more than {MAX_DEPTH} levels deep", error.node, hint)
        return None
    except yaml.MarkedYAMLError as error:
        found.extend([explain(error, text=text, file=file, line_offset=offset)])
        return None
    return Source(file, text, value=value, root=root, has_null=builder.has_null, line_offset=offset)


def parse_value(data: bytes, *, file: str) -> tuple[Json, tuple[Diagnostic, ...]]:
    """Any YAML file as plain JSON values, with the same strictness; for scripts of `engine: scripted`."""
    found = Diagnostics()
    source = parse(data, file=file, found=found)
    return (None if source is None else source.value), tuple(found)
