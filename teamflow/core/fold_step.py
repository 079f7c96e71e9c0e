"""The fold's rules for events of one step: each checks the transition table first, then changes the state.

Used by `core/fold.py` only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Never, TypeAlias

from teamflow.core.attempts import AttemptState
from teamflow.core.events import (
    Admitted,
    AttemptEnded,
    AttemptStarted,
    AttemptStopping,
    BackoffEnded,
    Event,
    Hit,
    PhaseEnded,
    ProgressReported,
    Record,
    RetryScheduled,
    StepEnded,
    StepWaiting,
)
from teamflow.core.fold_backoff import back_off, prune_backoff
from teamflow.core.fold_budget import BUDGET, paid
from teamflow.core.fold_control import begin_hearing, clock_work, release, thaw
from teamflow.core.fold_leave import no_longer_asking
from teamflow.core.fold_limit import ENGINE, answered
from teamflow.core.outcome import Failed, Succeeded
from teamflow.core.plan import APART, ASK, Caps, Edge, Step
from teamflow.core.questions import withdraw
from teamflow.core.ready import ReadyQueue
from teamflow.core.state import RunState, StepState
from teamflow.core.status import ENDED, IllegalTransition, Status
from teamflow.core.transitions import TRANSITIONS
from teamflow.core.work import WorkspaceReady

Handler: TypeAlias = Callable[[RunState, Record, "Never"], list[str]]
"""One per event class; the dispatch tables pair each with the class it takes."""

_STEP_ENDS = {
    "succeeded": Status.SUCCEEDED,
    "failed": Status.FAILED,
    "cancelled": Status.CANCELLED,
    "skipped": Status.SKIPPED,
}


def holds(edge: Edge, dependency: StepState) -> bool:
    """Whether an ended dependency satisfies the edge."""
    status = dependency.status
    if edge.when in ("finished", APART):
        return True
    if edge.when == "failed":
        return status is Status.FAILED
    if status in (Status.SUCCEEDED, Status.CACHED):
        return True
    return edge.when == "passed" and status is Status.SKIPPED and dependency.own_skip


def recount(state: RunState, known: StepState) -> None:
    """Counts the open dependencies of a step that has not started, and queues it when there are none."""
    _unready(state, known)
    known.status = Status.PENDING
    known.blockers = 0
    known.broken = None
    for edge in known.step.edges:
        dependency = state.steps[edge.on]
        if dependency.status not in ENDED:
            known.blockers += 1
        elif known.broken is None and not holds(edge, dependency):
            known.broken = _why_broken(dependency)
    if known.blockers == 0 and known.broken is None:
        _queue(state, known)
    elif state.backoff:
        prune_backoff(state)


def check(known: StepState, event: type[Event], after: Status) -> None:
    if after not in TRANSITIONS.get((known.status, event), ()):
        raise IllegalTransition(f"{known.step.id}: {known.status} may not become {after} by {event.__name__}")


def _queue(state: RunState, known: StepState) -> None:
    known.status = Status.QUEUED
    known.turns += 1
    if known.backoff is not None:
        # The heap lets go of a step that is not queued; now it is again.
        back_off(state, known.step.id, known.backoff[1])
    elif known.admitted:
        _ready(state, known.step)


def _ready(state: RunState, step: Step) -> None:
    if step.expansion is not None:
        # It takes no slot: it is settled as soon as it is queued.
        return
    queue = state.asks if step.kind == ASK else state.ready.get(step.accounts)
    if queue is None:
        queue = state.ready[step.accounts] = ReadyQueue()
    queue.add(step, index=state.order[step.id])


def _unready(state: RunState, known: StepState) -> None:
    queue = state.asks if known.step.kind == ASK else state.ready.get(known.step.accounts)
    if queue is not None:
        queue.discard(known.step.id)


def asking_dependents(state: RunState, step_id: str) -> list[str]:
    """Steps with a question about what this one has done: it may be about to do it again."""
    if not state.unanswered and not state.answers:
        return []
    asking = (state.steps[edge.on] for edge in state.dependents[step_id])
    return [known.step.id for known in asking if known.question in state.unanswered or known.question in state.answers]


def _admitted(state: RunState, record: Record, event: Admitted) -> list[str]:
    known = state.steps[event.step]
    check(known, Admitted, Status.QUEUED)
    known.admitted = True
    known.key = event.key
    known.reason = event.reason
    if known.backoff is None:
        _ready(state, known.step)
    return [event.step, *asking_dependents(state, event.step)]


def _attempt_started(state: RunState, record: Record, event: AttemptStarted) -> list[str]:
    known = state.steps[event.step]
    check(known, AttemptStarted, Status.RUNNING)
    if event.attempt != len(known.attempts) + 1:
        raise IllegalTransition(f"{event.step}: attempt {event.attempt} after {len(known.attempts)}")
    _unready(state, known)
    known.status = Status.RUNNING
    known.anew = False
    known.reason = event.reason
    known.backoff = None
    if state.backoff:
        prune_backoff(state)
    known.progress = None
    live = AttemptState(
        number=event.attempt,
        began=record.seq,
        cause=event.cause,
        continues=event.continues,
        reason=event.reason,
        started=record.at,
        mono=record.mono,
    )
    known.attempts.append(live)
    state.running.add(event.step)
    clock_work(state, record.mono)
    begin_hearing(known, live)
    by = known.step.by(event.fallback)
    live.engine, live.model, live.fallback = by.engine, by.model, event.fallback
    if event.usd is not None or event.tokens is not None:
        live.allowance = Caps(event.usd, event.tokens)
    state.running_by_engine[by.engine] = state.running_by_engine.get(by.engine, 0) + 1
    return asking_dependents(state, event.step)


def _workspace_ready(state: RunState, record: Record, event: WorkspaceReady) -> list[str]:
    known = state.steps[event.step]
    check(known, WorkspaceReady, known.status)
    known.running(event.attempt).ready = event.ready
    return []


def _phase_ended(state: RunState, record: Record, event: PhaseEnded) -> list[str]:
    known = state.steps[event.step]
    check(known, PhaseEnded, known.status)
    live = known.running(event.attempt)
    live.phase = event.next
    if event.outcome is not None:
        live.phase_outcome = event.outcome
    state.journal = max(state.journal, event.journal)
    return []


def _attempt_stopping(state: RunState, record: Record, event: AttemptStopping) -> list[str]:
    known = state.steps[event.step]
    check(known, AttemptStopping, Status.RUNNING)
    live = known.running(event.attempt)
    live.stopping = event.cause
    # Whoever stops a frozen attempt lets it go on first, so that it can end.
    thaw(state, known, live, mono=record.mono)
    no_longer_asking(state, known, live, mono=record.mono)
    return []


def _attempt_ended(state: RunState, record: Record, event: AttemptEnded) -> list[str]:
    known = state.steps[event.step]
    check(known, AttemptEnded, Status.RUNNING)
    live = known.running(event.attempt)
    thaw(state, known, live, mono=record.mono)
    no_longer_asking(state, known, live, mono=record.mono)
    live.outcome = event.outcome
    live.ended = record.at
    live.phase = event.phase
    live.note = event.note
    live.aside = event.aside
    live.tree = event.tree
    if event.journal is not None:
        state.journal = max(state.journal, event.journal)
    if isinstance(event.outcome, Succeeded):
        known.text = event.outcome.text
        known.outputs = event.outcome.outputs or {}
        known.artifacts = event.outcome.artifacts
        known.left = event.outcome.left
        known.key = event.key
        answered(state, known.step, live)
    elif isinstance(event.outcome, Failed):
        # What an earlier success handed over holds no more.
        known.text, known.outputs, known.artifacts, known.left = event.outcome.text, {}, (), None
    paid(state, known.step.agent, live, at=record.at)
    state.running.discard(event.step)
    state.running_by_engine[live.engine] -= 1
    clock_work(state, record.mono)
    return [event.step]


def _progress(state: RunState, record: Record, event: ProgressReported) -> list[str]:
    known = state.steps[event.step]
    check(known, ProgressReported, known.status)
    known.progress = (event.percent, event.text)
    return []


def _retry_scheduled(state: RunState, record: Record, event: RetryScheduled) -> list[str]:
    known = state.steps[event.step]
    check(known, RetryScheduled, Status.QUEUED)
    known.status = Status.QUEUED
    known.reason = event.reason
    known.next_cause = event.cause
    known.next_continues = event.continues
    known.backoff = (event.boot, event.mono) if event.delay > 0 else None
    on = [(edge, state.steps[edge.on]) for edge in known.step.edges]
    if not all(dependency.status in ENDED and holds(edge, dependency) for edge, dependency in on):
        # Opened again while this attempt ran, by a loop: it waits for what comes of that.
        recount(state, known)
    elif event.delay > 0:
        back_off(state, event.step, event.mono)
    else:
        _ready(state, known.step)
    return [event.step]


def _backoff_ended(state: RunState, record: Record, event: BackoffEnded) -> list[str]:
    known = state.steps[event.step]
    check(known, BackoffEnded, Status.QUEUED)
    known.backoff = None
    prune_backoff(state)
    if known.admitted:
        _ready(state, known.step)
    return [event.step]


def _waiting(state: RunState, record: Record, event: StepWaiting) -> list[str]:
    known = state.steps[event.step]
    check(known, StepWaiting, Status.WAITING)
    if known.live is not None:
        raise IllegalTransition(f"{event.step}: an attempt still runs")
    hold_back(state, known, reason=event.reason, on=event.on, by=event.by)
    return []


def hold_back(state: RunState, known: StepState, *, reason: str, on: str, by: str) -> None:
    """The step waits, without a slot, until somebody acts."""
    _unready(state, known)
    known.status = Status.WAITING
    if state.backoff:
        prune_backoff(state)
    known.reason = reason
    known.waiting_on = on
    known.waiting_by = by
    (state.on_limit.add if by in (ENGINE, BUDGET) else state.on_limit.discard)(known.step.id)


def _step_ended(state: RunState, record: Record, event: StepEnded) -> list[str]:
    known = state.steps[event.step]
    after = _STEP_ENDS[event.status]
    check(known, StepEnded, after)
    if known.live is not None and (known.status is not Status.WAITING or known.at_work):
        raise IllegalTransition(f"{event.step}: an attempt still runs")
    withdraw(state, known, at=record.at, cause="cancel")
    known.own_skip = event.own
    known.failure = event.failure
    if after is Status.SKIPPED:
        # What it gave before, when it was not, is nobody's any more.
        known.text, known.outputs, known.artifacts, known.left = None, {}, (), None
    return _close(state, record, known, after, event.reason)


def cached(state: RunState, record: Record, step_id: str, hit: Hit) -> list[str]:
    known = state.steps[step_id]
    known.key = hit.key
    known.text = hit.text
    known.outputs = hit.outputs or {}
    known.artifacts = hit.artifacts
    known.left = hit.left
    return _close(state, record, known, Status.CACHED, hit.reason)


def _close(state: RunState, record: Record, known: StepState, after: Status, reason: str) -> list[str]:
    step_id = known.step.id
    if known.admitted and known.status is not Status.PENDING:
        _unready(state, known)
    known.status = after
    known.reason = reason
    known.ended_at = record.at
    known.closed = record.seq
    known.handed = after is Status.SUCCEEDED or after is Status.CACHED
    known.backoff = None
    if state.backoff:
        prune_backoff(state)
    state.open.discard(step_id)
    state.on_limit.discard(step_id)
    if state.held:
        release(state, step_id)
    known.stale = None
    changed: list[str] = []
    if after is Status.FAILED:
        state.failures.append(step_id)
        changed += _held_back(state, known.step)
    if step_id in state.leaving:
        return _leave(state, step_id)
    changed += _tell_dependents(state, known)
    if state.unanswered or state.answers:
        changed += asking_dependents(state, step_id)
    return changed


def _tell_dependents(state: RunState, known: StepState) -> list[str]:
    """What depends on a step that has just ended; gives what is to be looked at again."""
    changed: list[str] = []
    good = known.status is Status.SUCCEEDED or known.status is Status.CACHED
    steps, pending = state.steps, Status.PENDING
    for edge in state.dependents[known.step.id]:
        dependent = steps[edge.on]
        if dependent.status is not pending:
            continue
        dependent.blockers -= 1
        if not (good and edge.when == "succeeded") and dependent.broken is None and not holds(edge, known):
            dependent.broken = _why_broken(known)
        if dependent.blockers == 0:
            if dependent.broken is None:
                _queue(state, dependent)
            changed.append(edge.on)
        elif dependent.step.expansion is not None:
            # What it is paired with may be all that it waits for.
            changed.append(edge.on)
    return changed


def _leave(state: RunState, step_id: str) -> list[str]:
    """It has ended, and the plan does not have it any more: nothing depends on it."""
    state.leaving.discard(step_id)
    state.removed[step_id] = state.steps.pop(step_id)
    del state.order[step_id], state.dependents[step_id]
    if step_id in state.failures:
        state.failures.remove(step_id)
    return []


def _held_back(state: RunState, failed: Step) -> list[str]:
    """The steps of an agent of which so many have failed that others may not start."""
    most = failed.max_failures
    if most is None or sum(1 for name in state.failures if state.steps[name].step.agent == failed.agent) < most:
        return []
    return state.siblings.get(failed.agent, [])


def _why_broken(dependency: StepState) -> str:
    status = dependency.status
    if status is Status.SKIPPED and dependency.own_skip:
        return f"{dependency.step.id} was skipped by its own `if`"
    return f"{dependency.step.id} {'was ' if status is not Status.FAILED else ''}{status.value}"


STEP_HANDLERS: Final[dict[type[Event], Handler]] = {
    Admitted: _admitted,
    AttemptStarted: _attempt_started,
    WorkspaceReady: _workspace_ready,
    PhaseEnded: _phase_ended,
    AttemptStopping: _attempt_stopping,
    AttemptEnded: _attempt_ended,
    ProgressReported: _progress,
    RetryScheduled: _retry_scheduled,
    BackoffEnded: _backoff_ended,
    StepWaiting: _waiting,
    StepEnded: _step_ended,
}
