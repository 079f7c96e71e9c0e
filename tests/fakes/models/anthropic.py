"""The dialect of Anthropic's messages: `POST /v1/messages`, streamed or whole, and `/v1/messages/count_tokens`."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.models.faults import Fact
from tests.fakes.models.wire import Answer, Ask, Halves, Refusal, event, in_two, offered, texts

NAME = "anthropic"


def claims(path: str) -> bool:
    return path.endswith("/messages")


def counts(path: str) -> bool:
    return path.endswith("/messages/count_tokens")


def count() -> dict[str, Any]:
    return {"input_tokens": 100}


def read(path: str, body: dict[str, Any]) -> Ask:
    messages = body.get("messages", [])
    schema = body.get("output_config", {}).get("format", {}).get("schema") if "output_config" in body else None
    first = next((texts(one.get("content")) for one in messages if one.get("role") == "user"), "")
    return Ask(
        dialect=NAME,
        model=str(body.get("model", "")),
        stream=bool(body.get("stream")),
        tools={one["name"]: offered(one.get("input_schema")) for one in body.get("tools") or []},
        schema=schema,
        first=first,
        length=len(messages),
        whole=json.dumps(body),
    )


def _usage(answer: Answer) -> dict[str, int]:
    used = answer.usage
    return {
        "input_tokens": used.input - used.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": used.cached,
        "output_tokens": used.output,
    }


def _message(answer: Answer, ask: Ask, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"msg_{answer.id}",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(answer),
    }


def _blocks(answer: Answer) -> list[dict[str, Any]]:
    said = [{"type": "text", "text": answer.text}] if answer.text else []
    return said + [
        {"type": "tool_use", "id": f"toolu_{one.id}", "name": one.name, "input": one.arguments} for one in answer.calls
    ]


def whole(answer: Answer, ask: Ask) -> dict[str, Any]:
    made = _message(answer, ask, _blocks(answer))
    return {**made, "stop_reason": "tool_use" if answer.calls else "end_turn"}


def stream(answer: Answer, ask: Ask) -> Halves:
    start = _message(answer, ask, [])
    start["usage"] = {**start["usage"], "output_tokens": 1}
    sent = [event({"type": "message_start", "message": start})]
    half = 0
    for index, block in enumerate(_blocks(answer)):
        if block["type"] == "text":
            empty, deltas = (
                {**block, "text": ""},
                [{"type": "text_delta", "text": part} for part in in_two(block["text"])],
            )
        else:
            parts = in_two(json.dumps(block["input"]))
            empty = {**block, "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
        sent.append(event({"type": "content_block_start", "index": index, "content_block": empty}))
        for delta in deltas:
            sent.append(event({"type": "content_block_delta", "index": index, "delta": delta}))
            half = half or len(sent)
        sent.append(event({"type": "content_block_stop", "index": index}))
    reason = "tool_use" if answer.calls else "end_turn"
    end = {"stop_reason": reason, "stop_sequence": None}
    sent.append(event({"type": "message_delta", "delta": end, "usage": _usage(answer)}))
    sent.append(event({"type": "message_stop"}))
    return Halves(b"".join(sent[:half]), b"".join(sent[half:]))


def _error(fact: Fact) -> dict[str, Any]:
    return {"type": "error", "error": {"type": fact.kind, "message": fact.message}, "request_id": "req_scripted"}


def refuse(fact: Fact) -> Refusal:
    headers = dict(fact.headers)
    if fact.resets_at:
        headers["anthropic-ratelimit-unified-status"] = "rejected"
        headers["anthropic-ratelimit-unified-reset"] = str(fact.resets_at)
    return Refusal(fact.status, headers, json.dumps(_error(fact)).encode())


def broken_stream(fact: Fact) -> bytes:
    return event(_error(fact))
