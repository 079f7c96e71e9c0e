"""What Codex asks its client for, as wishes to be judged, and how it is answered. Every request has an answer.

Decides what a request is about, not whether it is granted (`policy/permitting.py`).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.core.permissions import ALLOW, DENY, EDIT, NET, RUN, Verdict, Wish, wished
from teamflow.core.plan import Json
from teamflow.core.shell import excerpt
from teamflow.engines.codex_items import changed_paths, list_of, table_of, text_of

COMMAND: Final = "item/commandExecution/requestApproval"
CHANGE: Final = "item/fileChange/requestApproval"
GRANT: Final = "item/permissions/requestApproval"
ELICITATION: Final = "mcpServer/elicitation/request"
QUESTIONS: Final = "item/tool/requestUserInput"
CALL: Final = "item/tool/call"
OLD_COMMAND: Final = "execCommandApproval"
OLD_CHANGE: Final = "applyPatchApproval"

_NOBODY: Final = "Nobody can answer while this runs: decide yourself, and say in your final message what you assumed."
_SHELL_WORDS: Final = frozenset(("-c", "-lc"))
_WIDTH: Final = 200


class Known(NamedTuple):
    """What a request may refer to. `changes`: items of changed files by id. `escapes`: whether a command is only asked
    about because it is to run outside of the sandbox; `escaping`: ids of those that are known to. `servers`: names of
    the MCP servers that the team gave."""

    changes: Mapping[str, Mapping[str, Json]]
    escapes: bool
    escaping: Collection[str]
    servers: Collection[str]


def wish(method: str, params: Mapping[str, Json], known: Known) -> Wish | None:
    """What is asked leave for; None: nothing that could be granted, see `unasked`."""
    match method:
        case "item/commandExecution/requestApproval":
            return _command(params, known)
        case "item/fileChange/requestApproval":
            return _change(list(changed_paths(known.changes.get(text_of(params.get("itemId")), {}))), params)
        case "item/permissions/requestApproval":
            wanted = json.dumps(params.get("permissions"), sort_keys=True)
            return Wish("other", _said(f"more permissions: {excerpt(wanted, width=_WIDTH)}", params))
        case "mcpServer/elicitation/request":
            return _tool(params, known)
        case "execCommandApproval":
            words = [text_of(word) for word in list_of(params.get("command"))]
            text = words[2] if len(words) == 3 and words[1] in _SHELL_WORDS else shlex.join(words)
            return _run(text, params, escapes=known.escapes)
        case "applyPatchApproval":
            files = table_of(params.get("fileChanges"))
            moved = [text_of(table_of(change).get("move_path")) for change in files.values()]
            return _change([*files, *filter(None, moved)], params)
        case _:
            return None


def _command(params: Mapping[str, Json], known: Known) -> Wish:
    network = table_of(params.get("networkApprovalContext"))
    if network:
        return Wish(NET, wished(NET, f"{text_of(network.get('protocol'))}://{text_of(network.get('host'))}"))
    script = script_of(text_of(params.get("command")))
    if params.get("kind") not in (None, "command"):
        return Wish("other", _said(f"input for a command that runs: {excerpt(script, width=_WIDTH)}", params))
    # Only what is to run outside has a reason given; but it need not have one.
    escaping = text_of(params.get("itemId")) in known.escaping or bool(params.get("reason"))
    return _run(script, params, escapes=known.escapes or escaping)


def _run(script: str, params: Mapping[str, Json], *, escapes: bool) -> Wish:
    if escapes:
        text = f"run outside of the sandbox: {excerpt(script, width=_WIDTH)}"
        return Wish("other", _said(text, params), command=script)
    return Wish("run", _said(wished(RUN, excerpt(script, width=_WIDTH)), params), command=script)


def script_of(command: str) -> str:
    """What a shell is to run, of `/bin/bash -lc '…'`."""
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    return words[2] if len(words) == 3 and words[1] in _SHELL_WORDS else command


def _change(paths: Sequence[str], params: Mapping[str, Json]) -> Wish:
    root = text_of(params.get("grantRoot"))
    if root:
        return Wish("other", _said(f"edit whatever lies below {root}", params), tuple(paths))
    return Wish("edit", _said(wished(EDIT, excerpt(", ".join(paths), width=_WIDTH) or "files"), params), tuple(paths))


def _tool(params: Mapping[str, Json], known: Known) -> Wish | None:
    about = table_of(params.get("_meta"))
    if about.get("codex_approval_kind") != "mcp_tool_call":
        return None
    server, name = text_of(params.get("serverName")), text_of(about.get("tool_name"))
    kind = "tool" if server in known.servers else "other"
    return Wish(kind, f"use {name} of the MCP server {server}", tool=f"{server}/{name}")


def _said(text: str, params: Mapping[str, Json]) -> str:
    reason = excerpt(text_of(params.get("reason")), width=_WIDTH)
    return f"{text} ({reason})" if reason else text


def result(method: str, params: Mapping[str, Json], verdict: Verdict) -> Json:
    """The answer to what `wish` has found."""
    yes = verdict.answer == ALLOW
    match method:
        case "item/permissions/requestApproval":
            wanted = {key: value for key, value in table_of(params.get("permissions")).items() if value is not None}
            return {"permissions": wanted if yes else {}, "scope": "turn"}
        case "mcpServer/elicitation/request":
            return {"action": "accept", "content": {}} if yes else {"action": "decline"}
        case "execCommandApproval" | "applyPatchApproval":
            return {"decision": "approved" if yes else {"denied": {"rejection": verdict.reason or "not allowed"}}}
        case _:
            return {"decision": "accept" if yes else "decline"}


def is_no(method: str, told: Json) -> bool:
    """Whether a `result` has refused it."""
    return told == result(method, {}, Verdict(DENY)) if method == GRANT else told != result(method, {}, Verdict(ALLOW))


def unasked(method: str, params: Mapping[str, Json]) -> Json:
    """The answer to what no person is asked; None: it is refused, as a method that is not known here."""
    match method:
        case "mcpServer/elicitation/request":
            return {"action": "decline"}
        case "item/tool/requestUserInput":
            questions = [text_of(table_of(one).get("id")) for one in list_of(params.get("questions"))]
            return {"answers": {name: {"answers": [_NOBODY]} for name in questions if name}}
        case "item/tool/call":
            told = {"type": "inputText", "text": "there is no such tool"}
            return {"contentItems": [told], "success": False}
        case _:
            return None
