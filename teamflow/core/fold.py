"""The fold: one record into the state. The only code that changes a `RunState`.

Raises `IllegalTransition` before touching anything when the table forbids a record. Work per record is
proportional to what it changes, never to the size of the plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Never, cast

from teamflow.core.events import (
    Cached,
    CancelRequested,
    Event,
    PlanRevised,
    Record,
    Reopened,
    RequestAnswered,
    ResultsTaken,
    RunEnded,
    RunnerStarted,
    StopRequested,
)
from teamflow.core.fold_step import STEP_HANDLERS, Handler, cached, check, prune_backoff, recount
from teamflow.core.plan import Edge, Plan
from teamflow.core.state import (
    ENDED,
    IllegalTransition,
    RunState,
    Status,
    StepState,
)


def initial(plan: Plan) -> RunState:
    """The state before the first record."""
    state = RunState(plan)
    _adopt_plan(state, plan, {})
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
        changed = _plan_revised(state, event, plans or {})
    else:
        raise IllegalTransition(f"no rule for {type(event).__name__}")
    state.seq = record.seq
    state.updated = record.at
    state.mono = record.mono
    return changed


# -- events of the run ---------------------------------------------------------------------------------------


def _plan_revised(state: RunState, event: PlanRevised, plans: dict[int, Plan]) -> list[str]:
    state.revision = event.revision
    _adopt_plan(state, plans[event.revision], state.steps)
    return list(state.open)


def _cached(state: RunState, record: Record, event: Cached) -> list[str]:
    for step_id in event.hits:
        check(state.steps[step_id], Cached, Status.CACHED)
    changed = [name for step_id, hit in event.hits.items() for name in cached(state, record, step_id, hit)]
    return [name for name in changed if name not in event.hits]


def _cancel_requested(state: RunState, record: Record, event: CancelRequested) -> list[str]:
    if event.steps is None:
        state.cancelled_by = event.by
        ids = list(state.open)
    else:
        ids = [step_id for step_id in event.steps if step_id in state.open]
    for step_id in ids:
        state.steps[step_id].cancelled_by = event.by
    return ids


def _stop_requested(state: RunState, record: Record, event: StopRequested) -> list[str]:
    state.stop = event
    return list(state.open)


def _request_answered(state: RunState, record: Record, event: RequestAnswered) -> list[str]:
    state.answered.add(event.request)
    return []


def _run_ended(state: RunState, record: Record, event: RunEnded) -> list[str]:
    state.ended = event
    return []


def _runner_started(state: RunState, record: Record, event: RunnerStarted) -> list[str]:
    if state.active_since is not None:
        # What passed without a runner does not count; that it lived at its last record is all that is known of it.
        state.active += max(0.0, state.mono - state.active_since)
        state.active_since = record.mono if state.running else None
    if state.runner is None or state.runner.boot != event.boot:
        _end_backoffs(state, event.boot)
    state.runner = event
    state.stop = None
    state.ended = None
    state.cancelled_by = None
    if state.started is None:
        state.started = record.at
    return [*state.open, *(s for s in state.running if s not in state.open)]


def _end_backoffs(state: RunState, boot: str) -> None:
    """Another boot has another clock: what waited for a moment of the old one has waited long enough."""
    for _, step_id in state.backoff:
        known = state.steps[step_id]
        if known.backoff is not None:
            known.backoff = (boot, 0.0)
    state.backoff = sorted((0.0, step_id) for step_id in {step_id for _, step_id in state.backoff})
    prune_backoff(state)


def _adopt_plan(state: RunState, plan: Plan, before: dict[str, StepState]) -> None:
    """Makes `plan` the effective one; steps that existed, also some revisions ago, keep their progress."""
    old = {**state.removed, **before}
    state.plan = plan
    state.steps = {}
    state.order = {step.id: number for number, step in enumerate(plan.steps)}
    state.dependents = {step.id: [] for step in plan.steps}
    state.ready = {}
    for step in plan.steps:
        for edge in step.edges:
            state.dependents[edge.on].append(Edge(step.id, edge.when, edge.why))
        known = old.get(step.id)
        if known is None:
            known = StepState(step)
        known.step = step
        state.steps[step.id] = known
    for step_id, known in old.items():
        if step_id not in state.steps and known.live is not None:
            _keep_until_stopped(state, step_id, known)
    state.removed = {step_id: known for step_id, known in old.items() if step_id not in state.steps}
    state.open = {step_id for step_id, step in state.steps.items() if step.status not in ENDED}
    state.failures = [s for s, known in state.steps.items() if known.status is Status.FAILED]
    state.backoff = sorted(entry for entry in state.backoff if entry[1] in state.steps)
    for known in state.steps.values():
        # In a new state nothing has ended, so all that a step depends on is open, as it was made to say.
        if known.status in (Status.PENDING, Status.QUEUED) and (old or not known.step.edges):
            recount(state, known)


def _keep_until_stopped(state: RunState, step_id: str, known: StepState) -> None:
    """A step that the new plan no longer has, but whose attempt still runs: it stays until that has ended."""
    known.cancelled_by = "the team file, which no longer has it"
    known.step = known.step._replace(edges=())
    state.steps[step_id] = known
    state.order[step_id] = len(state.order)
    state.dependents[step_id] = []


def _results_taken(state: RunState, record: Record, event: ResultsTaken) -> list[str]:
    state.taken.update(event.hits)
    return []


def _reopened(state: RunState, record: Record, event: Reopened) -> list[str]:
    for step_id in event.steps:
        check(state.steps[step_id], Reopened, Status.PENDING)
    touched = dict.fromkeys(event.steps)
    for step_id in event.steps:
        _reset(state, state.steps[step_id], event)
        for edge in state.dependents[step_id]:
            if state.steps[edge.on].status in (Status.PENDING, Status.QUEUED):
                touched[edge.on] = None
    for step_id in touched:
        recount(state, state.steps[step_id])
    return list(touched)


def _reset(state: RunState, known: StepState, event: Reopened) -> None:
    """Opens one step again; its attempts stay, and only a resume goes on counting them."""
    step_id = known.step.id
    known.status = Status.PENDING
    known.reason = event.reasons.get(step_id, "")
    known.admitted = not (known.step.cache or known.step.condition)
    known.own_skip = False
    known.cancelled_by = None
    known.waiting_on = known.waiting_by = None
    known.ended_at = None
    known.key = None
    known.backoff = None
    known.next_continues = None
    if known.attempts:
        known.next_cause = event.cause if event.cause in ("resume", "rework", "relaunch") else "retry"
        if event.cause == "resume":
            known.next_continues = known.attempts[-1].number
        else:
            known.counted_from = len(known.attempts)
    state.open.add(step_id)
    if step_id in state.failures:
        state.failures.remove(step_id)


_RUN_HANDLERS: Final[dict[type[Event], Handler]] = {
    RunnerStarted: _runner_started,
    Cached: _cached,
    ResultsTaken: _results_taken,
    Reopened: _reopened,
    CancelRequested: _cancel_requested,
    StopRequested: _stop_requested,
    RequestAnswered: _request_answered,
    RunEnded: _run_ended,
}
