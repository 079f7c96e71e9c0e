"""What the dialects share: a call as it was asked, an answer before it is in its dialect, a stream in two halves.

Refuses to know any dialect and how bytes travel.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.fakes.models.script import Usage


class Offered(NamedTuple):
    """A tool of a call. `custom`: takes free text. In a `namespace`, `name` is what it is called there."""

    parameters: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    custom: bool = False
    namespace: str = ""
    name: str = ""


def offered(schema: dict[str, Any] | None, **more: Any) -> Offered:
    """A tool with parameters by JSON schema."""
    given = schema or {}
    return Offered(tuple(given.get("properties") or ()), tuple(given.get("required") or ()), **more)


@dataclass
class Ask:
    """One model call, read from its dialect."""

    dialect: str
    model: str
    stream: bool
    tools: dict[str, Offered] = field(default_factory=dict)
    schema: dict[str, Any] | None = None
    first: str = ""
    """The text of the first message of the user: which script plays may stand in it."""
    length: int = 0
    """Messages so far: it makes ids different from those of an earlier server in a resumed conversation."""
    whole: str = ""
    """All that was sent, as text."""


class Made(NamedTuple):
    """A call with the tool that was found for it. `arguments` is text where the tool takes free text."""

    id: str
    name: str
    arguments: dict[str, Any] | str
    namespace: str = ""


class Answer(NamedTuple):
    id: str
    text: str
    calls: tuple[Made, ...]
    usage: Usage


class Halves(NamedTuple):
    """A stream, parted where it can be held or cut: something has been said, and no item is complete."""

    head: bytes
    tail: bytes


class Refusal(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def event(data: dict[str, Any], *, named: bool = True) -> bytes:
    """A server-sent event; `named` takes its name from the data's `type`."""
    head = f"event: {data['type']}\n" if named and "type" in data else ""
    return f"{head}data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def in_two(text: str) -> tuple[str, str]:
    middle = max(1, len(text) // 2)
    return text[:middle], text[middle:]


def texts(content: Any) -> str:
    """The text in a message's content: a string, or a list of parts that have `text`."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(str(part["text"]) for part in content if isinstance(part, dict) and "text" in part)


def sample(schema: Any) -> Any:
    """The least value that a JSON schema of a side call asks for: enough for titles, classes and routes."""
    if not isinstance(schema, dict):
        return {}
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = str(kind[0] if isinstance(kind, list) else kind).lower()
    if kind == "object":
        asked = schema.get("required") or list(schema.get("properties", {}))
        return {name: sample(schema.get("properties", {}).get(name)) for name in asked}
    least = schema.get("minimum", 1)  # Of scores, the lowest is mostly 1.
    return {"array": [], "number": least, "integer": least, "boolean": False, "null": None}.get(kind, "side answer")
