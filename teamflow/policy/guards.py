"""Guards: work that goes round in circles is stopped, and somebody is asked whether it may go on.

Pure. Each guard leads to one question about its step, with a compact reason; `go on` lets it be tried again, and it is
counted anew from there; `stop` fails it. What is seen while an attempt runs (turns, calls, no progress) is counted in
`run/watch.py`, by the limits of the step.
"""

from __future__ import annotations

from teamflow.core.events import QuestionAsked
from teamflow.core.guarding import GUARD, failure_gist, findings_gist
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.shell import excerpt
from teamflow.core.state import StepState
from teamflow.policy.asking import GO_ON, STOP
from teamflow.policy.retry import OWN_ALLOWANCE


def ask(known: StepState, reason: str) -> QuestionAsked:
    """The question of a guard."""
    return QuestionAsked(known.step.id, GUARD, f"{reason}. May it go on?", (GO_ON, STOP))


def tripped(known: StepState) -> QuestionAsked:
    """Of an attempt that was stopped by a guard, or whose agent has stopped by itself where the guard would have."""
    newest, guards = known.attempts[-1], known.step.guards
    most = guards.turns if guards is not None else None
    return ask(known, newest.tripped or f"it has taken {most or 'all its'} turns and wants another (guards.turns)")


def without_progress(known: StepState, failed: Failed) -> QuestionAsked | None:
    """Of an attempt that was ended because nothing came of it for so long: that is no failure yet."""
    guards = known.step.guards
    if guards is None or guards.no_progress is None or failed.failure is not FailureClass.IDLE:
        return None
    if known.step.idle_timeout is not None and known.step.idle_timeout < guards.no_progress:
        return None
    return ask(known, f"no output and no changed file for {guards.no_progress:g} s (guards.no_progress)")


def after_failure(known: StepState, failed: Failed) -> QuestionAsked | None:
    """Before an attempt is tried again that has failed in the same way so often."""
    guards = known.step.guards
    if guards is None or not guards.same_failure or failed.failure in OWN_ALLOWANCE:
        return None
    count = _same_failures(known)
    if count < guards.same_failure:
        return None
    return ask(known, f"it has failed {count} times in the same way: {excerpt(failed.reason, width=120)}")


def _same_failures(known: StepState) -> int:
    """How many attempts in a row have failed as the newest one; repairs of outputs are part of theirs."""
    newest = failure_gist(known.attempts[-1].outcome)
    count = 0
    for attempt in reversed(known.attempts[known.guarded_from :]):
        if failure_gist(attempt.outcome) != newest:
            break
        count += attempt.cause != "repair"
    return count


def before_round(known: StepState) -> QuestionAsked | None:
    """Before a loop asks for another round: its findings have been the same for so many rounds."""
    guards = known.step.guards
    if guards is None or not guards.same_findings:
        return None
    whole = [
        found for each in known.attempts[known.guarded_from :] if (found := findings_gist(each.outcome)) is not None
    ]
    last = whole[-guards.same_findings :]
    if len(last) < guards.same_findings or len(set(last)) > 1:
        return None
    return ask(known, f"it has found the same in {len(last)} rounds one after the other")
