"""The dialect of Gemini: `POST /v1beta/models/MODEL:generateContent`, `:streamGenerateContent`, `:countTokens`."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.models.faults import Fact
from tests.fakes.models.wire import Answer, Ask, Halves, Refusal, event, in_two, offered, texts

NAME = "gemini"


def claims(path: str) -> bool:
    return path.endswith((":generateContent", ":streamGenerateContent"))


def counts(path: str) -> bool:
    return path.endswith(":countTokens")


def count() -> dict[str, Any]:
    return {"totalTokens": 100}


def read(path: str, body: dict[str, Any]) -> Ask:
    contents = body.get("contents") or []
    config = body.get("generationConfig") or {}
    declared = [one for group in body.get("tools") or [] for one in group.get("functionDeclarations") or []]
    # Like codex, it sends what it knows of the directory as a message of the user before the prompt.
    return Ask(
        dialect=NAME,
        model=path.rsplit("/", 1)[-1].split(":")[0],
        stream=path.endswith(":streamGenerateContent"),
        tools={one["name"]: offered(_schema(one)) for one in declared},
        schema=config.get("responseJsonSchema") or config.get("responseSchema"),
        first="\n".join(texts(one.get("parts")) for one in contents if one.get("role") == "user"),
        length=len(contents),
        whole=json.dumps(body),
    )


def _schema(tool: dict[str, Any]) -> dict[str, Any] | None:
    return tool.get("parametersJsonSchema") or tool.get("parameters")


def _part(answer: Answer, ask: Ask, parts: list[dict[str, Any]], *, last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if last:
        candidate["finishReason"] = "STOP"
    used = answer.usage
    counted = {"promptTokenCount": used.input, "cachedContentTokenCount": used.cached}
    counted |= {"candidatesTokenCount": used.output, "totalTokenCount": used.input + used.output}
    shared = {"modelVersion": ask.model, "responseId": answer.id}
    return {"candidates": [candidate], **({"usageMetadata": counted} if last else {}), **shared}


def _calls(answer: Answer) -> list[dict[str, Any]]:
    return [{"functionCall": {"id": one.id, "name": one.name, "args": one.arguments}} for one in answer.calls]


def whole(answer: Answer, ask: Ask) -> dict[str, Any]:
    said = [{"text": answer.text}] if answer.text else []
    return _part(answer, ask, said + _calls(answer), last=True)


def stream(answer: Answer, ask: Ask) -> Halves:
    first, second = in_two(answer.text) if answer.text else ("", "")
    head = event(_part(answer, ask, [{"text": first}], last=False))
    said = [{"text": second}] if second else []
    parts = said + _calls(answer) or [{"text": ""}]
    return Halves(head, event(_part(answer, ask, parts, last=True)))


def _error(fact: Fact) -> dict[str, Any]:
    details: list[dict[str, Any]] = []
    rpc = "type.googleapis.com/google.rpc."
    if fact.resets_at:
        quota = {"quotaMetric": "generate_content_requests", "quotaId": "GenerateRequestsPerDayPerProjectPerModel"}
        details.append({"@type": f"{rpc}QuotaFailure", "violations": [quota]})
    if "retry-after" in fact.headers:
        details.append({"@type": f"{rpc}RetryInfo", "retryDelay": f"{fact.headers['retry-after']}s"})
    code = fact.status if fact.status >= 400 else 503
    return {"error": {"code": code, "message": fact.message, "status": fact.kind, "details": details}}


def refuse(fact: Fact) -> Refusal:
    return Refusal(fact.status, dict(fact.headers), json.dumps(_error(fact)).encode())


def broken_stream(fact: Fact) -> bytes:
    return event(_error(fact))
