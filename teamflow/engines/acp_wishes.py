"""Permission requests of ACP agents: what is wished, and which of the options offered means yes or no.

Decides by the kinds of the protocol (`execute`, `allow_once`), never by names or ids, which differ by agent. Whether
leave is given is `policy/permitting.py`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from teamflow.core.permissions import ALLOW, DENY, OTHER, RUN, Verdict, Wish, wished
from teamflow.core.plan import Json
from teamflow.core.shell import excerpt, shown
from teamflow.engines.acp_calls import Call
from teamflow.engines.mcp_names import MARK, is_given, written

_KINDS: Final = {
    "read": "read",
    "search": "read",
    "think": "read",
    "edit": "edit",
    "delete": "edit",
    "move": "edit",
    "execute": RUN,
    "fetch": "net",
}
_PATHS: Final = (
    "file_path", "filePath", "filepath", "fileName", "path", "notebook_path", "source", "destination", "from", "to",
    "oldPath", "newPath",
)  # fmt: skip
"""Inputs in which agents name the files that they change."""
_COMMANDS: Final = ("command", "cmd", "fullCommandText", "script")
_YES: Final = ("allow_once", "allow_always")
_NO: Final = ("reject_once", "reject_always")
_WIDTH: Final = 200
_REFUSED: Final = "somebody who was asked has refused it"


def wish_of(call: Call, *, servers: Collection[str], alone: bool = False) -> Wish:
    """What a tool call is about. `servers`: names of the MCP servers that the agent was given; `alone`: it has no
    others."""
    text = excerpt(call.title or call.tool or call.kind or "a tool", width=_WIDTH)
    tool = _tool_of(call, servers, alone=alone)
    if tool:
        return Wish("tool", text, tool=tool)
    kind = _KINDS.get(call.kind, OTHER)
    if kind == RUN:
        command, argv = _command(call)
        if not command:
            return Wish(OTHER, text)
        return Wish(RUN, wished(RUN, excerpt(command, width=_WIDTH)), command=command, argv=argv)
    if kind == "edit":
        paths = tuple(dict.fromkeys((*call.paths, *_named(call.input))))
        return Wish("edit", wished("edit", excerpt(", ".join(paths), width=_WIDTH)) or text, paths=paths)
    if kind == "read":
        return Wish("read", text, paths=call.paths)
    url = call.input.get("url")
    if kind == "net" and isinstance(url, str) and url:
        text = wished(kind, excerpt(url, width=_WIDTH))
    return Wish(kind, text)


def chosen(options: Json, *, allow: bool) -> Json:
    """The outcome to answer with. Once goes before always; where no option says it, the request is cancelled."""
    for kind in _YES if allow else _NO:
        for option in options if isinstance(options, list) else ():
            if isinstance(option, Mapping) and option.get("kind") == kind and isinstance(option.get("optionId"), str):
                return {"outcome": {"outcome": "selected", "optionId": option["optionId"]}}
    return CANCELLED


CANCELLED: Final[Json] = {"outcome": {"outcome": "cancelled"}}


def answer(options: Json, verdict: Verdict) -> Json:
    """The result to answer with. Why it is no has no place in it: that is kept beside it, for us alone."""
    found = chosen(options, allow=verdict.answer == ALLOW)
    if verdict.answer == ALLOW or not verdict.reason or not isinstance(found, Mapping):
        return found
    return {**found, "_meta": {"teamflow": {"reason": verdict.reason, "note": verdict.note}}}


def given(options: Json, result: Json) -> Verdict:
    """What `answer` has answered."""
    told = result if isinstance(result, Mapping) else {}
    yes = chosen(options, allow=True)
    if {"outcome": told.get("outcome")} == yes != CANCELLED:
        return Verdict(ALLOW)
    meta = told.get("_meta")
    kept = meta.get("teamflow") if isinstance(meta, Mapping) else None
    if not isinstance(kept, Mapping):
        return Verdict(DENY, _REFUSED)
    return Verdict(DENY, str(kept.get("reason") or _REFUSED), str(kept.get("note") or ""))


def refusal(*reasons: str) -> str:
    """What an agent is told of what it was refused, in a prompt: once each."""
    why = "; ".join(reason.rstrip(".") for reason in dict.fromkeys(reasons) if reason)
    return f"You have no leave for that{f': {why}' if why else ''}. Go on with your task without it."


def _command(call: Call) -> tuple[str, tuple[str, ...]]:
    for key in _COMMANDS:
        given = call.input.get(key)
        if isinstance(given, str) and given.strip():
            return given, ()
        if isinstance(given, list) and given and all(isinstance(word, str) for word in given):
            words = tuple(str(word) for word in given)
            return shown(words), words
    # Gemini tells a command by its title alone; one with an input of another shape is not known by what it says.
    return ("", ()) if call.input else (call.title, ())


def _named(given: Mapping[str, Json]) -> Iterator[str]:
    for key in _PATHS:
        value = given.get(key)
        if isinstance(value, str) and value:
            yield value


def _tool_of(call: Call, servers: Collection[str], *, alone: bool) -> str:
    """The tool of one of these servers that this is; empty: it is none."""
    if call.kind not in ("", "other"):
        return ""  # its title is a command, or a path
    names = (call.tool,) if call.tool else call.titles
    return next((name for name in names if _is_theirs(name, servers, alone=alone)), "")


def _is_theirs(name: str, servers: Collection[str], *, alone: bool) -> bool:
    if name.startswith(MARK):
        return is_given(name, servers, alone=alone)
    for known in {form for server in servers for form in (server, written(server))}:
        # Where the mark may be in both names, as with opencode, another server whose name begins with this one's cannot
        # be told apart.
        begins = (f"mcp_{known}_", f"{known}_", f"{known}-", f"{known}/", f"{known}:")
        if name.startswith(begins) or name.endswith(f" ({known} MCP Server)"):
            return True
    return False
