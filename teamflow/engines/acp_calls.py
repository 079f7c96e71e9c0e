"""Tool calls as ACP agents tell of them: put together from what comes piece by piece, and what of it is worth an event.

An agent may tell a call's kind, input and place in any of `tool_call`, `tool_call_update` and a permission request, or
in none. A call is told once its input is known or it works, so that the same call has the same words. What is held is
bounded. What an agent wishes is in `acp_wishes.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from teamflow.core.invocation import Called, EngineEvent, Returned
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json

_MOST: Final = 2000
"""Calls that are remembered at once."""
_MOST_TITLES: Final = 8
_LONGEST: Final = 1000
_WORKS: Final = frozenset({"in_progress", "completed", "failed"})
_ENDED: Final = frozenset({"completed", "failed"})


class Call(NamedTuple):
    """What is known of a call. `tool`: its name, where the agent tells that apart from a title for people."""

    id: str = ""
    kind: str = ""
    title: str = ""
    titles: tuple[str, ...] = ()
    """All that it was called, the title of now last."""
    tool: str = ""
    input: Mapping[str, Json] = {}
    paths: tuple[str, ...] = ()
    status: str = ""
    told: bool = False
    """Whether there was a `Called` for it, and no `Returned`."""


class Calls:
    def __init__(self, *, words: Callable[[Call], str | None]) -> None:
        """`words`: of a call, for people (`Called.words`)."""
        self._words = words
        self.any = False
        """Whether there was one at all."""
        self._open: dict[str, Call] = {}
        self._gone: dict[str, None] = {}
        """Calls that are over: what is told of them later is nothing new."""

    def update(self, told: Mapping[str, Json]) -> Iterator[EngineEvent]:
        """Of a `tool_call` or `tool_call_update`. To be run through to its end."""
        id = _id(told)
        before = self._open.get(id)
        if not id or id in self._gone:
            return
        call = self.merge(told)
        self.any = True
        if call.status in _ENDED:
            yield from self.called(id)
            yield from self.over(id)
        elif not call.told and (_told(call.input) or call.status in _WORKS or before is not None):
            yield from self.called(id)

    def merge(self, told: Mapping[str, Json]) -> Call:
        """What is known of the call with this."""
        id = _id(told)
        known = self._open.get(id, Call(id))
        given, title = told.get("rawInput"), _text(told.get("title"))
        call = known._replace(
            kind=_text(told.get("kind")) or known.kind,
            title=title or known.title,
            titles=tuple(dict.fromkeys((*known.titles[-_MOST_TITLES:], title))) if title else known.titles,
            tool=_tool(told.get("_meta")) or known.tool,
            input=given if isinstance(given, Mapping) and given else known.input,
            paths=tuple(dict.fromkeys((*known.paths, *_places(told))))[:_MOST],
            status=_text(told.get("status")) or known.status,
        )
        if id:
            self._open[id] = call
            if len(self._open) > _MOST:
                del self._open[next(iter(self._open))]
        return call

    def called(self, id: str) -> Iterator[EngineEvent]:
        """It works now, whether or not that was told."""
        call = self._open.get(id)
        if call is not None and not call.told:
            self.any = True
            self._open[id] = call._replace(told=True)
            yield Called(_words(call), id, self._words(call))

    def over(self, id: str) -> Iterator[EngineEvent]:
        """It does not work any more, or never will."""
        call = self._open.pop(id, None)
        if id:
            self._gone[id] = None
            if len(self._gone) > _MOST:
                del self._gone[next(iter(self._gone))]
        if call is not None and call.told:
            yield Returned(id)

    def end(self) -> Iterator[EngineEvent]:
        """The turn is over, and with it whatever still worked."""
        for id in list(self._open):
            yield from self.over(id)


def _words(call: Call) -> str:
    """The same for the same call; titles of commands are the model's own words, and differ."""
    known: dict[str, Json] = {"kind": call.kind, "tool": call.tool}
    if not call.tool and (call.kind != "execute" or not call.input):
        known["title"] = call.title
    if call.input:
        known["input"] = call.input
    elif call.paths:
        known["paths"] = call.paths
    text = json.dumps({name: value for name, value in known.items() if value}, sort_keys=True, ensure_ascii=False)
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}… {hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _told(given: Mapping[str, Json]) -> bool:
    """Whether an input is there: opencode names the directory first."""
    return any(key != "cwd" for key in given)


def _places(told: Mapping[str, Json]) -> Iterator[str]:
    """Files that it names: where it is, and what it would change."""
    for key, wanted in (("locations", None), ("content", "diff")):
        items = told.get(key)
        for item in items if isinstance(items, list) else ():
            if isinstance(item, Mapping) and (wanted is None or item.get("type") == wanted):
                path = item.get("path")
                if isinstance(path, str) and path:
                    yield path


def _id(told: Mapping[str, Json]) -> str:
    return _text(told.get("toolCallId"))


def _tool(meta: Json) -> str:
    own = meta.get("claudeCode") if isinstance(meta, Mapping) else None
    return _text(own.get("toolName")) if isinstance(own, Mapping) else ""


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
