"""Agent files of Claude Code in our words: what their front matter comes to as keys of a persona.

Decides what each of their keys means here. Nothing is granted that the file does not grant there: a tool that is not
listed is not to be had, and `bypassPermissions` gives nothing, for who may do everything is said in the team file. What
has no counterpart is named in a warning, never dropped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from teamflow.core.command_words import first_words
from teamflow.core.named import NamedTuple
from teamflow.team.source import Value

FOREIGN: Final = frozenset(
    ("name", "tools", "disallowedTools", "color", "permissionMode", "mcpServers", "skills", "memory", "maxTurns")
    + ("background", "effort", "initialPrompt", "hooks")
)
"""Keys that only their files have."""

_HARMLESS: Final = frozenset(("name", "color"))
_READING: Final = frozenset(
    ("Read", "Grep", "Glob", "LS", "WebFetch", "WebSearch", "TodoWrite", "TodoRead", "NotebookRead", "BashOutput")
)
_EDITING: Final = frozenset(("Edit", "MultiEdit", "Write", "NotebookEdit"))
_MODELS: Final = ("opus", "sonnet", "haiku", "claude-")
_RULE: Final = re.compile(r"Bash\(([^()]*)\)\Z")
_LOOKING: Final = re.compile(
    r"(git (diff|log|show|status|blame|grep|ls-files|shortlog|rev-parse)|ls|cat|head|tail|wc|grep|rg|find|tree|pwd)\b"
)
"""Commands that are listed to look; which uses of them do is decided when one is run."""
_GRANT: Final = "Say what the agent may do with permissions."


class Foreign(NamedTuple):
    """`keys`: ours that theirs come to. `lost`: (key, what was lost of it, what to do)."""

    keys: dict[str, Value]
    lost: tuple[tuple[str, str, str], ...]


def our_keys(front: Mapping[str, Value]) -> Foreign:
    """What the keys in FOREIGN, `model` and `isolation` of a front matter come to; its other keys are ours already."""
    keys: dict[str, Value] = {}
    lost: list[tuple[str, str, str]] = []
    if any(key in FOREIGN for key in front):
        _take_model(front, keys)
    _take_permissions(front, keys, lost)
    turns = front.get("maxTurns")
    if isinstance(turns, int) and not isinstance(turns, bool) and turns > 0:
        keys["guards"] = {"turns": turns}
    elif turns is not None:
        lost.append(("maxTurns", "is no number of turns", "Write guards: {turns: 50}."))
    _take_servers(front, keys, lost)
    taken = ("tools", "disallowedTools", "permissionMode", "maxTurns", "mcpServers")
    for key in front:
        if key in FOREIGN and key not in _HARMLESS and key not in taken:
            lost.append((key, "has no counterpart here and is left out", "Remove it, or do without it."))
    return Foreign(keys, tuple(lost))


def _take_model(front: Mapping[str, Value], keys: dict[str, Value]) -> None:
    """A model of theirs is one of the engine `claude`, whatever the team's other agents run on."""
    model = front.get("model")
    if isinstance(model, str) and model.startswith(_MODELS) and "engine" not in front:
        keys["engine"] = "claude"


# -- permissions -------------------------------------------------------------------------------------------------


def _take_permissions(front: Mapping[str, Value], keys: dict[str, Value], lost: list[tuple[str, str, str]]) -> None:
    """`tools`, `disallowedTools` and `permissionMode`; the team's own `permissions` win over all of them."""
    if "permissions" in front:
        return
    allowed, denied = _words(front.get("tools")), _words(front.get("disallowedTools"))
    for key, words in (("tools", allowed), ("disallowedTools", denied)):
        if key in front and words is None:
            lost.append((key, "is no list of tools", _GRANT))
    granted: Value = None
    if allowed is not None and "*" not in allowed:
        granted = _granted([word for word in allowed if word not in (denied or ())], lost)
        if denied and any("(" in word for word in denied):
            lost.append(("disallowedTools", "denies single uses of a tool, which is left out", _GRANT))
    elif denied:
        granted = _denied(denied, lost)
    granted = _in_mode(front.get("permissionMode"), granted, lost)
    if granted is not None:
        keys["permissions"] = granted


def _in_mode(mode: Value, granted: Value, lost: list[tuple[str, str, str]]) -> Value:
    """What is granted under a `permissionMode`, which takes away and never gives."""
    if mode == "plan":
        return "read"
    if mode == "dontAsk" and granted != "read":
        return {**(granted if isinstance(granted, dict) else {}), "ask": "deny"}
    if mode not in (None, "default", "acceptEdits", "dontAsk"):
        words = f"{str(mode)[:40]} gives nothing here"
        lost.append(("permissionMode", words, "Write permissions: full, if you mean it."))
    return granted


def _granted(tools: Sequence[str], lost: list[tuple[str, str, str]]) -> Value:
    """What exactly these tools allow."""
    edits = any(tool in _EDITING for tool in tools)
    rules = [_command(tool) for tool in tools if tool.startswith("Bash(")]
    other = [
        tool
        for tool in tools
        if tool not in _READING and tool not in _EDITING and tool != "Bash" and _command(tool) is None
    ]
    if other:
        named = ", ".join(word[:40] for word in other[:5])
        lost.append(("tools", f"has {named}, which is not handed out here one by one", _GRANT))
    if "Bash" in tools:
        if not edits:
            words = "has Bash and nothing to edit with: commands change files, so it may edit here"
            lost.append(("tools", words, "Write permissions: read, if it is to look only."))
        return "edit"
    run: list[Value] = [rule for rule in rules if rule]
    if edits:
        return {"run": run}
    return "read" if all(_LOOKING.match(str(rule)) for rule in run) else {"edit": [], "run": run}


def _denied(tools: Sequence[str], lost: list[tuple[str, str, str]]) -> Value:
    """What all tools but these allow."""
    edits, runs = not {"Edit", "Write"} <= set(tools), "Bash" not in tools
    told = {"Bash", *_EDITING} if not edits else {"Bash"}
    other = [tool for tool in tools if tool not in told]
    if other:
        named = ", ".join(word[:40] for word in other[:5])
        lost.append(("disallowedTools", f"has {named}, which cannot be denied here by itself", _GRANT))
    if not edits and runs:
        words = "denies tools to edit and no commands, which change files as well: it may edit here"
        lost.append(("disallowedTools", words, _GRANT))
    if runs:
        return None
    return {"run": []} if edits else "read"


def _command(tool: str) -> str | None:
    """The first words of the commands that `Bash(git diff:*)` allows; None for other tools and rules."""
    found = _RULE.match(tool)
    words = found[1].removesuffix(":*").removesuffix(" *").strip() if found else ""
    return words if first_words(words) else None


def _words(given: Value) -> list[str] | None:
    """A list of tools, or one text of them with commas; those in parentheses separate nothing. None: neither."""
    if isinstance(given, str):
        return [word.strip() for word in re.split(r",(?![^()]*\))", given) if word.strip()]
    if isinstance(given, list) and all(isinstance(word, str) for word in given):
        return [str(word).strip() for word in given]
    return None


# -- MCP servers -------------------------------------------------------------------------------------------------


def _take_servers(front: Mapping[str, Value], keys: dict[str, Value], lost: list[tuple[str, str, str]]) -> None:
    """Servers that the file describes; those that it only names are the user's own, and stay so."""
    given = front.get("mcpServers")
    if given is None or "mcp_servers" in front:
        return
    found: dict[str, Value] = {}
    named: list[str] = []
    for entry in _entries(given):
        if isinstance(entry, dict) and all(isinstance(server, dict) for server in entry.values()):
            found.update(entry)
        else:
            named.append(str(entry)[:40])
    if found:
        keys["mcp_servers"] = found
    if named:
        words = f"names {', '.join(named[:5])}, and does not say what to start"
        lost.append(("mcpServers", words, "Describe the server under mcp_servers."))


def _entries(given: Value) -> Iterable[Value]:
    return given if isinstance(given, list) else [given]
