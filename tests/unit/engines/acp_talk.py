"""An ACP agent that says what a test says, line by line, and hears what the session answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from teamflow.core.invocation import (
    Brief,
    EngineEvent,
    Exit,
    Invocation,
    Reply,
)
from teamflow.core.outcome import Failed, Outcome
from teamflow.core.plan import EngineDefinition
from teamflow.engines.acp import AcpEngine
from teamflow.engines.registry import custom_engine, engine

BRIEF = Brief("a", 1, "first", "/w", prompt="Do it.", stem="/run/a.1", context="You are step a.")
ABLE: dict[str, Any] = {"loadSession": True, "mcpCapabilities": {"http": True}}
OPTIONS = [
    {"optionId": "y2", "kind": "allow_always"},
    {"optionId": "y", "kind": "allow_once"},
    {"optionId": "n2", "kind": "reject_always"},
    {"optionId": "n", "kind": "reject_once"},
]
GOOSE = EngineDefinition(("goose", "acp"), output="acp", failures=(("rate_limit", "slow down"),))


class Talk:
    """An agent that says what the test says, and hears what the session answers."""

    def __init__(self, name: str = "goose", brief: Brief = BRIEF, **able: Any) -> None:
        made = custom_engine(name, GOOSE) if name == "goose" else engine(name)
        assert isinstance(made, AcpEngine)
        invocation = made.invoke(brief)
        assert isinstance(invocation, Invocation)
        self.session = made.session(brief)
        self.heard: list[dict[str, Any]] = []
        self.events: list[EngineEvent] = []
        self.ended = False
        self.hear(invocation.stdin or "")
        self.able = {**ABLE, **able}

    def hear(self, text: str) -> None:
        self.heard += [json.loads(line) for line in text.splitlines()]

    def take(self, events: Any) -> None:
        for event in events:
            if isinstance(event, Reply):
                assert not self.ended
                self.hear(event.data)
                self.ended = event.end
                self.take(self.session.took(event.data))
            else:
                self.events.append(event)

    def send(self, *messages: Mapping[str, Any]) -> None:
        for message in messages:
            self.take(self.session.feed(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"))

    def result(self, **result: Any) -> None:
        """To the last request."""
        self.send({"id": self.heard[-1]["id"], "result": result})

    def error(self, code: Any, message: Any = "Internal error", data: Any = None) -> None:
        self.send({"id": self.heard[-1]["id"], "error": {"code": code, "message": message, "data": data}})

    def initialize(self, **more: Any) -> None:
        self.result(protocolVersion=1, agentCapabilities=self.able, **more)

    def begin(self, **session: Any) -> Talk:
        self.initialize()
        self.result(sessionId="s1", **session)
        return self

    def update(self, name: str, /, **more: Any) -> None:
        params = {"sessionId": "s1", "update": {"sessionUpdate": name, **more}}
        self.send({"method": "session/update", "params": params})

    def say(self, text: str, **more: Any) -> None:
        self.update("agent_message_chunk", content={"type": "text", "text": text}, **more)

    def ask(self, number: Any = 77, *, options: Any = None, **call: Any) -> None:
        params = {"sessionId": "s1", "toolCall": call, "options": OPTIONS if options is None else options}
        self.send({"id": number, "method": "session/request_permission", "params": params})

    def write(self, text: str | None) -> None:
        assert text is not None
        self.hear(text)
        self.take(self.session.took(text))

    def each(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def last(self) -> dict[str, Any]:
        return self.heard[-1]

    def close(self, *, cause: str | None = None, code: int | None = 0, **more: Any) -> Outcome:
        return self.session.close(Exit(code, cause=cause, at=1_800_000_000.0, **more))

    def failed(self, **more: Any) -> Failed:
        outcome = self.close(**more)
        assert isinstance(outcome, Failed), outcome
        return outcome


def chosen(talk: Talk) -> str:
    return str(talk.last()["result"]["outcome"].get("optionId", "cancelled"))
