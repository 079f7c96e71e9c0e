"""Persona files: Markdown with YAML front matter, ours and those of Claude Code.

Decides how front matter is told from the body; what foreign keys mean is decided in `team/agent_file.py`. Refuses to
know where the persona is used.
"""

from __future__ import annotations

import json
import re
from typing import Final

from teamflow.core.diagnostics import Diagnostics
from teamflow.core.named import NamedTuple
from teamflow.team.agent_file import FOREIGN, our_keys
from teamflow.team.model import Persona
from teamflow.team.source import Source, Value, parse_text

_AGENTS: Final = "/.claude/agents/"
_FENCE = re.compile(r"---[ \t]*(\r\n|\r|\n)")
_END = re.compile(r"^---[ \t]*\r?$", re.M)
_LOOSE = re.compile(r"(name|description):[ \t]+(?![\"'|>&*!\[{])(\S.*?)[ \t]*(\r?)$", re.M)


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
    source_or_none = _front(text[opening.end() : closing.start()], file=file, found=found)
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


def _front(text: str, *, file: str, found: Diagnostics) -> Source | None:
    """The keys of a front matter. A description that is no YAML for its colons is taken as it stands, as is usual."""
    problems = Diagnostics()
    source = parse_text(text, file=file, found=problems, line_offset=1)
    if problems.has_errors:
        quoted = _LOOSE.sub(lambda line: f"{line[1]}: {json.dumps(line[2], ensure_ascii=False)}{line[3]}", text)
        again = Diagnostics()
        loosely = parse_text(quoted, file=file, found=again, line_offset=1) if quoted != text else None
        if loosely is not None and not again.has_errors:
            found.extend(again)
            return loosely
    found.extend(problems)
    return source


def _own_keys(front: dict[str, Value], source: Source, found: Diagnostics) -> dict[str, Value]:
    """`front` with the keys of Claude Code turned into ours; in a file of theirs, unknown ones are newer than this."""
    unknown = set() if _AGENTS not in f"/{source.file}" else {key for key in front if not _known(key)}
    keys = {key: value for key, value in front.items() if key not in FOREIGN and key not in unknown}
    if keys.get("model") == "inherit":
        del keys["model"]
    if keys.get("isolation") == "worktree":
        keys["workspace"] = {"mode": "worktree"}
        del keys["isolation"]
    foreign = our_keys(front)
    for key, value in foreign.keys.items():
        own = keys.get(key)
        keys[key] = {**value, **own} if isinstance(own, dict) and isinstance(value, dict) else keys.get(key, value)
    for key, lost, hint in foreign.lost:
        found.warn("foreign-key", f'"{key}" of this agent file {lost}', source.key_span((key,)), hint=hint)
    for key in sorted(unknown):
        found.warn(
            "foreign-key", f'"{key}" of this agent file is not known here and is left out', source.key_span((key,))
        )
    return keys


def _known(key: str) -> bool:
    fields = Persona.model_fields
    return key in FOREIGN or key in fields or key.startswith("x-") or any(key == one.alias for one in fields.values())
