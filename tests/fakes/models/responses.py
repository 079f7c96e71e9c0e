"""The dialect of OpenAI's responses: `POST /v1/responses`, as codex speaks it."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.models.faults import Fact
from tests.fakes.models.wire import Answer, Ask, Halves, Offered, Refusal, event, in_two, offered, texts

NAME = "responses"


def claims(path: str) -> bool:
    return path.endswith("/responses")


def counts(path: str) -> bool:
    return False


def count() -> dict[str, Any]:
    return {}


def read(path: str, body: dict[str, Any]) -> Ask:
    given = body.get("input") or []
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    wanted = (body.get("text") or {}).get("format") or {}
    # What codex puts before the prompt (rules, environment) has the role of the user, too: all of it is looked through.
    return Ask(
        dialect=NAME,
        model=str(body.get("model", "")),
        stream=bool(body.get("stream")),
        tools=_tools(body.get("tools") or []),
        schema=wanted.get("schema") if wanted.get("type") == "json_schema" else None,
        first="\n".join(texts(one.get("content")) for one in items if one.get("role") == "user"),
        length=len(items),
        whole=json.dumps(body),
    )


def _tools(given: list[dict[str, Any]]) -> dict[str, Offered]:
    """A namespace holds tools (of an MCP server, of the agent's own agents): `NAMESPACE__NAME` here."""
    found = {}
    for one in given:
        if one["type"] == "namespace":
            for inner in one.get("tools") or []:
                name = inner["name"]
                found[f"{one['name'].rstrip('_')}__{name}"] = offered(
                    inner.get("parameters"), namespace=one["name"], name=name
                )
        else:
            custom = one["type"] == "custom"
            found[str(one.get("name", one["type"]))] = offered(one.get("parameters"), custom=custom)
    return found


def _items(answer: Answer, ask: Ask) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    if answer.text:
        said = {"type": "output_text", "text": answer.text, "annotations": []}
        made.append({"type": "message", "id": f"msg_{answer.id}", "role": "assistant", "content": [said]})
    for one in answer.calls:
        shared = {"id": f"fc_{one.id}", "call_id": f"call_{one.id}", "name": one.name}
        if one.namespace:
            shared["namespace"] = one.namespace
        if isinstance(one.arguments, str):
            made.append({"type": "custom_tool_call", **shared, "input": one.arguments})
        else:
            made.append({"type": "function_call", **shared, "arguments": json.dumps(one.arguments)})
    return [{**item, "status": "completed"} for item in made]


def whole(answer: Answer, ask: Ask) -> dict[str, Any]:
    used = answer.usage
    return {
        "id": f"resp_{answer.id}",
        "object": "response",
        "created_at": 0,
        "status": "completed",
        "model": ask.model,
        "output": _items(answer, ask),
        "usage": {
            "input_tokens": used.input,
            "input_tokens_details": {"cached_tokens": used.cached},
            "output_tokens": used.output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": used.input + used.output,
        },
    }


def stream(answer: Answer, ask: Ask) -> Halves:
    done = whole(answer, ask)
    begun = {**done, "status": "in_progress", "output": [], "usage": None}
    sent = [event({"type": "response.created", "response": begun})]
    half = 0
    for index, item in enumerate(done["output"]):
        sent.append(event({"type": "response.output_item.added", "output_index": index, "item": _empty(item)}))
        if item["type"] == "message":
            for part in in_two(item["content"][0]["text"]):
                data = {"output_index": index, "item_id": item["id"], "content_index": 0, "delta": part}
                sent.append(event({"type": "response.output_text.delta", **data}))
                half = half or len(sent)
        half = half or len(sent)
        sent.append(event({"type": "response.output_item.done", "output_index": index, "item": item}))
    sent.append(event({"type": "response.completed", "response": done}))
    return Halves(b"".join(sent[:half]), b"".join(sent[half:]))


def _empty(item: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {"status": "in_progress"}
    for name, nothing in (("content", []), ("arguments", ""), ("input", "")):
        if name in item:
            changes[name] = nothing
    return {**item, **changes}


def _error(fact: Fact) -> dict[str, Any]:
    error: dict[str, Any] = {"type": fact.kind, "code": fact.code, "message": fact.message, "param": None}
    if fact.resets_at:
        error |= {"plan_type": "plus", "resets_at": fact.resets_at}
    return error


def refuse(fact: Fact) -> Refusal:
    return Refusal(fact.status, dict(fact.headers), json.dumps({"error": _error(fact)}).encode())


def broken_stream(fact: Fact) -> bytes:
    error = {"code": fact.code, "message": fact.message}
    failed = {"id": "resp_failed", "object": "response", "status": "failed", "output": [], "error": error}
    return event({"type": "response.failed", "response": failed})
