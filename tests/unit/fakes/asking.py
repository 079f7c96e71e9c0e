"""A client of the model server: one call in each dialect, as the CLIs make them, and what of the answer matters."""

from __future__ import annotations

import http.client
import json
from typing import Any, NamedTuple

from tests.fakes.models import Models

_SCHEMA = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}

PATHS = {
    "anthropic": "/v1/messages",
    "responses": "/v1/responses",
    "chat": "/v1/chat/completions",
    "gemini": "/v1beta/models/m1:generateContent",
}


class Got(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str
    whole: bool

    def json(self) -> Any:
        return json.loads(self.text)

    def events(self) -> list[dict[str, Any]]:
        lines = [line.removeprefix("data: ") for line in self.text.splitlines() if line.startswith("data: {")]
        return [json.loads(line) for line in lines]


def body(dialect: str, *, prompt: str = "hi", stream: bool = False, tools: bool = True) -> dict[str, Any]:
    """A call that offers `Bash`, for what it is called there."""
    match dialect:
        case "anthropic":
            offered = [{"name": "Bash", "input_schema": _SCHEMA}] if tools else []
            messages = [{"role": "user", "content": [{"type": "text", "text": prompt}]}]
            return {"model": "m1", "stream": stream, "messages": messages, "tools": offered}
        case "responses":
            offered = [{"type": "function", "name": "shell", "parameters": _SCHEMA}] if tools else []
            said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}]}
            return {"model": "m1", "stream": stream, "input": [said], "tools": offered}
        case "chat":
            offered = [{"type": "function", "function": {"name": "bash", "parameters": _SCHEMA}}] if tools else []
            messages = [{"role": "system", "content": "be good"}, {"role": "user", "content": prompt}]
            return {"model": "m1", "stream": stream, "messages": messages, "tools": offered}
        case _:
            declared = [{"name": "run_shell_command", "parametersJsonSchema": _SCHEMA}] if tools else []
            said = {"role": "user", "parts": [{"text": prompt}]}
            return {"contents": [said], "tools": [{"functionDeclarations": declared}]}


def ask(server: Models, dialect: str, *, agent: str = "", key: str = "", stream: bool = False, **more: Any) -> Got:
    """One call and its whole answer; `whole` is false when the connection ended before it did."""
    path = PATHS[dialect]
    if stream and dialect == "gemini":
        path = path.replace(":generateContent", ":streamGenerateContent") + "?alt=sse"
    return send(server, "POST", (f"/{agent}" if agent else "") + path, body(dialect, stream=stream, **more), key=key)


def send(server: Models, method: str, path: str, data: Any = None, *, key: str = "") -> Got:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        connection.request(method, path, None if data is None else json.dumps(data), headers)
        answer = connection.getresponse()
        try:
            text, whole = answer.read(), True
        except http.client.IncompleteRead as broken:
            text, whole = broken.partial, False
        given = {name.lower(): value for name, value in answer.getheaders()}
        return Got(answer.status, given, text.decode(), whole)
    finally:
        connection.close()


def said(dialect: str, got: Got) -> str:
    """The text of an answer that was not streamed."""
    whole = got.json()
    match dialect:
        case "anthropic":
            return "".join(one.get("text", "") for one in whole["content"])
        case "responses":
            return "".join(part["text"] for one in whole["output"] for part in one.get("content", []))
        case "chat":
            return str(whole["choices"][0]["message"]["content"])
        case _:
            parts = whole["candidates"][0]["content"]["parts"]
            return "".join(one.get("text", "") for one in parts)


def streamed(dialect: str, got: Got) -> str:
    """The text of an answer that was streamed, put together as a CLI does."""
    match dialect:
        case "anthropic":
            return "".join(one["delta"].get("text", "") for one in got.events() if one["type"] == "content_block_delta")
        case "responses":
            return "".join(one["delta"] for one in got.events() if one["type"] == "response.output_text.delta")
        case "chat":
            return "".join(one["choices"][0]["delta"].get("content") or "" for one in got.events())
        case _:
            parts = [part for one in got.events() for part in one["candidates"][0]["content"]["parts"]]
            return "".join(one.get("text", "") for one in parts)
