"""Persona files: Markdown with YAML front matter, ours and those of Claude Code.

Decides how front matter is told from the body and what foreign keys mean; refuses to know where the persona is
used. What has no counterpart here is named in a warning, never dropped in silence.
"""

from __future__ import annotations

import re

from teamflow.core.diagnostics import Diagnostics
from teamflow.core.named import NamedTuple
from teamflow.team.source import Source, Value, parse_text

_FENCE = re.compile(r"---[ \t]*(\r\n|\r|\n)")
_END = re.compile(r"^---[ \t]*$", re.M)
_FOREIGN = frozenset(
    ("name", "tools", "disallowedTools", "color", "permissionMode", "mcpServers", "skills", "memory", "maxTurns")
    + ("background", "effort", "initialPrompt", "hooks")
)
_HARMLESS = frozenset(("name", "color"))
_READING = frozenset(("Read", "Grep", "Glob", "LS", "WebFetch", "WebSearch", "TodoWrite", "NotebookRead"))


class PersonaFile(NamedTuple):
    """Front matter as keys of a persona, body as its instructions; `source` places the keys."""

    keys: dict[str, Value]
    source: Source


def parse_persona(text: str, *, file: str, found: Diagnostics) -> PersonaFile | None:
    """The persona in a Markdown file, or None with complaints."""
    opening = _FENCE.match(text)
    if opening is None:
        keys: dict[str, Value] = {"instructions": text.strip("\r\n")} if text.strip() else {}
        return PersonaFile(keys, Source(file, text, value=keys, root=None))
    closing = _END.search(text, opening.end())
    if closing is None:
        source = Source(file, text, value=None, root=None)
        found.error(
            "bad-front-matter",
            "the front matter is never closed",
            source.key_span(()),
            hint="Close it with a line ---.",
        )
        return None
    source_or_none = parse_text(text[opening.end() : closing.start()], file=file, found=found, line_offset=1)
    if source_or_none is None:
        return None
    source = source_or_none
    source.text = text
    if source.value is not None and not isinstance(source.value, dict):
        found.error("bad-front-matter", "front matter is a map of keys", source.value_span(()))
        return None
    body = text[closing.end() :].strip("\r\n")
    keys = _own_keys(source.value or {}, source, found)
    if body.strip():
        keys.setdefault("instructions", body)
    return PersonaFile(keys, source)


def _own_keys(front: dict[str, Value], source: Source, found: Diagnostics) -> dict[str, Value]:
    """`front` with the keys of Claude Code turned into ours."""
    keys = {key: value for key, value in front.items() if key not in _FOREIGN}
    if keys.get("model") == "inherit":
        del keys["model"]
    if keys.get("isolation") == "worktree":
        keys["workspace"] = {"mode": "worktree"}
        del keys["isolation"]
    tools = front.get("tools")
    if isinstance(tools, str):
        tools = [word.strip() for word in tools.split(",")]
    if isinstance(tools, list) and "permissions" not in keys and all(tool in _READING for tool in tools):
        keys["permissions"] = "read"
    for key in front:
        if key in _FOREIGN and key not in _HARMLESS and not (key == "tools" and keys.get("permissions") == "read"):
            found.warn(
                "foreign-key",
                f'the key "{key}" of this agent file has no counterpart here and is left out',
                source.key_span((key,)),
                hint="Say what the agent may do with permissions.",
            )
    return keys
