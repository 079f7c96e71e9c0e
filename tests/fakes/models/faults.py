"""How providers refuse, per dialect: status, kind and words. A table and nothing else; the payloads are imitations.

What the real CLIs make of each stands in the end-to-end tests. Refuses to know how the dialects wrap a refusal.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from tests.fakes.models.script import BadScript, Fault


class Fact(NamedTuple):
    """A fault for one dialect. `resets_at` is Unix time, 0 where nothing resets; `in_stream`: told after a 200."""

    name: str
    status: int
    kind: str
    code: str
    message: str
    headers: dict[str, str]
    resets_at: int
    in_stream: bool


class _Row(NamedTuple):
    """`statuses`, `kinds` and `words` may differ for a dialect: those of `""` are everybody's."""

    statuses: dict[str, int]
    kinds: dict[str, str]
    words: dict[str, str]
    limit: bool = False
    in_stream: bool = False
    retry_after: int | None = None


FAULTS: dict[str, _Row] = {
    "unauthorized": _Row(
        {"": 401},
        {"anthropic": "authentication_error", "": "invalid_request_error", "gemini": "UNAUTHENTICATED"},
        {"": "Incorrect API key provided", "anthropic": "invalid x-api-key", "gemini": "API key not valid"},
    ),
    "forbidden": _Row(
        {"": 403},
        {"anthropic": "permission_error", "": "permission_denied", "gemini": "PERMISSION_DENIED"},
        {"": "Your account does not have access to this resource"},
    ),
    "rate_limited": _Row(
        {"": 429},
        {"anthropic": "rate_limit_error", "": "rate_limit_exceeded", "gemini": "RESOURCE_EXHAUSTED"},
        {"": "Too many requests, slow down"},
    ),
    "usage_limit": _Row(
        {"": 429},
        {
            "anthropic": "rate_limit_error",
            "responses": "usage_limit_reached",
            "chat": "insufficient_quota",
            "gemini": "RESOURCE_EXHAUSTED",
        },
        {
            "anthropic": "This request would exceed your account's rate limit. Please try again later.",
            "responses": "The usage limit has been reached",
            "chat": "You exceeded your current quota, please check your plan and billing details.",
            "gemini": "You have exhausted your daily quota on this model.",
        },
        limit=True,
        retry_after=3600,
    ),
    "no_quota": _Row(
        {"": 429},
        {"anthropic": "rate_limit_error", "": "insufficient_quota", "gemini": "RESOURCE_EXHAUSTED"},
        {"": "You exceeded your current quota, please check your plan and billing details."},
    ),
    "no_credit": _Row(
        {"anthropic": 400, "": 402},
        {"anthropic": "invalid_request_error", "": "insufficient_balance", "gemini": "FAILED_PRECONDITION"},
        {
            "anthropic": "Your credit balance is too low to access the Anthropic API.",
            "": "Payment required: your balance is too low",
        },
    ),
    "unpaid": _Row(
        {"": 402},
        {"anthropic": "billing_error", "": "billing_error", "gemini": "FAILED_PRECONDITION"},
        {"": "Payment required"},
    ),
    "no_model": _Row(
        {"": 404},
        {"anthropic": "not_found_error", "": "invalid_request_error", "gemini": "NOT_FOUND"},
        {"": "The model does not exist or you do not have access to it.", "anthropic": "model: not found"},
    ),
    "too_long": _Row(
        {"": 400},
        {"anthropic": "invalid_request_error", "": "invalid_request_error", "gemini": "INVALID_ARGUMENT"},
        {
            "anthropic": "prompt is too long: 250000 tokens > 200000 maximum",
            "": "This model's maximum context length is 128000 tokens. Your messages resulted in 250000 tokens.",
            "responses": "Your input exceeds the context window of this model. Please adjust your input and try again.",
            "gemini": "The input token count (2500000) exceeds the maximum number of tokens allowed (1048576).",
        },
    ),
    "bad_request": _Row(
        {"": 400},
        {"anthropic": "invalid_request_error", "": "invalid_request_error", "gemini": "INVALID_ARGUMENT"},
        {"": "The request is malformed"},
    ),
    "broken": _Row(
        {"": 500},
        {"anthropic": "api_error", "": "server_error", "gemini": "INTERNAL"},
        {"": "Internal server error"},
    ),
    "unavailable": _Row(
        {"": 503},
        {"anthropic": "api_error", "": "server_error", "gemini": "UNAVAILABLE"},
        {"": "The service is unavailable"},
    ),
    "overloaded": _Row(
        {"": 503, "anthropic": 529},
        {"anthropic": "overloaded_error", "": "server_is_overloaded", "gemini": "UNAVAILABLE"},
        {"": "The model is overloaded", "anthropic": "Overloaded"},
    ),
    "stream_error": _Row(
        {"": 200},
        {"anthropic": "overloaded_error", "": "server_error", "gemini": "UNAVAILABLE"},
        {"": "The server had an error while processing your request", "anthropic": "Overloaded"},
        in_stream=True,
    ),
}
"""Name → what each dialect gets. Codes of the Responses and Chat dialects that are not the kind are in `_CODES`."""

_CODES = {
    "unauthorized": "invalid_api_key",
    "no_model": "model_not_found",
    "too_long": "context_length_exceeded",
    "rate_limited": "rate_limit_exceeded",
    "overloaded": "server_is_overloaded",
    "stream_error": "server_error",
}


def fact(fault: Fault, *, dialect: str, now: float | None = None) -> Fact:
    """The fault in one dialect. Raises BadScript for a name that is not in FAULTS."""
    row = FAULTS.get(fault.name)
    if row is None:
        raise BadScript(f"no fault is named {fault.name!r}; there are {', '.join(FAULTS)}")
    wait = fault.retry_after if fault.retry_after is not None else row.retry_after
    kind = _of(row.kinds, dialect)
    return Fact(
        name=fault.name,
        status=_of(row.statuses, dialect),
        kind=kind,
        code=_CODES.get(fault.name, kind),
        message=fault.message or _of(row.words, dialect),
        headers={} if wait is None else {"retry-after": str(wait)},
        resets_at=int((time.time() if now is None else now) + fault.resets_in) if row.limit else 0,
        in_stream=row.in_stream or fault.in_stream,
    )


def _of(table: dict[str, Any], dialect: str) -> Any:
    return table[dialect] if dialect in table else table[""]
