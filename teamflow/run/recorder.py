"""The flight recorder: beside what an agent prints (`.log`, `.err`) and is told while it works (`.in.log`), what it was
told at its beginning, and which limits its CLI keeps itself.

A session that is fed a recorded stream needs that to know its own words again, a runner that takes over a process to
know what that stops at. Besides the limits only what `core/takes` names is kept: no environment, no MCP servers, which
may hold secrets of the user's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from teamflow.core.invocation import Brief, Invocation
from teamflow.core.plan import Json
from teamflow.core.takes import BRIEF_FIELDS, Told
from teamflow.run.talk import read_inputs

ENDING = ".brief.json"
_LIMITS: Final = ("usd", "turns")


def noted(invocation: Invocation, brief: Brief) -> Invocation:
    """The invocation, with a file that says what the agent is told."""
    text = json.dumps({name: getattr(brief, name) for name in (*BRIEF_FIELDS, *_LIMITS)})
    return invocation._replace(files=(*invocation.files, (f"{brief.stem}{ENDING}", text)))


def read_brief(path: str) -> Mapping[str, Json]:
    """What `noted` wrote, as far as it is whole; empty where there is nothing."""
    return brief_fields(_read(path))


def limited_as_begun(brief: Brief) -> Brief:
    """The brief of an attempt that another runner has begun: its process keeps the limits that it was given then."""
    found = _read(f"{brief.stem}{ENDING}")
    usd, turns = found.get("usd", brief.usd), found.get("turns", brief.turns)
    usd = usd if usd is None or (isinstance(usd, int | float) and not isinstance(usd, bool)) else brief.usd
    turns = turns if turns is None or (isinstance(turns, int) and not isinstance(turns, bool)) else brief.turns
    return brief._replace(usd=usd, turns=turns)


def _read(path: str) -> Mapping[str, object]:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def brief_fields(found: object) -> dict[str, Json]:
    """Of a JSON value: the fields of a brief that are what they should be."""
    if not isinstance(found, Mapping):
        return {}
    known = {name: found[name] for name in BRIEF_FIELDS if name in found}
    return {name: value for name, value in known.items() if _fits(name, value)}


def _fits(name: str, value: object) -> bool:
    match name:
        case "messages" | "roots":
            return isinstance(value, list) and all(isinstance(text, str) for text in value)
        case "attempt":
            return isinstance(value, int) and not isinstance(value, bool)
        case "charged":
            return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
        case "prompt" | "session" | "model":
            return value is None or isinstance(value, str)
        case _:
            return isinstance(value, str)


def read_told(path: str, *, start: int) -> tuple[Told, ...]:
    """The inputs of an attempt, by their place in the agent's part of the log, which begins at `start`."""
    told = [Told(max(0, (each.offset or 0) - start), each.data, each.note, each.end) for each in read_inputs(path)]
    return tuple(sorted(told, key=lambda each: each.offset))
