"""A conversation with Claude Code, from the lines that it prints and those that it is told.

Decides what each line means, when all has been heard and done, and which wishes are granted without asking anybody.
Every message of ours has an id that follows from the attempt, so that the same message said twice is heard once.
Refuses to judge how the attempt ended (`claude_end.py`). A line that is not understood is passed over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from teamflow.core.invocation import (
    Asked,
    Brief,
    Called,
    EngineEvent,
    Exit,
    Refused,
    Reply,
    Retrying,
    Returned,
    Said,
    SessionOpened,
    Spent,
    Withdrawn,
)
from teamflow.core.model_server import priced
from teamflow.core.outcome import FailureClass, Outcome
from teamflow.core.permissions import ALLOW, DENY, QUEUE, Verdict, Wish
from teamflow.core.plan import Json
from teamflow.engines.claude_end import GONE, LOGIN, End, aborted, idle, outcome
from teamflow.engines.claude_todo import Todo
from teamflow.engines.claude_tools import wish_of, words_of
from teamflow.engines.claude_usage import Counter
from teamflow.engines.doing import named
from teamflow.engines.exits import with_cost
from teamflow.engines.lacking import Lacking
from teamflow.engines.lines import JsonLines, parse_json
from teamflow.engines.model_id import model_told
from teamflow.engines.provider import Trouble, failure_of, reason, with_login
from teamflow.engines.telling import prompt
from teamflow.policy.permitting import judge

_OVER: Final = frozenset(("completed", "failed"))
"""How a task of its own ends that it then has a turn about."""
_THERE: Final = ("", "connected", "pending", "disabled")
"""What it says of an MCP server that is there, may still come, or is not wanted."""
_REFUSALS: Final[Mapping[str, Mapping[str, Json]]] = {
    "elicitation": {"action": "decline"},
    "request_user_dialog": {"behavior": "cancelled"},
}
"""What is asked of people that are not there: by an MCP server, and by itself."""
_MOST_WAIT: Final = 10**12
_NOBODY: Final = "nobody is there to allow it"


class ClaudeSession:
    """One process, from its first line to its last, whatever number of turns it has."""

    def __init__(self, brief: Brief) -> None:
        self._brief = brief
        self._lines = JsonLines()
        self._counter = Counter(priced=priced(brief.base_url, brief.model))
        self._end = End()
        self._todo = Todo()
        self._opened: str | None = None
        self._said = 0
        """Messages that it was told."""
        self._unheard: dict[str, str] = {}
        """Texts by id, in the order in which it was told."""
        self._heard: set[str] = set()
        self._asked: dict[str, tuple[Mapping[str, Json], Wish]] = {}
        """Requests that wait for somebody's answer: the tool's arguments."""
        self._settled: set[str] = set()
        """Requests that were answered."""
        self._tasks: set[str] = set()
        """Sub-agents that work while it does something else: it has a turn of its own when they are done."""
        self._interrupts = 0
        self._lacking = Lacking(brief.servers)
        self._done = False
        first = prompt(brief, schema=True) or "Go on."
        self.opening: Final = self._message(first)
        """The first line that it is told; it has been, by whoever started it."""
        list(self._take(self.opening))

    # -- what it says --------------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> Sequence[EngineEvent]:
        return [event for line in self._lines.feed(data) for event in self._read(line)]

    def close(self, end: Exit) -> Outcome:
        for line in self._lines.finish():
            list(self._read(line))
        self._end.rubbish = self._lines.rubbish
        self._end.waited = bool(self._unheard or self._tasks)
        self._end.interrupted = self._interrupts > 0
        found = with_login(outcome(self._end, end, self._brief), LOGIN, self._brief)
        session = None if found.session == GONE else self._opened or self._brief.session
        return with_cost(found, usage=self._counter.usage, session=session)

    def _read(self, line: Mapping[str, Json]) -> Iterator[EngineEvent]:
        match line.get("type"):
            case "system":
                yield from self._system(line)
            case "assistant":
                yield from self._assistant(line)
            case "user":
                yield from self._user(line)
            case "control_request":
                yield from self._request(line)
            case "control_cancel_request":
                yield from self._withdrawn(line)
            case "rate_limit_event":
                self._end.limited(_object(line.get("rate_limit_info")))
            case "result":
                yield from self._result(line)
            case _:
                pass

    def _system(self, line: Mapping[str, Json]) -> Iterator[EngineEvent]:
        task = _text(line.get("task_id"))
        match line.get("subtype"):
            case "init":
                self._end.working = True
                session = _text(line.get("session_id"))
                if session and self._opened is None:
                    self._opened = session
                    yield SessionOpened(session)
                yield from model_told(line.get("model"))
                yield from self._servers(line.get("mcp_servers"))
            case "api_retry":
                self._end.retried = True
                yield _retrying(line)
            case "task_started" if task and line.get("task_type") != "local_bash":
                self._tasks.add(task)
            case "task_updated" | "task_notification":
                status = line.get("status") or _object(line.get("patch")).get("status")
                yield from self._task_over(task, _text(status))
            case _:
                pass

    def _servers(self, told: Json) -> Iterator[EngineEvent]:
        """Told at the beginning of each turn; of one that is pending it tells no more."""
        if not isinstance(told, list):
            return
        states = {_text(one.get("name")): _text(one.get("status")) for one in _objects(told)}
        for name, state in states.items():
            if state not in _THERE:
                yield from self._lacking.failed(name, state)
        yield from self._lacking.absent(states)

    def _task_over(self, task: str, status: str) -> Iterator[EngineEvent]:
        if task not in self._tasks or status in ("", "running", "pending"):
            return
        self._tasks.discard(task)
        if status in _OVER:
            self._end.working = True
        elif not self._end.working:
            # About those that were stopped it has nothing to say: there is no turn to wait for.
            yield from self._all_done()

    def _assistant(self, line: Mapping[str, Json]) -> Iterator[EngineEvent]:
        message = _object(line.get("message"))
        own = line.get("parent_tool_use_id") is None
        if own:
            self._end.working = True
            # What it tells of an error in its own name is no word of the agent.
            failed = _text(line.get("error"))
            own = not failed and message.get("model") != "<synthetic>"
            self._end.error = failed
            self._end.retried = self._end.retried and not own
        for block in _objects(message.get("content")):
            said = _text(block.get("text")) if block.get("type") == "text" else ""
            if own and said.strip():
                self._end.said = said
                yield Said(said)
            elif block.get("type") == "tool_use":
                name, given = _text(block.get("name")), _object(block.get("input"))
                what = f"{name} {json.dumps(block.get('input'), sort_keys=True)}"
                yield Called(what, _text(block.get("id")), words_of(name, given, self._brief))
                progress = self._todo.called(name, given) if own else None
                if progress is not None:
                    yield progress
        if self._counter.asked(message):
            yield Spent(self._counter.total)

    def _user(self, line: Mapping[str, Json]) -> Iterator[EngineEvent]:
        if line.get("isReplay") is True:
            self._hears(line)
        for block in _objects(_object(line.get("message")).get("content")):
            call = _text(block.get("tool_use_id"))
            if block.get("type") == "tool_result" and call:
                yield Returned(call)

    def _hears(self, line: Mapping[str, Json]) -> None:
        name, said = _text(line.get("uuid")), _told(line)
        if name not in self._unheard and name not in self._heard:
            # One that gives messages names of its own.
            name = next((known for known, text in self._unheard.items() if text == said), "")
        if self._unheard.pop(name, None) is not None:
            self._heard.add(name)
            self._end.working = True

    def _request(self, line: Mapping[str, Json]) -> Iterator[EngineEvent]:
        name, request = _text(line.get("request_id")), _object(line.get("request"))
        if not name or name in self._asked or name in self._settled:
            return
        kind = _text(request.get("subtype"))
        if kind != "can_use_tool":
            self._settled.add(name)
            yield Reply(_response(name, _REFUSALS[kind]) if kind in _REFUSALS else _refusal(name, kind))
            return
        given = _object(request.get("input"))
        tool, brief = _text(request.get("tool_name")) or "a tool", self._brief
        wish = wish_of(tool, given, servers=brief.servers, alone=bool(brief.home))
        verdict = judge(brief.grants, wish, cwd=brief.cwd, roots=brief.roots)
        wish = named(wish, brief)._replace(why=verdict.reason)
        if verdict.answer == QUEUE and not self._done:
            self._asked[name] = given, wish
            yield Asked(name, wish)
        else:
            self._settled.add(name)
            if verdict.answer == DENY:
                yield Refused(wish.text, verdict.reason)
            yield Reply(_decision(name, given, verdict))

    def _withdrawn(self, line: Mapping[str, Json]) -> Iterator[EngineEvent]:
        name = _text(line.get("request_id"))
        if self._asked.pop(name, None) is not None:
            self._settled.add(name)
            yield Withdrawn(name)

    def _result(self, line: Mapping[str, Json]) -> Iterator[EngineEvent]:
        self._end.working = False
        if idle(line) and self._unheard:
            # It was kept from hearing this one, by a hook of the user's. It goes on with the next, and does not say so.
            name = next(iter(self._unheard))
            del self._unheard[name]
            self._heard.add(name)
        if self._end.result is None or not idle(line):
            self._end.result = line
        if aborted(line):
            # What it had others do has ended with it.
            self._tasks.clear()
        if self._counter.turned(line):
            yield Spent(self._counter.total)
        yield from self._all_done()

    def _all_done(self) -> Iterator[EngineEvent]:
        """Closes its stdin, unless it goes on by itself: with a message that came too late for this turn, or with what
        its sub-agents come to, if it may let them work behind its back. Commands that it has left running get a few
        seconds more from it, and then end."""
        if self._unheard or self._tasks or self._done or self._end.result is None:
            return
        self._done = True
        for name in list(self._asked):
            yield from self._withdrawn({"request_id": name})
        yield Reply("", end=True)

    # -- what it is told -----------------------------------------------------------------------------------------------

    def tell(self, text: str) -> str | None:
        return None if self._done else self._message(text)

    def answer(self, request: str, verdict: Verdict) -> str | None:
        asked = self._asked.get(request)
        return None if asked is None else _decision(request, asked[0], verdict)

    def interrupt(self) -> str | None:
        if self._done:
            return None
        name = f"interrupt-{self._interrupts + 1}"
        return _line({"type": "control_request", "request_id": name, "request": {"subtype": "interrupt"}})

    def took(self, data: str) -> Sequence[EngineEvent]:
        return list(self._take(data))

    def _take(self, data: str) -> Iterator[EngineEvent]:
        for text in data.split("\n"):
            line = _parsed(text)
            name = _text(line.get("uuid"))
            match line.get("type"):
                case "user" if name and name not in self._heard and name not in self._unheard:
                    self._said += 1
                    self._unheard[name] = _told(line)
                case "control_response":
                    response = _object(line.get("response"))
                    request, decided = _text(response.get("request_id")), _object(response.get("response"))
                    asked = self._asked.pop(request, None)
                    self._settled.add(request)
                    if asked is not None and decided.get("behavior") == "deny":
                        yield Refused(asked[1].text, _text(decided.get("message")))
                case "control_request":
                    self._interrupts += 1
                case _:
                    pass

    def _message(self, text: str) -> str:
        # A text that begins with a slash would be a command to the program itself; one that it does not know is a
        # success without any work.
        told = f"\n{text}" if text.startswith("/") else text
        told = told.encode("utf-8", "replace").decode("utf-8")
        brief = self._brief
        # What it has heard once in a session it passes over: the id is of this attempt, and of no other run.
        facts = (brief.stem, brief.step, str(brief.attempt), brief.session or "", str(self._said), told)
        content: list[Json] = [{"type": "text", "text": told}]
        return _line({"type": "user", "uuid": _name(facts), "message": {"role": "user", "content": content}})


def _name(facts: Sequence[str]) -> str:
    """A UUID (of version 8: by a way of our own) that is that of these facts; it takes no other names."""
    told = hashlib.sha256("\0".join(facts).encode("utf-8", "replace")).hexdigest()
    return f"{told[:8]}-{told[8:12]}-8{told[13:16]}-8{told[17:20]}-{told[20:32]}"


def _retrying(line: Mapping[str, Json]) -> Retrying:
    status, wait = line.get("error_status"), line.get("retry_delay_ms")
    trouble = Trouble(_text(line.get("error")), status if _whole(status) else None)  # type: ignore[arg-type]
    seconds = None
    if isinstance(wait, int | float) and not isinstance(wait, bool) and wait >= 0:
        seconds = min(wait, _MOST_WAIT) / 1000
    return Retrying(failure_of(trouble) or FailureClass.TRANSIENT, reason(trouble), seconds)


def _decision(request: str, given: Mapping[str, Json], verdict: Verdict) -> str:
    allowed: dict[str, Json] = {"behavior": "allow", "updatedInput": dict(given)}
    denied: dict[str, Json] = {"behavior": "deny", "message": verdict.reason or _NOBODY}
    decided = allowed if verdict.answer == ALLOW else denied
    return _response(request, decided)


def _response(request: str, response: Mapping[str, Json]) -> str:
    answer: dict[str, Json] = {"subtype": "success", "request_id": request, "response": dict(response)}
    return _line({"type": "control_response", "response": answer})


def _refusal(request: str, kind: str) -> str:
    error = f"teamflow does not know {kind or 'this request'}"
    answer: dict[str, Json] = {"subtype": "error", "request_id": request, "error": error}
    return _line({"type": "control_response", "response": answer})


def _line(message: dict[str, Json]) -> str:
    return json.dumps(message, separators=(",", ":")) + "\n"


def _parsed(text: str) -> Mapping[str, Json]:
    try:
        return _object(parse_json(text))
    except ValueError:
        return {}


def _told(line: Mapping[str, Json]) -> str:
    """The text of a message to it."""
    content = _object(line.get("message")).get("content")
    return _text(content) or "".join(_text(block.get("text")) for block in _objects(content))


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _objects(value: Json) -> list[Mapping[str, Json]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
