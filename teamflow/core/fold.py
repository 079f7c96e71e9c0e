"""The fold: one record into the state. The only code that changes a `RunState`.

Raises `IllegalTransition` before touching anything when the table forbids a record. Work per record is
proportional to what it changes, never to the size of the plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Never, cast

from teamflow.core.events import (
    Cached,
    Event,
    MessageDelivered,
    PlanRevised,
    QuestionAnswered,
    QuestionAsked,
    Record,
    Reopened,
    ResultsTaken,
    RunEnded,
    RunnerStarted,
    StepFrozen,
    StepsAdded,
    StepThawed,
    Warned,
)
from teamflow.core.fold_backoff import end_backoffs
from teamflow.core.fold_budget import budget_reached, budget_set, day_spent, set_caps, spending_told
from teamflow.core.fold_control import (
    clock_work,
    message_delivered,
    message_sent,
    pause_requested,
    resume_requested,
    step_frozen,
    step_thawed,
)
from teamflow.core.fold_guard import guard_tripped
from teamflow.core.fold_leave import leave_asked, leave_withdrawn
from teamflow.core.fold_limit import engine_limited, limit_lifted
from teamflow.core.fold_overlap import overlaps_seen
from teamflow.core.fold_plan import adopt, plan_revised, relaunch_requested, reopened, steps_added
from teamflow.core.fold_question import question_answered, question_asked
from teamflow.core.fold_step import STEP_HANDLERS, Handler, cached, check
from teamflow.core.guarding import GuardTripped
from teamflow.core.leave import LeaveAsked, LeaveWithdrawn
from teamflow.core.limited import EngineLimited, LimitLifted
from teamflow.core.overlapping import OverlapsSeen
from teamflow.core.plan import Plan
from teamflow.core.questions import move_deadlines
from teamflow.core.requested import (
    CancelRequested,
    MessageSent,
    PauseRequested,
    RelaunchRequested,
    RequestAnswered,
    ResumeRequested,
    RunPaused,
    RunResumed,
    StopRequested,
)
from teamflow.core.spending import BudgetReached, BudgetSet, DaySpent, SpendingTold
from teamflow.core.state import RunState
from teamflow.core.status import IllegalTransition, Status


def initial(plan: Plan) -> RunState:
    """The state before the first record."""
    state = RunState(plan)
    adopt(state, plan, {})
    return state


def fold(plan: Plan, records: Iterable[Record], *, plans: dict[int, Plan] | None = None) -> RunState:
    """The state after `records`. `plans` holds the later revisions by number."""
    state = initial(plan)
    for record in records:
        apply(state, record, plans=plans)
    return state


def apply(state: RunState, record: Record, *, plans: dict[int, Plan] | None = None) -> list[str]:
    """Applies one record; gives the ids of the steps that `decide` should look at again."""
    if record.seq != state.seq + 1:
        raise IllegalTransition(f"record {record.seq} after {state.seq}")
    event = record.event
    handler = STEP_HANDLERS.get(type(event)) or _RUN_HANDLERS.get(type(event))
    if handler is not None:
        changed = handler(state, record, cast("Never", event))
    elif isinstance(event, PlanRevised):
        changed = plan_revised(state, event, plans or {})
    else:
        raise IllegalTransition(f"no rule for {type(event).__name__}")
    state.seq = record.seq
    if not isinstance(event, QuestionAnswered):
        # An answer may be recorded while no runner lives: it does not show that one was at work until then.
        state.updated = record.at
        state.mono = record.mono
    return changed


# -- events of the run ---------------------------------------------------------------------------------------


def _cached(state: RunState, record: Record, event: Cached) -> list[str]:
    steps = state.steps
    hits = event.hits
    for step_id in hits:
        known = steps[step_id]
        # Thousands at once: what has not begun may be found, which the table says, too.
        if known.status is not Status.PENDING:
            check(known, Cached, Status.CACHED)
    changed: list[str] = []
    for step_id, hit in hits.items():
        changed += cached(state, record, step_id, hit)
    return [name for name in changed if name not in hits]


def _cancel_requested(state: RunState, record: Record, event: CancelRequested) -> list[str]:
    if event.steps is None:
        state.cancelled_by = event.by
        ids = list(state.open)
    else:
        ids = [step_id for step_id in event.steps if step_id in state.open]
    for step_id in ids:
        state.steps[step_id].cancelled_by = event.by
        # Whoever comes last is obeyed.
        state.steps[step_id].relaunch = None
    return ids


def _stop_requested(state: RunState, record: Record, event: StopRequested) -> list[str]:
    state.stop = event
    return list(state.open)


def _request_answered(state: RunState, record: Record, event: RequestAnswered) -> list[str]:
    state.answered.add(event.request)
    return []


def _run_paused(state: RunState, record: Record, event: RunPaused) -> list[str]:
    state.paused = event.by
    return []


def _run_resumed(state: RunState, record: Record, event: RunResumed) -> list[str]:
    state.paused = None
    return list(state.open)


def _run_ended(state: RunState, record: Record, event: RunEnded) -> list[str]:
    state.ended = event
    if not state.open:
        # There is nothing left to be held back, and what is opened again later is not meant.
        state.paused = None
    return []


def _runner_started(state: RunState, record: Record, event: RunnerStarted) -> list[str]:
    if state.active_since is not None:
        # What passed without a runner does not count; that it lived at its last record is all that is known of it.
        state.active += max(0.0, state.mono - state.active_since)
        state.active_since = None
        clock_work(state, record.mono)
    if state.runner is None or state.runner.boot != event.boot:
        end_backoffs(state, event.boot)
        move_deadlines(state, event.boot, at=record.at, mono=record.mono)
    state.runner = event
    state.stop = None
    state.ended = None
    state.cancelled_by = None
    if not event.no_input or event.usd is not None or event.tokens is not None:
        # Who has said that no more is to be spent is not overruled by a session in which nobody can be asked.
        set_caps(state, event.usd, event.tokens)
    if state.started is None:
        state.started = record.at
    stale = [step_id for step_id, known in state.steps.items() if known.stale is not None]
    return [*state.open, *(step_id for step_id in stale if step_id not in state.open)]


def _results_taken(state: RunState, record: Record, event: ResultsTaken) -> list[str]:
    state.taken.update(event.hits)
    if not event.added:
        return []
    for parent, instances in event.added.items():
        state.added.setdefault(parent, StepsAdded(parent, instances))
    adopt(state, state.base, state.steps)
    return list(state.open)


def _warned(state: RunState, record: Record, event: Warned) -> list[str]:
    state.steps[event.step].running(event.attempt).warnings.append(event.text)
    return []


_RUN_HANDLERS: Final[dict[type[Event], Handler]] = {
    RunnerStarted: _runner_started,
    Cached: _cached,
    ResultsTaken: _results_taken,
    Reopened: reopened,
    StepsAdded: steps_added,
    QuestionAsked: question_asked,
    QuestionAnswered: question_answered,
    LeaveAsked: leave_asked,
    LeaveWithdrawn: leave_withdrawn,
    MessageSent: message_sent,
    MessageDelivered: message_delivered,
    PauseRequested: pause_requested,
    ResumeRequested: resume_requested,
    StepFrozen: step_frozen,
    StepThawed: step_thawed,
    RelaunchRequested: relaunch_requested,
    RunPaused: _run_paused,
    RunResumed: _run_resumed,
    CancelRequested: _cancel_requested,
    StopRequested: _stop_requested,
    RequestAnswered: _request_answered,
    SpendingTold: spending_told,
    GuardTripped: guard_tripped,
    Warned: _warned,
    BudgetReached: budget_reached,
    BudgetSet: budget_set,
    DaySpent: day_spent,
    EngineLimited: engine_limited,
    LimitLifted: limit_lifted,
    OverlapsSeen: overlaps_seen,
    RunEnded: _run_ended,
}
