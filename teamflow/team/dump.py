"""Settled settings as YAML that reads back as the same values, with the origin of each as a comment.

Decides layout and quoting: one line for what fits, blocks for texts of several lines. What this format's reader takes
for something else than text is quoted, and nothing in the result can steer a terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

import yaml
from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from teamflow.core.plan import Json
from teamflow.team.composer import Nodes, compose
from teamflow.team.effective import BUILT, DEFAULT, PERSONA, Node, Origin, Setting
from teamflow.team.source import MAX_DEPTH
from teamflow.team.yaml_scalars import BadNumber, plain

_SHORT: Final = 100
"""Characters that a map or list may take on one line."""
_NEVER: Final = 2**30
"""A width at which no line is folded: a comment goes behind a whole value."""
_TAG: Final = "tag:yaml.org,2002:"

_UNSAFE: Final = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]")
_ODD: Final = re.compile(r"[\x00-\x08\x0b-\x1f]|" + _UNSAFE.pattern)


def to_yaml(settings: Mapping[str, Node]) -> str:
    """The settings as a YAML document, each with `# its origin`."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.serialize(_map(settings), Dumper=dumper, allow_unicode=True, width=_NEVER)
    text = _UNSAFE.sub(_escaped, text)
    lines = text.split("\n")
    for line, origin in _places(settings, compose(text, max_depth=MAX_DEPTH)):
        lines[line] += f"  # {words(origin)}"
    return "\n".join(lines)


def words(origin: Origin) -> str:
    """`team.yaml:7, defaults` and the like, on one line."""
    if origin.kind == BUILT:
        return BUILT
    place = f"{origin.file}:{origin.line}" if origin.line is not None else str(origin.file)
    who = {PERSONA: f", persona {origin.persona}", DEFAULT: ", defaults"}.get(origin.kind, "")
    return (place if place.isprintable() else json.dumps(place)) + who


def _places(settings: Mapping[str, Node], made: Nodes) -> Iterator[tuple[int, Origin]]:
    """(line of the key, origin) of every setting, by the text that was made of them."""
    assert isinstance(made, MappingNode), "settings are a map"
    for (key, value), node in zip(made.value, settings.values(), strict=True):
        if isinstance(node, Setting):
            yield key.start_mark.line, node.origin
        else:
            yield from _places(node, value)


def _map(settings: Mapping[str, Node]) -> MappingNode:
    pairs = [
        (_key(name), _value(node.value) if isinstance(node, Setting) else _map(node)) for name, node in settings.items()
    ]
    return MappingNode(f"{_TAG}map", pairs, flow_style=False)


def _value(value: Json) -> MappingNode | SequenceNode | ScalarNode:
    match value:
        case None | bool() | int():
            kind = {type(None): "null", bool: "bool"}.get(type(value), "int")
            return ScalarNode(f"{_TAG}{kind}", json.dumps(value))
        case float():
            digits, e, power = repr(value).partition("e")
            return ScalarNode(f"{_TAG}float", f"{digits}{'' if '.' in digits else '.0'}{e}{power}")
        case str():
            return _text(value)
        case Mapping():
            pairs = [(_key(name), _value(item)) for name, item in value.items()]
            return MappingNode(f"{_TAG}map", pairs, flow_style=_is_short(value))
        case _:
            return SequenceNode(f"{_TAG}seq", [_value(item) for item in value], flow_style=_is_short(value))


def _is_short(value: Json) -> bool:
    return len(json.dumps(value, ensure_ascii=False)) <= _SHORT


def _key(name: str) -> ScalarNode:
    return ScalarNode(f"{_TAG}str", name, style='"') if "\n" in name else _text(name)


def _text(text: str) -> ScalarNode:
    style = None
    if _ODD.search(text):
        style = '"'
    elif "\n" in text:
        style = "|"
    else:
        try:
            style = None if isinstance(plain(text), str) else "'"
        except BadNumber:
            style = "'"
    return ScalarNode(f"{_TAG}str", text, style=style)


def _escaped(found: re.Match[str]) -> str:
    """As an escape of double quotes, in which such characters stand."""
    return f"\\u{ord(found.group()):04x}"
