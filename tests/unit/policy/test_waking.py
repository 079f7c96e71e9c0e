"""When the loop is to ask again: never for something that may not happen yet, or it would ask without end."""

from __future__ import annotations

from teamflow.core.events import AttemptEnded, AttemptStarted, Now, Record, RetryScheduled, RunnerStarted
from teamflow.core.fold import apply, initial
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.plan import Retry
from teamflow.policy.decide import decide
from tests.fakes.plans import make_plan, make_step


def test_a_backoff_that_is_due_is_not_waited_for_while_nothing_may_start() -> None:
    state = initial(make_plan([make_step("a", retry=Retry(2, "exponential", 1.0))]))
    failed = AttemptEnded("a", 1, Failed(FailureClass.EXIT, "exited 1"))
    again = RetryScheduled("a", "retry", 1.0, "boot", 11.0, "attempt 2/2")
    for event in (RunnerStarted("boot", 1, 1), AttemptStarted("a", 1, "first"), failed, again):
        apply(state, Record(state.seq + 1, 0.0, 10.0, event))
    assert decide(state, ["a"], Now("boot", 10.0, 0.0)).wake_at == 11.0
    assert decide(state, ["a"], Now("boot", 12.0, 0.0), may_start=False)[:3] == ((), (), None)
    assert decide(state, ["a"], Now("boot", 12.0, 0.0)).events
