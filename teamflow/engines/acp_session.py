"""One attempt of an agent that speaks the Agent Client Protocol (version 1): messages in, events and replies out.

Decides what is answered and when: one prompt at a time unless the agent is known to take a second into the turn that
runs; permission by `policy/permitting.py`; files and terminals of this side to nobody. Whatever an agent sends that is
not known is passed over, and a request is never left unanswered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from teamflow.core.capabilities import FOLD
from teamflow.core.invocation import (
    Asked,
    Brief,
    Called,
    EngineEvent,
    Exit,
    Refused,
    Reply,
    SessionOpened,
    Withdrawn,
)
from teamflow.core.model_server import priced
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, FailureClass, Outcome
from teamflow.core.permissions import ALLOW, QUEUE, Verdict, Wish
from teamflow.core.plan import Json
from teamflow.engines import acp_ending
from teamflow.engines.acp_agent import Agent
from teamflow.engines.acp_calls import Calls
from teamflow.engines.acp_opening import AUTHENTICATION_REQUIRED, INITIALIZE, Ask, Opening
from teamflow.engines.acp_said import Messages, Spending, progress
from teamflow.engines.acp_wishes import CANCELLED, answer, chosen, given, refusal, wish_of
from teamflow.engines.acp_words import words_of
from teamflow.engines.doing import named
from teamflow.engines.exits import with_cost
from teamflow.engines.jsonrpc import Answered, Incoming, Notified, Peer, Request
from teamflow.engines.lines import parse_json
from teamflow.engines.model_id import model_told
from teamflow.engines.provider import Trouble
from teamflow.engines.telling import prompt
from teamflow.policy.permitting import judge

_GOES_ON: Final = frozenset({"session/load", "session/resume"})
_OPENS: Final = frozenset({"session/new", "session/load", "session/resume"})
_MOST_ALONE: Final = 60
"""So many messages in one turn with nothing done in between: it asks its model again by itself, for ever. (opencode,
whose model finds the prompt too long: each message is the summary that is to make it shorter.)"""
_ALONE: Final = "asked its model again and again by itself (the prompt may be too long for it)"
_MOST_URGED: Final = 20
_COMMANDS: Final = ("/", "$", "!", "@", "#")
"""What a prompt may not begin with: agents take it for one of their own commands."""


class _Pending(NamedTuple):
    """A permission request that a person is asked about."""

    id: str | int
    options: Json
    call: str
    text: str


class AcpSession:
    """`ports.Session` for one attempt."""

    def __init__(self, agent: Agent, brief: Brief) -> None:
        self._agent = agent
        self._brief = brief
        self._peer = Peer()
        self._peer.request("initialize", INITIALIZE)  # it is on stdin from the start
        self._opening = Opening(agent, brief)
        self._todo: list[Ask] = []
        self._id: str | None = brief.session
        self._opened = False
        self._prompts = 0
        """Those that are not answered yet."""
        self._prompted = self._cancelled = self._done = False
        self._pending: dict[str, _Pending] = {}
        self._calls = Calls(words=partial(words_of, brief=brief))
        self._messages = Messages(asides=agent.asides)
        self._spent = Spending(
            agent.usage,
            before=0.0 if agent.prices_process else brief.charged,
            cached_apart=agent.cached_apart,
            priced=not brief.base_url or (agent.prices_process and priced(brief.base_url, brief.model)),
        )
        self._denied = ""
        """Why it was refused something, until it goes on with anything else."""
        self._untold: list[str] = []
        """What people have refused it with a note: told when its turn is over, as the answer has no place for that."""
        self._heard = ""
        """The last one that it was told at once."""
        self._urged = 0
        self._stop = ""
        self._trouble: Trouble | None = None
        self._failed: Failed | None = None

    def feed(self, data: bytes) -> Sequence[EngineEvent]:
        return [event for message in self._peer.feed(data) for event in self._read(message)]

    def close(self, end: Exit) -> Outcome:
        for message in self._peer.finish():
            list(self._read(message))
        list(self._messages.flush())
        seen = acp_ending.Seen(
            answered=self._prompted and not self._prompts,
            stop=self._stop,
            text=self._messages.last,
            aside=self._messages.aside,
            denied=self._denied,
            acted=bool(self._messages.last) or self._calls.any,
            called=self._calls.any,
            trouble=self._trouble,
            failed=self._failed,
            opened=self._opened,
            rubbish=self._peer.rubbish,
        )
        found = acp_ending.outcome(self._agent, self._brief, seen, end)
        return with_cost(found, usage=self._spent.usage, session=self._id)

    # -- what is written to it

    def tell(self, text: str) -> str | None:
        """A second prompt, where the agent takes that into the turn that runs; others would end the first one."""
        if self._agent.capabilities.steer != FOLD or not self._works:
            return None
        return self._peer.draft("session/prompt", self._prompt(text))

    def answer(self, request: str, verdict: Verdict) -> str | None:
        waiting = self._pending.get(request)
        if waiting is None or self._done:
            return None
        told = self.tell(refusal(verdict.reason)) if verdict.note else None
        return self._peer.respond(waiting.id, answer(waiting.options, verdict)) + (told or "")

    def interrupt(self) -> str | None:
        return self._peer.notify("session/cancel", {"sessionId": self._id}) if self._works else None

    def took(self, data: str) -> Sequence[EngineEvent]:
        new = self._peer.next_id
        self._peer.sent(data)
        return [event for line in data.splitlines() for event in self._wrote(line, new=new)]

    @property
    def _works(self) -> bool:
        return self._prompts > 0 and not self._cancelled and not self._done

    def _wrote(self, line: str, *, new: int) -> Iterator[EngineEvent]:
        """`new`: the first number of a request that was not made before; its own replies come here, too."""
        message = _object_of(line)
        match message.get("method"):
            case "session/prompt":
                number = message.get("id")
                if isinstance(number, int) and number >= new:
                    self._prompts += 1
                    self._messages.alone = 0
            case "session/cancel":
                self._cancelled = True
                for request, waiting in list(self._pending.items()):
                    yield from self._withdraw(request)
                    yield Reply(self._peer.respond(waiting.id, CANCELLED))
            case None:
                yield from self._decided(_name(message.get("id")), message.get("result"))

    def _decided(self, request: str, result: Json) -> Iterator[EngineEvent]:
        waiting = self._pending.get(request)
        if waiting is None:
            return
        yield from self._withdraw(request)
        verdict = given(waiting.options, result)
        if verdict.note and self._agent.capabilities.steer == FOLD:
            self._heard = verdict.reason
        elif verdict.note:
            self._untold.append(verdict.reason)
        yield from self._decide(waiting.call, waiting.text, verdict)

    def _decide(self, call: str, text: str, verdict: Verdict) -> Iterator[EngineEvent]:
        """A call has leave, or has not."""
        if verdict.answer == ALLOW:
            yield from self._calls.called(call)
        else:
            self._denied = verdict.reason
            yield Refused(text, verdict.reason)
            yield from self._calls.over(call)

    def _withdraw(self, request: str) -> Iterator[EngineEvent]:
        if self._pending.pop(request, None) is not None:
            yield Withdrawn(request)

    # -- what comes from it

    def _read(self, message: Incoming) -> Iterator[EngineEvent]:
        match message:
            case Request():
                yield from self._requested(message)
            case Notified(method="session/update", params=params):
                update = params.get("update")
                # What comes before the prompt is an older session played back.
                if self._prompted and isinstance(update, Mapping) and params.get("sessionId") in (None, self._id):
                    yield from self._updated(update)
            case Notified():
                pass
            case Answered():
                yield from self._answered(message)

    def _requested(self, request: Request) -> Iterator[EngineEvent]:
        if self._done:
            return  # nothing can be written to it any more
        if request.method == "fs/write_text_file" and self._agent.tells_writes:
            yield Reply(self._peer.respond(request.id, {}))
            return
        if request.method != "session/request_permission":
            yield Reply(self._peer.refuse(request.id, message=f"teamflow has no {request.method}"))
            return
        yield from self._messages_end()
        told = request.params.get("toolCall")
        call = self._calls.merge(told if isinstance(told, Mapping) else {})
        if self._cancelled:
            yield Reply(self._peer.respond(request.id, CANCELLED))
            return
        wish = wish_of(call, servers=self._brief.servers, alone=bool(self._brief.home))
        verdict = self._judge(wish)
        wish = named(wish, self._brief)
        options = request.params.get("options")
        if verdict.answer == QUEUE:
            self._pending[_name(request.id)] = _Pending(request.id, options, call.id, wish.text)
            yield Asked(_name(request.id), wish._replace(why=verdict.reason))
            return
        yield from self._decide(call.id, wish.text, verdict)
        yield Reply(self._peer.respond(request.id, chosen(options, allow=verdict.answer == ALLOW)))

    def _judge(self, wish: Wish) -> Verdict:
        return judge(self._brief.grants, wish, cwd=self._brief.cwd, roots=self._brief.roots)

    def _updated(self, update: Mapping[str, Json]) -> Iterator[EngineEvent]:
        match update.get("sessionUpdate"):
            case "agent_message_chunk":
                yield from self._messages.chunk(update)
                if not self._messages.aside:
                    self._denied = ""
                if self._messages.alone > _MOST_ALONE and self._works:
                    yield from self._ask(Failed(FailureClass.FATAL, f"{self._agent.name} {_ALONE}"))
            case "usage_update":
                yield from self._spent.updated(update)
            case "tool_call" | "tool_call_update":
                yield from self._messages_end()
                self._messages.alone = 0
                for event in self._calls.update(update):
                    self._denied = "" if isinstance(event, Called) else self._denied
                    yield event
            case "plan":
                yield from self._messages_end()
                moved = progress(update)
                if moved is not None:
                    yield moved
            case "agent_thought_chunk" | "user_message_chunk":
                yield from self._messages_end()

    def _messages_end(self) -> Iterator[EngineEvent]:
        yield from self._messages.flush()

    def _answered(self, answer: Answered) -> Iterator[EngineEvent]:
        if self._done:
            return
        if answer.error is not None:
            yield from self._refused(answer.method, answer.error)
        elif answer.method == "initialize":
            yield from self._ask(self._opening.initialized(answer.result))
        elif answer.method == "authenticate":
            yield from self._ask(self._opening.session())
        elif answer.method in _OPENS:
            yield from self._open(answer.result)
        elif answer.method == "session/prompt":
            yield from self._ended(answer.result)
        else:
            yield from self._next()

    def _open(self, result: Mapping[str, Json]) -> Iterator[EngineEvent]:
        id = self._opening.opened(result)
        if isinstance(id, Failed):
            yield from self._ask(id)
            return
        self._id, self._opened = id, True
        if not self._opening.loads:
            self._spent.anew()
        yield SessionOpened(id)
        settings = self._opening.settings(id, result)
        if isinstance(settings, Failed):
            yield from self._ask(settings)
            return
        yield from model_told(self._opening.model(result))
        self._todo = settings
        yield from self._next()

    def _next(self) -> Iterator[EngineEvent]:
        """The next thing to be set, and then the prompt, once."""
        if self._todo:
            yield from self._ask(self._todo.pop(0))
        elif not self._prompted:
            self._prompted = True
            self._prompts += 1
            fresh = not self._opening.loads and not self._agent.appends
            text = prompt(self._brief, with_instructions=fresh)
            yield from self._ask(("session/prompt", self._prompt(text)))

    def _prompt(self, text: str) -> Mapping[str, Json]:
        text = f"Your task: {text}" if text.lstrip().startswith(_COMMANDS) else text
        return {"sessionId": self._id, "prompt": [{"type": "text", "text": text}]}

    def _ask(self, asked: Ask | Failed) -> Iterator[EngineEvent]:
        if isinstance(asked, Failed):
            self._failed = asked
            yield from self._finish()
        else:
            method, params = asked
            yield Reply(self._peer.request(method, params))

    def _refused(self, method: str, error: Mapping[str, Json]) -> Iterator[EngineEvent]:
        """An error in answer to a request of ours."""
        if method in _OPENS and error.get("code") == AUTHENTICATION_REQUIRED:
            again = self._opening.authenticate()
            if again is not None:
                yield from self._ask(again)
                return
        elif method in _GOES_ON:
            yield from self._ask(self._opening.afresh())
            return
        found = acp_ending.trouble(error)
        self._trouble = found if found.text or found.kind else found._replace(text=f"it refuses {method}")
        yield from self._finish()

    def _ended(self, result: Mapping[str, Json]) -> Iterator[EngineEvent]:
        """A prompt has its answer."""
        self._prompts -= 1
        stop = result.get("stopReason")
        self._stop = stop if isinstance(stop, str) else ""
        yield from self._spent.answered(result)
        if self._prompts <= 0:
            yield from self._urge() if self._has_to_hear else self._finish()

    @property
    def _has_to_hear(self) -> bool:
        """Opencode and copilot end their turn when they are refused something, whatever is left to do."""
        gave_up = bool(self._denied) and self._urged < _MOST_URGED
        return (gave_up or bool(self._untold)) and self._stop == "end_turn" and not self._cancelled

    def _urge(self) -> Iterator[EngineEvent]:
        yield from self._messages_end()
        yield from self._calls.end()
        text = refusal(*self._untold, self._denied if self._denied != self._heard else "")
        self._urged += bool(self._denied)
        self._denied, self._untold = "", []
        self._messages.alone = 0
        self._prompts += 1
        yield from self._ask(("session/prompt", self._prompt(text)))

    def _finish(self) -> Iterator[EngineEvent]:
        yield from self._messages_end()
        yield from self._calls.end()
        for request in list(self._pending):
            yield from self._withdraw(request)
        self._done = True
        yield Reply("", end=True)


def _name(id: Json) -> str:
    """What a request is called by: 1 and "1" are two."""
    return json.dumps(id)


def _object_of(line: str) -> Mapping[str, Json]:
    try:
        value = parse_json(line)
    except ValueError:
        return {}
    return value if isinstance(value, Mapping) else {}
