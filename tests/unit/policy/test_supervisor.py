"""Long-lived agents that fail: restarted, stopped or escalated by class, within a limit that a success sets back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.plan import Retry
from teamflow.policy.supervisor import DEFAULT, Action, Rules, Supervised, after_failure, after_success

RULES = Rules(limit=3, pace=Retry(backoff="exponential", delay=1.0, max_delay=8.0))


def failed(failure: FailureClass, *, retry_after: float | None = None) -> Failed:
    return Failed(failure, f"{failure.value} here", retry_after=retry_after)


@pytest.mark.parametrize("failure", list(FailureClass))
def test_every_class_has_a_rule(failure: FailureClass) -> None:
    verdict = after_failure("helper", failed(failure), Supervised(), RULES)
    assert verdict.action is DEFAULT[failure]
    assert (verdict.known.restarts == 1) == (verdict.action is Action.RESTART)
    assert verdict.reason.endswith(f"{failure.value} here")


def test_the_limit_counts_restarts_in_a_row_and_a_success_sets_it_back() -> None:
    known, actions = Supervised(), []
    for _ in range(5):
        verdict = after_failure("helper", failed(FailureClass.CRASH), known, RULES)
        actions.append(verdict.action)
        known = verdict.known
    assert actions == [Action.RESTART] * 3 + [Action.STOP] * 2
    assert "restarted 3 times in a row" in verdict.reason
    known = after_success(known)
    assert after_failure("helper", failed(FailureClass.CRASH), known, RULES).action is Action.RESTART


def test_the_limit_that_counts_is_the_one_that_was_given() -> None:
    for limit in range(5):
        known, restarts = Supervised(), 0
        while (verdict := after_failure("h", failed(FailureClass.LOST), known, RULES._replace(limit=limit))).delay:
            known, restarts = verdict.known, restarts + 1
        assert restarts == limit


def test_at_the_limit_somebody_may_be_asked() -> None:
    verdict = after_failure("h", failed(FailureClass.IDLE), Supervised(3), RULES._replace(at_limit=Action.ESCALATE))
    assert verdict.action is Action.ESCALATE


def test_a_restart_is_not_at_once_and_waits_as_long_as_it_is_told() -> None:
    delays = [after_failure("h", failed(FailureClass.CRASH), Supervised(n), RULES).delay for n in range(3)]
    assert all(delay > 0 for delay in delays)
    assert delays == sorted(delays)
    told = failed(FailureClass.RATE_LIMIT, retry_after=30.0)
    assert after_failure("h", told, Supervised(), RULES).delay == 30.0


def test_what_a_person_must_mend_is_no_restart_and_counts_nothing() -> None:
    verdict = after_failure("h", failed(FailureClass.USAGE_EXHAUSTED), Supervised(2), RULES)
    assert (verdict.action, verdict.known) == (Action.ESCALATE, Supervised(2))


@given(st.lists(st.sampled_from([*FailureClass, None]), max_size=40), st.integers(0, 5))
def test_never_more_restarts_in_a_row_than_the_limit(story: list[FailureClass | None], limit: int) -> None:
    """None: a success. A replay decides the same."""
    rules, known, in_a_row = RULES._replace(limit=limit), Supervised(), 0
    for failure in story:
        if failure is None:
            known, in_a_row = after_success(known), 0
            continue
        verdict = after_failure("h", failed(failure), known, rules)
        assert verdict == after_failure("h", failed(failure), known, rules)
        in_a_row += verdict.action is Action.RESTART
        assert in_a_row == verdict.known.restarts <= limit
        known = verdict.known
