"""What programs say about their failures: classes by pattern, and how long to wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamflow.core.invocation import Exit
from teamflow.core.outcome import Failed, FailureClass
from teamflow.engines.failures import classified
from teamflow.engines.waits import LONGEST_WAIT, stated_wait
from tests.fakes.yardstick import measured

AT = 1_795_173_000.0
"""Friday 20 November 2026, 11:10 UTC."""

PATTERNS = (
    ("usage_exhausted", "usage limit|quota"),
    ("rate_limit", "429|too many requests"),
    ("auth", "log ?in"),
)


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("retry-after: 30", 30.0),
        ("Retry-After=1.5", 1.5),
        ('{"error": {"retry_after": 12}}', 12.0),
        ("retry after 20 seconds", 20.0),
        ("retry after 2 minutes", 2 * MINUTE),
        ("Rate limit reached. Please try again in 1h 5m.", HOUR + 5 * MINUTE),
        ("Please try again in 250ms", 0.25),
        ("try again in 1 hour and 30 minutes", 1.5 * HOUR),
        ("resets in 3 days", 3 * DAY),
        ("please wait for 40s", 40.0),
        ("Claude AI usage limit reached|1795180200", 2 * HOUR),
        ('"resetsAt": 1795176600', HOUR),
        ('"reset_at":1795176600123', HOUR),
        ("try again at 12:09 PM", 59 * MINUTE),
        ("or try again at 4:09 AM.", 16 * HOUR + 59 * MINUTE),
        ("resets 3pm (UTC)", 3 * HOUR + 50 * MINUTE),
        ("usage limit until 14:30", 3 * HOUR + 20 * MINUTE),
        ("available at 2026-11-20T12:10:00Z", HOUR),
        ("try again at 2026-11-20 12:10:00+00:00", HOUR),
        ("try again at Nov 22nd, 2026 11:10 AM", 2 * DAY),
        ("try again at Jan 1st, 2027 12:00 AM", 41 * DAY + 12 * HOUR + 50 * MINUTE),
        ("resets 11am", 0.0),
        ("try again at 10:50 AM", DAY - 20 * MINUTE),
        ("resets Nov 25 at 11:10", 5 * DAY),
        ("retry-after: 5, or rather: try again in 7 seconds", 7.0),
        ("reset at 2026-11-20T11:00:00Z", 0.0),
        ("Your quota will reset after 3h25m10s.", 3 * HOUR + 25 * MINUTE + 10),
        ("Please try again in 6m0s.", 6 * MINUTE),
        ("try again in 1m12.5s", 72.5),
        ("Please retry in 34.074824224s.", 34.074824224),
        ("available again in about 2 hours", 2 * HOUR),
        ("resets Monday 9am", 2 * DAY + 21 * HOUR + 50 * MINUTE),
        ("resets Fri at 10:00", 6 * DAY + 22 * HOUR + 50 * MINUTE),
        ("resets Wednesday, 11:10", 5 * DAY),
        ("Retry-After: Fri, 20 Nov 2026 11:40:00 GMT", 30 * MINUTE),
        ("reset at 7pm (Asia/Tokyo)", 22 * HOUR + 50 * MINUTE),
        ("resets 9pm (Asia/Tokyo)", 50 * MINUTE),
        ("resets 7:30am (America/New_York)", HOUR + 20 * MINUTE),
        ("try again at 4 AM PST.", 50 * MINUTE),
        ("try again at 7 AM ET", 50 * MINUTE),
        ("resets Nov 25 at 12:10 CET", 5 * DAY),
        ("resets 3pm (../../etc/passwd)", 3 * HOUR + 50 * MINUTE),
    ],
)
def test_the_usual_ways_of_saying_when(text: str, seconds: float) -> None:
    expected = None if seconds > LONGEST_WAIT else pytest.approx(seconds)
    assert stated_wait(text, AT) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "429 Too Many Requests",
        "try again later",
        "try again in a moment",
        "reset at 4",
        "try again at 25:99",
        "try again at Foo 40th, 2026 4:09 AM",
        "see line 30 after the request",
        "retry after 99999999 days",
        "port 8080 available at 10.0.0.1",
        "resets 3pm (Middle/Earth)",
        "resets Monday",
        "Retry-After: Fri, 99 Nov 2026 11:40:00 GMT",
    ],
)
def test_what_tells_no_time(text: str) -> None:
    assert stated_wait(text, AT) is None


def test_a_date_without_a_year_is_the_next_one() -> None:
    assert stated_wait("resets Jan 2 at 4:00 AM", AT + 41 * DAY) == pytest.approx(1 * DAY + 16 * HOUR + 50 * MINUTE)


def test_times_of_a_day_need_to_know_when_it_was_said() -> None:
    assert stated_wait("try again at 4:09 AM", None) is None
    assert stated_wait("try again in 5 minutes", None) == 5 * MINUTE


@given(st.text(max_size=300), st.floats(0, 4e9))
def test_any_text_has_an_answer(text: str, at: float) -> None:
    for said in (text, f"try again at {text}", f"retry after {text}", f"resets {text}"):
        found = stated_wait(said, at)
        assert found is None or 0.0 <= found <= LONGEST_WAIT


def test_hostile_text_is_read_in_no_time() -> None:
    for text in ("again at " * 2000, "1h " * 4000, "retry after 1h" * 1500, "reset" * 4000, "9" * 16000):
        _, rounds = measured(partial(stated_wait, text[:16384], AT))
        assert rounds < 100


def failed(failure: FailureClass = FailureClass.EXIT) -> Failed:
    return Failed(failure, "the agent exited 1", exit_code=1)


def test_the_first_pattern_that_is_found_counts() -> None:
    end = Exit(code=1, at=AT, printed="starting\nHTTP 429: your quota is used up, retry-after: 60\nbye")
    found = classified(failed(), PATTERNS, end)
    assert found.failure is FailureClass.USAGE_EXHAUSTED
    assert found.retry_after == 60.0
    assert found.reason == "the agent exited 1: HTTP 429: your quota is used up, retry-after: 60"


def test_a_reason_that_says_it_is_not_said_twice() -> None:
    said = failed()._replace(reason="the agent reported an error: Too many requests")
    found = classified(said, PATTERNS, Exit(code=1))
    assert found == said._replace(failure=FailureClass.RATE_LIMIT)


def test_an_exit_code_can_be_meant() -> None:
    found = classified(failed(), (("transient", r"exited 1\b"),), Exit(code=1))
    assert (found.failure, found.reason) == (FailureClass.TRANSIENT, "the agent exited 1")


def test_a_pattern_that_never_ends_is_left_out() -> None:
    end = Exit(code=1, printed="a" * 6000 + "!\nquota")
    found, rounds = measured(lambda: classified(failed(), (("auth", "(a+)+$"), ("usage_exhausted", "quota")), end))
    assert rounds < 500
    assert found.failure is FailureClass.USAGE_EXHAUSTED
    assert "the pattern '(a+)+$' under failures takes too long" in found.reason


def test_what_is_not_found_stays() -> None:
    assert classified(failed(), PATTERNS, Exit(code=1, printed="Segmentation fault")) == failed()


@pytest.mark.parametrize("failure", [FailureClass.TIMEOUT, FailureClass.START, FailureClass.OUTPUT])
def test_what_has_a_class_keeps_it(failure: FailureClass) -> None:
    assert classified(failed(failure), PATTERNS, Exit(code=1, printed="quota")).failure is failure


def test_what_was_stopped_or_killed_did_not_fail_by_itself() -> None:
    for end in (Exit(code=1, cause="timeout", printed="quota"), Exit(signal=9, printed="quota")):
        assert classified(failed(FailureClass.CRASH), PATTERNS, end).failure is FailureClass.CRASH


def test_only_waits_have_a_time() -> None:
    end = Exit(code=1, at=AT, printed="please log in, or try again in 5 minutes")
    assert classified(failed(), PATTERNS, end).retry_after is None
