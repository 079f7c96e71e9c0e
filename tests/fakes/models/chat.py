"""The dialect of OpenAI's chat completions: `POST /v1/chat/completions`. Opencode, copilot, local models speak it."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.models.faults import Fact
from tests.fakes.models.wire import Answer, Ask, Halves, Refusal, event, in_two, offered, texts

NAME = "chat"


def claims(path: str) -> bool:
    return path.endswith("/chat/completions")


def counts(path: str) -> bool:
    return False


def count() -> dict[str, Any]:
    return {}


def read(path: str, body: dict[str, Any]) -> Ask:
    messages = body.get("messages") or []
    wanted = body.get("response_format") or {}
    return Ask(
        dialect=NAME,
        model=str(body.get("model", "")),
        stream=bool(body.get("stream")),
        tools={_tool(one)["name"]: offered(_tool(one).get("parameters")) for one in body.get("tools") or []},
        schema=(wanted.get("json_schema") or {}).get("schema"),
        first=next((texts(one.get("content")) for one in messages if one.get("role") == "user"), ""),
        length=len(messages),
        whole=json.dumps(body),
    )


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    named: dict[str, Any] = tool[tool["type"]]
    return named


def _usage(answer: Answer) -> dict[str, Any]:
    used = answer.usage
    return {
        "prompt_tokens": used.input,
        "completion_tokens": used.output,
        "total_tokens": used.input + used.output,
        "prompt_tokens_details": {"cached_tokens": used.cached},
    }


def _calls(answer: Answer) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "id": f"call_{one.id}",
            "type": "function",
            "function": {"name": one.name, "arguments": json.dumps(one.arguments)},
        }
        for index, one in enumerate(answer.calls)
    ]


def whole(answer: Answer, ask: Ask) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None}
    if answer.calls:
        message["tool_calls"] = [{name: one[name] for name in ("id", "type", "function")} for one in _calls(answer)]
    reason = "tool_calls" if answer.calls else "stop"
    return {
        "id": f"chatcmpl-{answer.id}",
        "object": "chat.completion",
        "created": 0,
        "model": ask.model,
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": _usage(answer),
    }


def stream(answer: Answer, ask: Ask) -> Halves:
    def chunk(delta: dict[str, Any], *, reason: str | None = None, **more: Any) -> bytes:
        shared = {"id": f"chatcmpl-{answer.id}", "object": "chat.completion.chunk", "created": 0, "model": ask.model}
        return event({**shared, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more})

    head = [chunk({"role": "assistant", "content": ""})]
    tail: list[bytes] = []
    if answer.text:
        first, second = in_two(answer.text)
        head.append(chunk({"content": first}))
        tail.append(chunk({"content": second}))
    tail += [chunk({"tool_calls": [one]}) for one in _calls(answer)]
    tail.append(chunk({}, reason="tool_calls" if answer.calls else "stop", usage=_usage(answer)))
    tail.append(b"data: [DONE]\n\n")
    return Halves(b"".join(head), b"".join(tail))


def _error(fact: Fact) -> dict[str, Any]:
    return {"error": {"message": fact.message, "type": fact.kind, "param": None, "code": fact.code}}


def refuse(fact: Fact) -> Refusal:
    return Refusal(fact.status, dict(fact.headers), json.dumps(_error(fact)).encode())


def broken_stream(fact: Fact) -> bytes:
    return event(_error(fact))
