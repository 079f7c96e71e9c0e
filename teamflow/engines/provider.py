"""What went wrong between an agent CLI and its model: the one table, for every engine, from what a CLI tells of it to a
failure class and a time to wait.

A CLI's own word for an error goes before an HTTP status, and that before the message. Usage limits are found by the
patterns of `EXHAUSTED` alone, so that a new wording is one line here. Times in a message are read by
`engines/waits.stated_wait`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from teamflow.core.invocation import Brief
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, FailureClass, Outcome
from teamflow.core.shell import excerpt
from teamflow.engines.waits import stated_wait

EXHAUSTED: Final = (
    # Claude, by subscription: "Claude AI usage limit reached|1767225600", "You've hit your weekly limit · resets 3am".
    r"usage limit reached",
    r"(?:hit|reached|exceeded) your (?:[\w-]+[ -]){0,3}limit",
    r"out of (?:extra )?usage\b",
    r"(?:5-hour|weekly|daily|monthly|session|opus) limit (?:reached|exceeded)",
    # Codex: "You've hit your usage limit … try again at 4:09 AM".
    r"usage[_ ]?limit[_ ]?(?:exceeded|reached)",
    # OpenAI and what speaks its dialect.
    r"insufficient_quota|exceeded your current quota",
    # Gemini: "You have exhausted your daily quota", "Quota exceeded for quota metric".
    r"exhausted your (?:\w+ ){0,3}(?:quota|capacity)",
    r"quota exceeded|quota has been (?:exceeded|reached)|exceeded (?:your|the) (?:\w+ ){0,3}quota",
    # Copilot.
    r"(?:premium requests?|monthly) (?:quota|allowance|limit)",
    # No money.
    r"credit balance is too low|insufficient (?:credits|balance|funds)|payment required|out of credits",
)
"""Regular expressions, without regard to case: the account can do no more for now."""

_EXHAUSTED: Final = re.compile("|".join(EXHAUSTED), re.IGNORECASE)

KINDS: Final[Mapping[str, FailureClass]] = {
    # claude: `error` of the last assistant event.
    "authentication_failed": FailureClass.AUTH,
    "oauth_org_not_allowed": FailureClass.AUTH,
    "billing_error": FailureClass.USAGE_EXHAUSTED,
    "rate_limit": FailureClass.RATE_LIMIT,
    "server_error": FailureClass.TRANSIENT,
    "overloaded": FailureClass.TRANSIENT,
    "model_not_found": FailureClass.FATAL,
    "invalid_request": FailureClass.FATAL,
    "max_output_tokens": FailureClass.FATAL,
    # codex: `codexErrorInfo`.
    "unauthorized": FailureClass.AUTH,
    "usageLimitExceeded": FailureClass.USAGE_EXHAUSTED,
    "rateLimitExceeded": FailureClass.RATE_LIMIT,
    "serverOverloaded": FailureClass.TRANSIENT,
    "internalServerError": FailureClass.TRANSIENT,
    "modelNotFound": FailureClass.FATAL,
    "contextWindowExceeded": FailureClass.FATAL,
    "badRequest": FailureClass.FATAL,
    "sandboxError": FailureClass.FATAL,
    # copilot: `errorType`.
    "authentication": FailureClass.AUTH,
    # gemini and others by ACP.
    "authentication_required": FailureClass.AUTH,
}
"""A CLI's own words for an error."""

_TEXTS: Final = (
    (r"prompt is too long|context[ _]?(?:window|length)[ _]?exceeded|maximum context length", FailureClass.FATAL),
    (r"no conversation found|no rollout found|session not found", FailureClass.FATAL),
    (r"model .{0,80}(?:not found|does not exist|not supported)|model_not_found|unknown model", FailureClass.FATAL),
    (r"invalid (?:api key|authentication|x-api-key)|not logged in|please (?:run )?/?log ?in|unauthorized|"
     r"authentication[ _](?:failed|error)|invalid_api_key|invalid bearer", FailureClass.AUTH),
    (r"too many requests|rate[ _-]?limit", FailureClass.RATE_LIMIT),
    (r"overloaded|unable to connect|connection ?(?:refused|reset|error|closed)|could not connect|timed? ?out|"
     r"stream (?:disconnected|closed)|socket hang up|fetch failed|terminated|econn|enotfound|eai_again|network|"
     r"service unavailable|bad gateway|internal server error|high demand|retried \d+ times", FailureClass.TRANSIENT),
)  # fmt: skip
_PATTERNS: Final = tuple((re.compile(pattern, re.IGNORECASE), failure) for pattern, failure in _TEXTS)

_ANYTHING: Final = 500
"""What gemini also says of a model that is not there: words that nothing mends count for more."""

_WAITS: Final = frozenset({FailureClass.RATE_LIMIT, FailureClass.USAGE_EXHAUSTED})
_LONGEST_READ: Final = 4000
_LONGEST_TOLD: Final = 300


class Trouble(NamedTuple):
    """What a CLI tells of an error: its own word, the HTTP status, the message; what it does not tell is empty."""

    kind: str = ""
    status: int | None = None
    text: str = ""
    retried: bool = True
    """Whether it has tried again itself. One that gave up at once on a 429 was told to wait for long."""


def failure_of(trouble: Trouble) -> FailureClass | None:
    """Its class; None: nothing tells."""
    text = trouble.text[:_LONGEST_READ]
    if trouble.status == 402 or _EXHAUSTED.search(text):
        return FailureClass.USAGE_EXHAUSTED
    known = KINDS.get(trouble.kind)
    if known is FailureClass.RATE_LIMIT and not trouble.retried:
        return FailureClass.USAGE_EXHAUSTED
    by_status = _of_status(trouble)
    if known is not None and not (known is FailureClass.FATAL and by_status is FailureClass.TRANSIENT):
        return known
    if by_status is not None and trouble.status != _ANYTHING:
        return by_status
    said = next((failure for pattern, failure in _PATTERNS if pattern.search(text)), None)
    return FailureClass.FATAL if said is FailureClass.FATAL else by_status or said


def failed(trouble: Trouble, *, at: float | None, exit_code: int | None = None) -> Failed:
    """The failure of an attempt whose model could not be asked. `at`: when it ended (Unix), for times of day."""
    failure = failure_of(trouble) or FailureClass.FATAL
    wait = stated_wait(trouble.text[:_LONGEST_READ], at) if failure in _WAITS else None
    return Failed(failure, reason(trouble), exit_code=exit_code, retry_after=wait)


_KEY: Final = "no login counts with base_url: give it a key for that server by secrets or env"


def with_login(outcome: Outcome, login: str, brief: Brief) -> Outcome:
    """The outcome; one that failed because nobody is logged in says how that is done. `login`: in words."""
    if not login or not isinstance(outcome, Failed) or outcome.failure is not FailureClass.AUTH:
        return outcome
    return outcome._replace(reason=f"{outcome.reason} ({_KEY if brief.base_url else login})")


def reason(trouble: Trouble) -> str:
    """One line for people."""
    named = ", ".join(part for part in (trouble.kind, str(trouble.status) if trouble.status else "") if part)
    said = excerpt(trouble.text.strip(), width=_LONGEST_TOLD)
    if not said:
        return f"the agent's model failed ({named or 'it does not say how'})"
    return f"{said} ({named})" if named else said


def _of_status(trouble: Trouble) -> FailureClass | None:
    match trouble.status:
        case None:
            return None
        case 401 | 403:
            return FailureClass.AUTH
        case 429:
            return FailureClass.RATE_LIMIT if trouble.retried else FailureClass.USAGE_EXHAUSTED
        case 408 | 409 | 425:
            return FailureClass.TRANSIENT
        case status if status >= 500:
            return FailureClass.TRANSIENT
        case status if 400 <= status < 500:
            return FailureClass.FATAL
        case _:
            return None
