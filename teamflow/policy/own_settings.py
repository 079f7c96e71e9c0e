"""Files in which a project keeps settings of agent CLIs, and which of them a team means to have changed. Pure.

They start programs outside of every fence (hooks, plugins, MCP and language servers), or widen what an agent may do. So
a change of one is nothing that a pattern like `**` allows: it has to be named. What is only text for a model
(AGENTS.md, `.github/copilot-instructions.md`) is not among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from teamflow.core.globs import PatternError, covers, parse

NAMES: Final = frozenset(
    (".claude", ".claude.json", ".mcp.json", ".codex", ".gemini", ".opencode", "opencode.json", "opencode.jsonc",
     ".copilot", ".lsp.json", ".cursor", ".vscode")
)  # fmt: skip
"""Files and directories, wherever they lie: a step may work in any directory."""
BELOW: Final = {
    ".github": frozenset(("hooks", "copilot", "extensions", "agents", "mcp.json", "lsp.json")),
}
"""Directories of which only these are settings of agents."""

_IGNORED: Final = dict.fromkeys((*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF))
"""Characters that some file systems leave out of names."""


def folded(name: str) -> str:
    """A name as a file system that is not particular about names reads it."""
    plain = name.translate(_IGNORED).casefold().rstrip(" .") or name
    return ".git" if plain == "git~1" else plain.partition(":")[0]


def setting_in(path: str) -> str:
    """The first part of a relative path that is a setting of agents (`.claude`, `.github/hooks`), as its name is known
    here; empty: it is none. A file or link in the place of `.github` is one: it could bring all of them."""
    parts = [folded(part) for part in path.split("/")]
    for at, part in enumerate(parts):
        if part in NAMES:
            return part
        if part in BELOW:
            if at + 1 == len(parts):
                return part
            if parts[at + 1] in BELOW[part]:
                return f"{part}/{parts[at + 1]}"
    return ""


def is_named(path: str, *lists: Sequence[str]) -> bool:
    """Whether one of the lists of patterns stands for the path, by a pattern that has its setting in so many words."""
    setting = setting_in(path).split("/")
    return any(_holds(pattern, setting) and is_covered((pattern,), path) for pattern in _each(lists)) and any(
        is_covered(patterns, path) for patterns in lists
    )


def _each(lists: Iterable[Sequence[str]]) -> Iterable[str]:
    return (pattern for patterns in lists for pattern in patterns if not pattern.startswith("!"))


def _holds(pattern: str, setting: Sequence[str]) -> bool:
    try:
        segments = parse(pattern).segments
    except PatternError:
        return False
    names, size = [folded(segment) for segment in segments], len(setting)
    return any(names[at : at + size] == list(setting) for at in range(len(names) - size + 1))


def is_covered(patterns: Sequence[str], path: str) -> bool:
    """Whether patterns for files that an agent may edit allow this one."""
    try:
        return covers(patterns, path)
    except PatternError:  # what they allow cannot be told
        return False
