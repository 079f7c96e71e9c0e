"""A session with `codex app-server`: from its lines to events, and what is written to it, line by line.

Decides when a turn begins, when the work is done, and what it came to. A message that was given to a turn is done with
once the server shows it among the turn's items; one that the turn refuses, or that it ends without, gets a turn of its
own, so none is swallowed. Knows no process.
"""

from __future__ import annotations

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
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import FailureClass, Outcome
from teamflow.core.permissions import ALLOW, DENY, QUEUE, Verdict
from teamflow.core.plan import Json
from teamflow.engines import codex_asks as asks
from teamflow.engines.codex_end import LOGIN, End, outcome
from teamflow.engines.codex_fence import PROVIDER, fence
from teamflow.engines.codex_items import Meter, list_of, table_of, text_of, tokens, tool, trouble
from teamflow.engines.codex_schema import strict
from teamflow.engines.codex_servers import Servers, servers
from teamflow.engines.codex_words import words_of
from teamflow.engines.doing import named
from teamflow.engines.exits import with_cost
from teamflow.engines.jsonrpc import Answered, Incoming, Notified, Peer, Request
from teamflow.engines.lacking import Lacking
from teamflow.engines.lines import parse_json
from teamflow.engines.model_id import model_told
from teamflow.engines.provider import failure_of, reason, with_login
from teamflow.engines.telling import instructions, prompt
from teamflow.policy.permitting import judge

CLIENT: Final = "teamflow"

QUIET: Final = (
    "command/exec/outputDelta",
    "item/commandExecution/outputDelta",
    "item/fileChange/outputDelta",
    "item/fileChange/patchUpdated",
    "turn/diff/updated",
    "thread/started",
    "rawResponse/completed",
)
"""What it is not to send: large, and told again by other lines. Deltas of texts stay, they are signs of life."""

_GONE: Final = ("no rollout found", "thread not found", "no such thread", "thread not loaded")


class _Open(NamedTuple):
    """A request of the server. `text`: what it is about, for people."""

    id: str | int
    method: str
    params: Mapping[str, Json]
    text: str = ""


def _declined(asked: _Open) -> str:
    return f"Declined: {asked.text}. "


def opening() -> str:
    """The first line."""
    return _begin(Peer(header=False))


def _begin(peer: Peer) -> str:
    client: Json = {"name": CLIENT, "title": CLIENT, "version": "1"}
    able: Json = {"experimentalApi": True, "optOutNotificationMethods": list(QUIET)}
    return peer.request("initialize", {"clientInfo": client, "capabilities": able})


class ServerSession:
    """`ports.Session`."""

    def __init__(self, brief: Brief) -> None:
        self._brief = brief
        self._fence = fence(brief.grants)
        self._schema = strict(brief.schemas) if brief.schemas else None
        self._peer = Peer(header=False)
        _begin(self._peer)
        self._end = End()
        self._meter = Meter()
        self._thread = ""
        self._session = brief.session
        self._turn = ""
        """The turn that runs."""
        self._ended: set[str] = set()
        self._told: dict[str, str] = {}
        """Messages that were given to the turn that runs and that it has not shown yet, by their ids."""
        self._steers: dict[int, str] = {}
        """Ids of such messages, by the requests that are open."""
        self._starts: set[int] = set()
        """Requests for a turn that are open."""
        self._unheard: list[str] = []
        self._open: dict[str, _Open] = {}
        self._why = ""
        """What it was told last before a denial."""
        self._changes: dict[str, Mapping[str, Json]] = {}
        self._escaping: set[str] = set()
        self._tools: set[str] = set()
        self._lacking = Lacking(brief.servers)
        self._servers = servers(brief.servers)

    # -- what is written ----------------------------------------------------------------------------------------------

    def tell(self, text: str) -> str | None:
        if not self._turn or self._end.over:
            return None
        return self._peer.draft("turn/steer", self._steer(text, f"told-{self._peer.next_id}"))

    def answer(self, request: str, verdict: Verdict) -> str | None:
        asked = self._open.get(request)
        return None if asked is None else self._verdict(asked, verdict)

    def interrupt(self) -> str | None:
        if not self._turn or self._end.over:
            return None
        return self._peer.draft("turn/interrupt", {"threadId": self._thread, "turnId": self._turn})

    def took(self, data: str) -> Sequence[EngineEvent]:
        self._peer.sent(data)
        return [event for line in data.splitlines() for event in self._took(line)]

    def _took(self, line: str) -> Iterator[EngineEvent]:
        try:
            message = table_of(parse_json(line))
        except ValueError:
            return
        number, params = message.get("id"), table_of(message.get("params"))
        match message.get("method"):
            case None:
                asked = self._open.pop(json.dumps(number), None)
                if asked is not None and asks.is_no(asked.method, message.get("result")):
                    yield Refused(asked.text, self._why.partition(_declined(asked))[2])
            case "turn/interrupt":
                self._end.asked_to_stop = True
            case "turn/steer" if isinstance(number, int) and text_of(params.get("clientUserMessageId")):
                name = text_of(params.get("clientUserMessageId"))
                self._steers[number] = name
                self._told[name] = _texts(params)
            case "turn/steer":
                self._why = _texts(params)

    def _steer(self, text: str, name: str = "") -> Mapping[str, Json]:
        named: dict[str, Json] = {"clientUserMessageId": name} if name else {}
        return {"threadId": self._thread, "expectedTurnId": self._turn, "input": _input(text), **named}

    def _verdict(self, asked: _Open, verdict: Verdict) -> str:
        """The answer; before a denial goes the reason, which the answer itself has no place for. Behind it, it might be
        heard only after the turn, and cost another call of the model."""
        text = self._peer.respond(asked.id, asks.result(asked.method, asked.params, verdict))
        if verdict.answer == ALLOW or not verdict.reason or not self._turn:
            return text
        told = f"{_declined(asked)}{verdict.reason}"
        return self._peer.draft("turn/steer", self._steer(told)) + text

    # -- what is read -------------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> Sequence[EngineEvent]:
        return [event for message in self._peer.feed(data) for event in self._read(message)]

    def close(self, end: Exit) -> Outcome:
        for message in self._peer.finish():
            list(self._read(message))
        self._end.rubbish = self._peer.rubbish
        found = with_login(outcome(self._end, end, self._brief), LOGIN, self._brief)
        return with_cost(found, usage=self._meter.usage, session=self._session)

    def _read(self, message: Incoming) -> Iterator[EngineEvent]:
        match message:
            case Request(number, method, params):
                yield from self._asked(_Open(number, method, params))
            case Answered():
                yield from self._answered(message)
            case Notified(method, params):
                yield from self._notified(method, params)

    def _reply(self, text: str) -> Reply:
        self._peer.sent(text)
        return Reply(text)

    def _asked(self, asked: _Open) -> Iterator[EngineEvent]:
        foreign = asked.params.get("threadId") not in (None, self._thread)
        known = asks.Known(
            self._changes, not self._fence.asks_all or foreign, self._escaping, self._brief.servers.keys()
        )
        wished = asks.wish(asked.method, asked.params, known)
        if wished is None:
            told = asks.unasked(asked.method, asked.params)
            refusal = self._peer.refuse(asked.id, message=f"{CLIENT} does not know {asked.method}")
            yield Reply(refusal if told is None else self._peer.respond(asked.id, told))
            return
        verdict = judge(self._brief.grants, wished, cwd=self._brief.cwd, roots=self._brief.roots)
        asked = asked._replace(text=wished.text)
        if verdict.answer == QUEUE:
            name = json.dumps(asked.id)
            self._open[name] = asked
            yield Asked(name, named(wished, self._brief)._replace(why=verdict.reason))
        else:
            if verdict.answer == DENY:
                yield Refused(named(wished, self._brief).text, verdict.reason)
            yield self._reply(self._verdict(asked, verdict))

    def _answered(self, answer: Answered) -> Iterator[EngineEvent]:
        error = text_of(answer.error.get("message")) or "an error" if answer.error is not None else ""
        match answer.method:
            case "turn/steer":
                name = self._steers.pop(answer.id, "")
                if error and name in self._told:
                    self._unheard.append(self._told.pop(name))
                yield from self._settle()
            case "thread/resume" if error and any(sign in error.lower() for sign in _GONE):
                yield self._reply(self._peer.draft("thread/start", self._thread_settings()))
            case "initialize" | "thread/start" | "thread/resume" | "turn/start" if error:
                self._starts.discard(answer.id)
                self._end.refuse(answer.method, error)
                yield Reply("", end=True)
            case "initialize":
                agent = text_of(answer.result.get("userAgent"))
                self._end.version = agent.partition("/")[2].partition(" ")[0]
                yield self._reply(self._peer.notify("initialized", {}) + self._enter())
            case "thread/start" | "thread/resume":
                self._thread = text_of(table_of(answer.result.get("thread")).get("id"))
                self._session = self._thread or self._session
                yield SessionOpened(self._thread)
                yield from model_told(answer.result.get("model"))
                # A thread that goes on takes new instructions, but does not tell its model.
                again = answer.method == "thread/resume"
                text = prompt(self._brief, schema=self._schema is not None, with_instructions=again)
                yield self._begin_turn(text)
            case "turn/start":
                self._starts.discard(answer.id)
                self._runs(table_of(answer.result.get("turn")))
                yield from self._settle()

    def _enter(self) -> str:
        settings = self._thread_settings()
        if self._brief.session is None:
            return self._peer.draft("thread/start", settings)
        settings.pop("experimentalRawEvents", None)
        return self._peer.draft("thread/resume", {**settings, "threadId": self._brief.session, "excludeTurns": True})

    def _thread_settings(self) -> dict[str, Json]:
        settings: dict[str, Json] = {"cwd": self._brief.cwd, **self._fence.thread}
        told = instructions(self._brief)
        if told:
            settings["developerInstructions"] = told
        if self._brief.model is not None:
            settings["model"] = self._brief.model
        if self._brief.base_url:
            settings["modelProvider"] = PROVIDER
        if isinstance(self._servers, Servers) and self._servers.config:
            settings["config"] = self._servers.config
        if self._fence.asks_all:
            # They tell which command is to run outside of the sandbox. A thread that goes on cannot be asked for them.
            settings["experimentalRawEvents"] = True
        return settings

    def _begin_turn(self, text: str) -> Reply:
        self._starts.add(self._peer.next_id)
        schema: dict[str, Json] = {} if self._schema is None else {"outputSchema": self._schema}
        return self._reply(self._peer.draft("turn/start", {"threadId": self._thread, "input": _input(text), **schema}))

    def _runs(self, turn: Mapping[str, Json]) -> None:
        name = text_of(turn.get("id"))
        if name and name not in self._ended:
            self._turn = name

    def _settle(self) -> Iterator[EngineEvent]:
        """What follows once no turn runs."""
        if self._end.over or self._turn or self._starts or not self._end.status:
            return
        completed = self._end.status == "completed" and not self._end.asked_to_stop
        if completed and self._steers:
            return
        unheard = [*self._unheard, *self._told.values()]
        self._unheard.clear()
        self._told.clear()
        if completed and unheard:
            yield self._begin_turn("\n\n".join(unheard))
            return
        self._end.over = True
        yield from self._lacking.over()
        yield Reply("", end=True)

    def _notified(self, method: str, params: Mapping[str, Json]) -> Iterator[EngineEvent]:
        match method:
            case "serverRequest/resolved":
                name = json.dumps(params.get("requestId"))
                if self._open.pop(name, None) is not None:
                    yield Withdrawn(name)
            case "mcpServer/startupStatus/updated":
                yield from self._server(text_of(params.get("name")), text_of(params.get("status")), params.get("error"))
            case "rawResponseItem/completed":
                self._raw(table_of(params.get("item")))
            case "item/started" | "item/completed":
                item = table_of(params.get("item"))
                own = params.get("threadId") == self._thread
                yield from self._item(item, own=own, done=method == "item/completed")
            case _ if params.get("threadId") == self._thread:
                yield from self._of_thread(method, params)

    def _server(self, name: str, status: str, error: Json) -> Iterator[EngineEvent]:
        match status:
            case "starting":
                self._lacking.starting(name)
            case "ready":
                self._lacking.ready(name)
            case "failed":
                yield from self._lacking.failed(name, text_of(error))

    def _of_thread(self, method: str, params: Mapping[str, Json]) -> Iterator[EngineEvent]:
        match method:
            case "turn/started":
                self._runs(table_of(params.get("turn")))
            case "turn/completed":
                yield from self._turn_ended(table_of(params.get("turn")))
            case "error":
                told = trouble(table_of(params.get("error")))
                if params.get("willRetry") is True:
                    yield Retrying(failure_of(told) or FailureClass.TRANSIENT, reason(told))
                else:
                    self._end.trouble = told
            case "thread/tokenUsage/updated":
                usage = table_of(params.get("tokenUsage"))
                total = tokens(usage.get("total"), incoming="inputTokens", outgoing="outputTokens")
                last = tokens(usage.get("last"), incoming="inputTokens", outgoing="outputTokens")
                if total is not None and not (self._turn or self._ended):
                    self._meter.was(total)
                elif total is not None:
                    yield Spent(self._meter.reads(total, last=last))

    def _turn_ended(self, turn: Mapping[str, Json]) -> Iterator[EngineEvent]:
        name = text_of(turn.get("id"))
        if not name or name in self._ended:
            return
        self._ended.add(name)
        self._turn = ""
        self._end.status = text_of(turn.get("status")) or "failed"
        error = turn.get("error")
        if isinstance(error, Mapping):
            self._end.trouble = trouble(error)
        yield from self._settle()

    def _item(self, item: Mapping[str, Json], *, own: bool, done: bool) -> Iterator[EngineEvent]:
        name = text_of(item.get("id"))
        match item.get("type"):
            case "agentMessage" if own and done and text_of(item.get("text")):
                self._end.text = text_of(item.get("text"))
                yield Said(self._end.text)
            case "userMessage" if own:
                self._told.pop(text_of(item.get("clientId")), None)
            case "fileChange":
                self._changes[name] = item
        used = tool(item)
        if used is not None and not done and name not in self._tools:
            self._tools.add(name)
            yield Called(used, name, words_of(item, self._brief))
        elif done and name in self._tools:
            self._tools.discard(name)
            self._changes.pop(name, None)
            yield Returned(name)

    def _raw(self, item: Mapping[str, Json]) -> None:
        """Notes the calls that ask to run outside of the sandbox."""
        if item.get("type") not in ("function_call", "custom_tool_call"):
            return
        try:
            given = table_of(parse_json(text_of(item.get("arguments"))))
        except ValueError:
            return
        if given.get("sandbox_permissions") not in (None, "use_default") or given.get("with_escalated_permissions"):
            self._escaping.add(text_of(item.get("call_id")))


def _input(text: str) -> Json:
    return [{"type": "text", "text": text}]


def _texts(params: Mapping[str, Json]) -> str:
    return "\n\n".join(text_of(table_of(part).get("text")) for part in list_of(params.get("input")))
