"""What people write who come from other tools, and what it is here: hints behind an error, never another reading.

Decides words only; that something is wrong was found by others. The words are those of GitHub Actions, GitLab CI,
compose and of agent CLIs' own settings.
"""

from __future__ import annotations

from typing import Final

from teamflow.core.diagnostics import did_you_mean
from teamflow.team.source import Path, Value

_KEYS: Final = {
    "needs": "depends_on",
    "after": "depends_on",
    "dependencies": "depends_on",
    "environment": "env",
    "variables": "env",
    "vars": "env",
    "jobs": "agents",
    "services": "agents",
    "steps": "agents",
    "tasks": "agents",
    "run": "command",
    "script": "command",
    "cmd": "command",
    "system_prompt": "instructions",
    "when": "if",
    "until": "loop",
    "retries": "retry",
    "mcpServers": "mcp_servers",
    "mcp": "mcp_servers",
    "timeout-minutes": "timeout",
    "working-directory": "workdir",
    "working_dir": "workdir",
    "cwd": "workdir",
    "baseUrl": "base_url",
}
"""A key as it is called elsewhere -> as it is called here."""

_VALUES: Final[dict[tuple[str, str], str]] = {
    ("permissions", "write"): 'Write "edit".',
    ("permissions", "all"): 'Write "full".',
    ("permissions", "read-only"): 'Write "read".',
    ("permissions", "plan"): 'Write "read".',
    ("permissions", "acceptEdits"): 'Write "edit".',
    ("permissions", "bypassPermissions"): 'Write "full".',
    ("net", "false"): 'Write "deny".',
    ("net", "off"): 'Write "deny".',
    ("net", "no"): 'Write "deny".',
    ("net", "true"): 'Write "allow".',
    ("net", "on"): 'Write "allow".',
    ("output", "jsonl"): 'Write "json-lines".',
    ("output", "ndjson"): 'Write "json-lines".',
}
"""(key, its value as written) -> hint."""


def key_hint(word: str, known: list[str]) -> str | None:
    """For a key that is not there: what it is called here, else the nearest, else all that there are."""
    here = _KEYS.get(word)
    if here in known:
        return f'did you mean "{here}"?'
    return did_you_mean(word, known) or (f"The keys here are: {', '.join(sorted(known))}." if known else None)


def value_hint(path: Path, value: Value, wanted: list[str]) -> str | None:
    """For a value of the wrong type or word; `wanted`: what would be right there, as errors say it ("a list")."""
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    word = str(value).lower() if isinstance(value, bool) else str(value)
    if hint := _VALUES.get((key, word)):
        return hint
    if key == "retry" and isinstance(value, int) and not isinstance(value, bool) and path[-1] == key:
        return f"Write {{attempts: {value}}}."
    if wanted == ["a list"] and isinstance(value, str) and value and path[-1] == key:
        return f"Write a list: [{_as_item(value)}]"
    if key == "verify" and isinstance(value, list):
        return "Each entry is one command, as a text."
    return None


def _as_item(text: str) -> str:
    plain = len(text) <= 40 and not set(text) & set("[]{},:#&*!|>'\"%@`\n\\") and text == text.strip()
    return text if plain else '"…"'
