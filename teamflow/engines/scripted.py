"""The stand-in for an agent: plays a script as a real process with a protocol, for tests, demos and templates.

Translates only; the playing is done by `_scripted_player.py`. Success needs the end of the stream and exit code 0.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from teamflow.core.invocation import (
    Asked,
    Brief,
    Called,
    EngineEvent,
    Exit,
    Invocation,
    Progress,
    Refused,
    Reply,
    Said,
    SessionOpened,
    Spent,
)
from teamflow.core.outcome import Failed, FailureClass, Outcome, Succeeded, Usage
from teamflow.core.permissions import ALLOW, DENY, EDIT, OTHER, QUEUE, RUN, Verdict, Wish, wished
from teamflow.core.plan import Json
from teamflow.core.script import compile_script, listens
from teamflow.engines.deaf import Deaf
from teamflow.engines.exits import outcome_of, with_cost
from teamflow.engines.lines import JsonLines, parse_json
from teamflow.policy.permitting import judge
from teamflow.ports import Capabilities

CAPABILITIES: Final = Capabilities(
    resume=True,
    schema=True,
    cost=True,
    steer="fold",
    protocol=True,
    asks=True,
    enforces=frozenset(("read", "edit", "globs", "run", "net")),
    mcp=frozenset(("stdio", "http", "sse")),
    isolates=True,
    base_url=True,  # it asks no model at all
)
PLAYER: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_scripted_player.py")


class ScriptedEngine:
    name = "scripted"
    capabilities = CAPABILITIES

    def invoke(self, brief: Brief) -> Invocation:
        """Raises ValueError for a script with a fault (`core/script.py` finds it when the team is read)."""
        told: dict[str, Json] = {
            "prompt": brief.prompt,
            "instructions": brief.instructions,
            "notice": brief.notice,
            "session": brief.session,
            "model": brief.model,
            "permissions": brief.permissions,
            "messages": "\n\n".join(brief.messages),
        }
        actions = compile_script(brief.script or (), attempt=brief.attempt)
        task = {"step": brief.step, "attempt": brief.attempt, "told": told, "actions": actions}
        # One line; what it is told later comes behind it.
        text = json.dumps(task) + "\n"
        return Invocation((sys.executable, "-I", "-S", PLAYER), stdin=text, protocol=True, listens=listens(actions))

    def session(self, brief: Brief) -> ScriptedSession:
        return ScriptedSession(brief)


class ScriptedSession(Deaf):
    """Reads the player's lines. Lines that are none of the protocol are counted and passed over."""

    def __init__(self, brief: Brief) -> None:
        self._brief = brief
        self._lines = JsonLines()
        self._session: str | None = brief.session
        self._usage: Usage | None = None
        self._result: Mapping[str, Json] | None = None
        self._asked: dict[str, str] = {}

    def tell(self, text: str) -> str | None:
        actions = compile_script(self._brief.script or (), attempt=self._brief.attempt)
        return json.dumps({"text": text}) + "\n" if listens(actions) else None

    def answer(self, request: str, verdict: Verdict) -> str | None:
        return _answer(request, verdict) if request in self._asked else None

    def took(self, data: str) -> Sequence[EngineEvent]:
        told = parse_json(data)
        if isinstance(told, Mapping):
            text = self._asked.pop(_text(told.get("answer")), None)
            if text is not None and told.get("allow") is not True:
                return (Refused(text, _text(told.get("reason"))),)
        return ()

    def _leave(self, request: str, kind: str, what: str) -> Sequence[EngineEvent]:
        path = (what,) if kind == EDIT else ()
        wish = Wish(
            kind,
            f"{kind} {what}" if kind == OTHER else wished(kind, what),
            paths=path,
            command=what if kind == RUN else "",
        )
        verdict = judge(self._brief.grants, wish, cwd=self._brief.cwd, roots=self._brief.roots)
        if verdict.answer == DENY:
            return (Refused(wish.text, verdict.reason), Reply(_answer(request, verdict)))
        if verdict.answer != QUEUE:
            return (Reply(_answer(request, verdict)),)
        self._asked[request] = wish.text
        return (Asked(request, wish._replace(why=verdict.reason)),)

    def feed(self, data: bytes) -> Sequence[EngineEvent]:
        return [event for line in self._lines.feed(data) for event in self._read(line)]

    def close(self, end: Exit) -> Outcome:
        for line in self._lines.finish():
            self._read(line)
        return with_cost(self._outcome(end), usage=self._usage, session=self._session)

    def _outcome(self, end: Exit) -> Outcome:
        result = self._result
        by_exit = outcome_of(end, self._brief)
        if end.error is not None or end.cause is not None or end.signal is not None:
            return by_exit
        if result is None:
            return Failed(FailureClass.CRASH, self._cut(end), exit_code=end.code)
        if result.get("ok") is not True:
            return _failure(result, end)
        if isinstance(by_exit, Succeeded):
            return Succeeded(text=_text(result.get("text")))
        return by_exit

    def _cut(self, end: Exit) -> str:
        rubbish = f"; {self._lines.rubbish} lines of its output were not understood" if self._lines.rubbish else ""
        return f"the agent ended (exit code {end.code}) without the end of its output{rubbish}"

    def _read(self, line: Mapping[str, Json]) -> Sequence[EngineEvent]:
        match line.get("type"):
            case "init":
                self._session = _text(line.get("session")) or self._session
                return (SessionOpened(self._session),) if self._session else ()
            case "message":
                return (Said(_text(line.get("text"))),)
            case "leave":
                return self._leave(_text(line.get("id")), _text(line.get("wish")), _text(line.get("what")))
            case "progress":
                return (Progress(_number(line.get("percent")), _text(line.get("text"))),)
            case "tool":
                return (Called(json.dumps(line, sort_keys=True), words=_doing(line)),)
            case "usage":
                self._usage = _usage(line)
                return (Spent(self._usage),)
            case "result":
                self._result = line
                return ()
            case _:
                return ()


def _doing(line: Mapping[str, Json]) -> str:
    """What it does, for people."""
    path, command = _text(line.get("path")), _text(line.get("command"))
    match line.get("name"):
        case "run":
            return wished(RUN, command)
        case "write" | "delete":
            return wished(EDIT, path)
        case name:
            return f"{_text(name)} {command}".strip()


def _answer(request: str, verdict: Verdict) -> str:
    return json.dumps({"answer": request, "allow": verdict.answer == ALLOW, "reason": verdict.reason}) + "\n"


def _failure(result: Mapping[str, Json], end: Exit) -> Failed:
    try:
        failure = FailureClass(_text(result.get("class")))
    except ValueError:
        failure = FailureClass.FATAL
    reason = _text(result.get("reason")) or "the agent reported a failure"
    return Failed(failure, reason, exit_code=end.code, retry_after=_number(result.get("retry_after")))


def _usage(line: Mapping[str, Json]) -> Usage:
    tokens = [_number(line.get(name)) for name in ("input_tokens", "output_tokens")]
    known = [None if count is None else int(count) for count in tokens]
    return Usage(known[0], known[1], _number(line.get("usd")))


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Json) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
