"""Claude Code's tools: which it is not offered, which it has to ask about, and what it wishes when it asks.

Knows names and arguments of tools, and no rule: whether a wish is granted is decided in `policy/permitting.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final

from teamflow.core.invocation import Brief
from teamflow.core.permissions import DENY, EDIT, FULL, NET, OTHER, READ, RUN, TOOL, Permissions, Wish, wished
from teamflow.core.plan import Json
from teamflow.core.shell import excerpt
from teamflow.engines.doing import edited, fetched, looked_at, ran, searched, used
from teamflow.engines.mcp_names import is_given

ABSENT: Final = (
    # These wait for a person at a terminal,
    *("AskUserQuestion", "EnterPlanMode", "ExitPlanMode"),
    # leave the workspace,
    *("EnterWorktree", "ExitWorktree"),
    # or come back when the step is over.
    *("CronCreate", "CronDelete", "CronList", "ScheduleWakeup"),
)
"""Tools that no step has."""

_EDITS: Final = ("Edit", "Write", "NotebookEdit")
_NETS: Final = ("WebFetch", "WebSearch")
_PATHS: Final = ("file_path", "notebook_path", "path")
_KINDS: Final = {
    **dict.fromkeys(("Read", "Glob", "Grep", "LS", "NotebookRead"), READ),
    **dict.fromkeys((*_EDITS, "MultiEdit"), EDIT),
    **dict.fromkeys(_NETS, NET),
    "Bash": RUN,
    # These do nothing outside by themselves; what sub-agents do is asked for, too.
    **dict.fromkeys(("Agent", "Task", "Skill", "StructuredOutput", "TodoWrite"), TOOL),
    **dict.fromkeys(("TaskCreate", "TaskGet", "TaskList", "TaskOutput", "TaskStop", "TaskUpdate"), TOOL),
}
_LONGEST: Final = 200


def withheld(grants: Permissions) -> tuple[str, ...]:
    """Tools that it is not offered: better than to have a model try what is denied."""
    if grants.level == FULL:
        return ABSENT
    edits = () if grants.may_edit else _EDITS
    nets = _NETS if grants.net == DENY else ()
    return (*ABSENT, *edits, *nets)


def asked_about(grants: Permissions) -> tuple[str, ...]:
    """Tools that it has to ask about, whatever other settings allow."""
    gone = withheld(grants)
    return tuple(name for name in ("Bash", *_EDITS, *_NETS) if name not in gone)


def held(grants: Permissions) -> dict[str, Json]:
    """Settings that go before the user's and the project's: what is asked about, and that no hook of theirs answers in
    our place."""
    return {"disableAllHooks": True, "permissions": {"ask": [*asked_about(grants), "mcp__*"]}}


def wish_of(name: str, given: Mapping[str, Json], *, servers: Iterable[str], alone: bool = False) -> Wish:
    """What a tool is to do. `servers`: the MCP servers that the team gave it; `alone`: it has no others."""
    kind = TOOL if is_given(name, servers, alone=alone) else _KINDS.get(name, OTHER)
    paths = tuple(value for key in _PATHS if isinstance(value := given.get(key), str) and value)
    command = given.get("command") if kind == RUN else ""
    command = command if isinstance(command, str) else ""
    url = given.get("url")
    what = {RUN: command, EDIT: ", ".join(paths), NET: url if isinstance(url, str) else ""}.get(kind, "").strip()
    text = wished(kind, excerpt(what, width=_LONGEST)) or described(name, given)
    return Wish(kind, text, paths=paths, command=command, tool=name)


_HOUSEKEEPING: Final = frozenset(
    ("TodoWrite", "TaskCreate", "TaskGet", "TaskList", "TaskUpdate", "TaskOutput", "StructuredOutput", "ToolSearch")
)
"""Tools with which it only keeps its own lists, or gives its result: progress and outcome tell of them."""


def words_of(name: str, given: Mapping[str, Json], brief: Brief) -> str | None:
    """What a call does, for people (`Called.words`)."""
    if name in _HOUSEKEEPING:
        return None
    texts = {key: value for key, value in given.items() if isinstance(value, str)}
    paths = [texts[key] for key in _PATHS if texts.get(key)]
    match _KINDS.get(name), name:
        case (_, "Glob" | "Grep" | "WebSearch"):
            told = searched(texts.get("pattern") or texts.get("query") or "")
        case (kind, _) if kind == RUN:
            told = ran(texts.get("command", ""))
        case (kind, _) if kind == EDIT:
            told = edited(paths, brief)
        case (kind, _) if kind == READ:
            told = looked_at(paths, brief)
        case (kind, _) if kind == NET:
            told = fetched(texts.get("url", ""))
        case _:
            server, _, tool = name.removeprefix("mcp__").partition("__") if name.startswith("mcp__") else ("", "", "")
            told = used(tool, server)
    return told or f"{'start an agent' if name in ('Agent', 'Task') else name}: {_told(given)}".removesuffix(": ")


def described(name: str, given: Mapping[str, Json]) -> str:
    """A call in a line for people: `Bash: touch x`, `Edit: src/a.py`."""
    told = _told(given)
    return f"{name}: {excerpt(told, width=_LONGEST)}" if told else name


def _told(given: Mapping[str, Json]) -> str:
    """What of its arguments says most, uncut."""
    for key in ("command", *_PATHS, "url", "query", "pattern", "description", "prompt"):
        value = given.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return json.dumps(given, ensure_ascii=False, sort_keys=True) if given else ""
