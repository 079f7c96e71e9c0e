"""What counts as a stall of an agent's CLI, and what does not."""

from __future__ import annotations

import pytest

from teamflow.core.capabilities import Capabilities
from teamflow.core.invocation import Called, EngineEvent, Retrying, Returned, Said, SessionOpened
from teamflow.core.outcome import FailureClass
from teamflow.run.stalls import MOST_REFUSALS, MOST_REPEATS, MOST_RETRIES, NO_SESSION, REFUSED, SILENT, STORM, Stalls

LIMITS = Capabilities(session_within=30.0, silence=100.0)
OPENED = SessionOpened("s")
RETRY = Retrying(FailureClass.TRANSIENT, "waiting for network")


def stalls(**more: float) -> Stalls:
    return Stalls(LIMITS, begun=0.0, **more)


def test_a_session_is_to_be_opened_in_time() -> None:
    late, opened = stalls(), stalls()
    late.seen([], now=29)
    opened.seen([OPENED], now=29)
    assert [late.passed(now=now) for now in (30, 31)] == ["", NO_SESSION]
    assert opened.passed(now=31) == ""


def test_silence_is_longer_while_a_tool_runs() -> None:
    watched = stalls()
    watched.seen([OPENED], now=1)
    assert [watched.passed(now=now) for now in (101, 102)] == ["", SILENT]
    watched.seen([Called("Bash sleep", "t1")], now=200)
    assert [watched.passed(now=now) for now in (301, 500, 501)] == ["", "", SILENT]
    watched.seen([Returned("t1")], now=510)
    assert watched.passed(now=611) == SILENT


def test_a_step_says_itself_how_long_it_may_be_silent() -> None:
    watched = stalls(idle=5.0)
    watched.seen([OPENED], now=1)
    assert [watched.passed(now=now) for now in (6, 7)] == ["", SILENT]


def test_output_that_means_nothing_is_a_sign_of_life_and_trying_again_is_none() -> None:
    watched = stalls()
    watched.seen([OPENED], now=0)
    watched.seen([], now=90)
    assert watched.passed(now=150) == ""
    for now in range(90, 300, 20):
        watched.seen([RETRY], now=now)
    assert watched.passed(now=191) == SILENT
    watched.seen([RETRY._replace(wait=600.0)], now=300)
    assert [watched.passed(now=now) for now in (1000, 1001)] == ["", SILENT]


@pytest.mark.parametrize(
    ("event", "most", "breaks"), [(RETRY, MOST_RETRIES, Said("x")), (Called("same"), MOST_REPEATS + 1, Called("other"))]
)
def test_the_same_for_ever_is_a_storm(event: EngineEvent, most: int, breaks: EngineEvent) -> None:
    watched = stalls()
    assert {watched.seen([event], now=1) for _ in range(most)} == {""}
    assert watched.seen([event], now=1) == STORM
    calm = stalls()
    for _ in range(3):
        assert calm.seen([event] * (most - 1), now=1) == ""
        assert calm.seen([breaks], now=1) == ""


def test_an_engine_without_limits_is_never_stalled() -> None:
    assert Stalls(Capabilities(), begun=0.0).passed(now=1e9) == ""


REFUSAL = Retrying(FailureClass.AUTH, "invalid key")


def test_a_key_does_not_become_right_by_trying() -> None:
    watched = stalls()
    for between in ([RETRY], [Said("x")], [Called("Bash ls", "t1")], [Returned("t1")]):
        tries: list[EngineEvent] = [OPENED, *[REFUSAL] * (MOST_REFUSALS - 1)]
        assert watched.seen(tries, now=1) == ""
        assert watched.seen(between, now=1) == ""
    assert [watched.seen([REFUSAL], now=1) for _ in range(MOST_REFUSALS)] == ["", "", REFUSED]
