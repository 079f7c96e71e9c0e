"""The one table of what goes wrong between a CLI and its model: words that the real CLIs were seen to use."""

from __future__ import annotations

import re

import pytest

from teamflow.core.invocation import Brief
from teamflow.core.outcome import Failed, FailureClass, Succeeded
from teamflow.engines.provider import EXHAUSTED, KINDS, Trouble, failed, failure_of, with_login

AUTH, RATE, USED_UP = FailureClass.AUTH, FailureClass.RATE_LIMIT, FailureClass.USAGE_EXHAUSTED
PASSING, FATAL = FailureClass.TRANSIENT, FailureClass.FATAL

SEEN = (
    # The CLI's own word goes before the status.
    (Trouble("authentication_failed", 401), AUTH),
    (Trouble("oauth_org_not_allowed", 403), AUTH),
    (Trouble("unauthorized"), AUTH),
    (Trouble("authentication"), AUTH),
    (Trouble("", 403), AUTH),
    (Trouble("billing_error", 400, "Your credit balance is too low"), USED_UP),
    (Trouble("rate_limit", 429), RATE),
    (Trouble("rate_limit", 429, retried=False), USED_UP),
    (Trouble("", 429, retried=False), USED_UP),
    (Trouble("usageLimitExceeded", None, "You've hit your usage limit. Try again at 4:09 AM."), USED_UP),
    (Trouble("rateLimitExceeded", 429), RATE),
    (Trouble("", 402, "whatever it says"), USED_UP),
    (Trouble("server_error", 529), PASSING),
    (Trouble("overloaded", 529), PASSING),
    (Trouble("internalServerError", 500), PASSING),
    (Trouble("serverOverloaded"), PASSING),
    (Trouble("", 503), PASSING),
    (Trouble("server_error", None, "API Error: Unable to connect to API (ConnectionRefused)"), PASSING),
    (Trouble("", None, "Request timed out"), PASSING),
    (Trouble("", None, "stream disconnected before completion"), PASSING),
    (Trouble("", None, "terminated"), PASSING),
    (Trouble("query", None, "Failed to get response; retried 5 times"), PASSING),
    (Trouble("query", 503, "Failed to get response"), PASSING),
    (Trouble("query", 404, "Failed to get response"), FATAL),
    (Trouble("model_not_found", 404), FATAL),
    (Trouble("modelNotFound", 404), FATAL),
    (Trouble("", 404), FATAL),
    # So gemini says it by ACP.
    (Trouble("", 500, "The model does not exist or you do not have access to it."), FATAL),
    (Trouble("", 500, "Internal error"), PASSING),
    (Trouble("", 500, "invalid bearer"), PASSING),
    (Trouble("", 503, "model m not found in any pool"), PASSING),
    (Trouble("contextWindowExceeded"), FATAL),
    (Trouble("invalid_request", 400, "Prompt is too long"), FATAL),
    (Trouble("", None, "prompt is too long: 300000 tokens > 200000 maximum"), FATAL),
    (Trouble("", None, "no rollout found for thread id"), FATAL),
    (Trouble("", None, "No conversation found with session ID"), FATAL),
    (Trouble("", None, "something else"), None),
)

LIMITS = (
    "Claude AI usage limit reached|1767225600",
    "You've hit your weekly limit · resets 3am",
    "5-hour limit reached ∙ resets 3pm",
    "usage_limit_reached",
    "You exceeded your current quota, please check your plan (insufficient_quota)",
    "You have exhausted your daily quota on this model.",
    "Quota exceeded for quota metric 'requests'",
    "You have used up your monthly allowance",
    "402 Payment Required",
    "Your credit balance is too low to access the API.",
    "You've reached your usage limit for this week.",
    "You have reached your 5-hour limit",
    "You're out of extra usage · resets 3am",
    "Copilot premium requests limit reached",
)


@pytest.mark.parametrize(("trouble", "failure"), SEEN)
def test_each_has_its_class(trouble: Trouble, failure: FailureClass | None) -> None:
    assert failure_of(trouble) is failure


def test_what_nothing_is_known_of_is_not_tried_for_ever() -> None:
    assert failed(Trouble("", None, "something else"), at=None).failure is FATAL


@pytest.mark.parametrize("status", [None, 400, 429, 500])
@pytest.mark.parametrize("text", LIMITS)
def test_a_usage_limit_is_known_by_its_words_whatever_the_status(text: str, status: int | None) -> None:
    assert failure_of(Trouble("", status, text)) is USED_UP


def test_no_words_for_it_are_without_an_example() -> None:
    assert not [one for one in EXHAUSTED if not any(re.search(one, text, re.IGNORECASE) for text in LIMITS)]


def test_every_word_of_a_cli_has_a_class_without_a_status() -> None:
    assert {kind: failure_of(Trouble(kind)) for kind in KINDS} == dict(KINDS)


def test_who_is_not_logged_in_is_told_how_and_not_to_log_in_where_no_login_counts() -> None:
    own, ours = Brief("a", 1, "first", "/"), Brief("a", 1, "first", "/", base_url="http://127.0.0.1:1")
    refused = Failed(FailureClass.AUTH, "401")
    assert with_login(refused, "log in with `x`", own) == refused._replace(reason="401 (log in with `x`)")
    told = with_login(refused, "log in with `x`", ours)
    assert isinstance(told, Failed)
    assert told.reason.startswith("401 (no login counts with base_url: give it a key")
    for other in (Succeeded(), Failed(FailureClass.FATAL, "x")):
        assert with_login(other, "log in", ours) == other
