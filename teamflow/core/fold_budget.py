"""The fold's rules for what attempts cost. Used by the fold only; what follows is decided in `policy/budget.py`."""

from __future__ import annotations

from typing import Final

from teamflow.core.attempts import AttemptState
from teamflow.core.events import Record
from teamflow.core.outcome import Outcome, Stopped, Usage
from teamflow.core.phases import is_check
from teamflow.core.plan import Caps, Limits
from teamflow.core.spending import BudgetReached, BudgetSet, DaySpent, SpendingTold, latest, scope_key
from teamflow.core.state import Question, RunState, StepState

BUDGET: Final = "budget"
"""Who lets a step go on that waits for money; also what questions about it are about."""

STOP: Final = "stop"
"""The answer that no more is to be spent."""


def usage_of(attempt: AttemptState) -> Usage | None:
    """What an attempt has told of its cost, as far as it has got; None: nothing."""
    outcome: Outcome | None = attempt.outcome or attempt.phase_outcome
    return latest(attempt.told, outcome.usage if outcome is not None else None)


def spending_told(state: RunState, record: Record, event: SpendingTold) -> list[str]:
    state.steps[event.step].running(event.attempt).told = event.usage
    return [event.step]


def paid(state: RunState, agent: str, attempt: AttemptState, *, at: float) -> None:
    """An attempt has ended."""
    usage = usage_of(attempt)
    # Of one for which nothing was started it says nothing what they cost.
    began = attempt.phase != "" and not is_check(attempt.phase)
    part = isinstance(attempt.outcome, Stopped) or attempt.cause == "repair" or not began
    if usage is not None:
        state.ledger.add(usage, at=at, agent="" if part else agent)


def budget_reached(state: RunState, record: Record, event: BudgetReached) -> list[str]:
    state.ledger.reached.add((scope_key(event.scope, record.at), event.metric, event.percent, event.cap))
    return []


def budget_set(state: RunState, record: Record, event: BudgetSet) -> list[str]:
    set_caps(state, event.usd, event.tokens)
    return go_on(state)


def set_caps(state: RunState, usd: float | None, tokens: float | None) -> None:
    caps = state.ledger.caps
    state.ledger.caps = Caps(caps.usd if usd is None else usd, caps.tokens if tokens is None else tokens)
    state.ledger.refused = ""


def limits_revised(state: RunState, before: Limits, after: Limits) -> None:
    """A file that allows more is an answer to whoever has said that no more is to be spent."""
    pairs = [(before.timeout, after.timeout), *zip(before.budget, after.budget, strict=True)]
    pairs += zip(before.day, after.day, strict=True)
    if any(old is not None and (new is None or new > old) for old, new in pairs):
        state.ledger.refused = ""


def day_spent(state: RunState, record: Record, event: DaySpent) -> list[str]:
    state.ledger.others = event
    return list(state.running)


def go_on(state: RunState) -> list[str]:
    """What an ended run lacked may be there: one that stays is not over yet. The steps to look at."""
    if state.open:
        state.ended = None
    return list(state.open)


def in_force(state: RunState) -> Caps:
    """What the run may spend: as somebody has set it, else as the file says."""
    ours, theirs = state.ledger.caps, state.plan.limits.budget
    return Caps(theirs.usd if ours.usd is None else ours.usd, theirs.tokens if ours.tokens is None else ours.tokens)


def budget_answered(state: RunState, known: StepState, question: Question) -> None:
    """Somebody has said whether a run, or a step, may use up its budget."""
    if question.scope != "run":
        known.agreed = question.answer != STOP
    elif question.answer == STOP:
        state.ledger.refused = question.by
    else:
        state.ledger.agreed.update(question.agrees)
