"""`decide` again, slowly: from the statuses alone, over the whole plan, without any index of the state."""

from __future__ import annotations

from teamflow.core.events import (
    AttemptStarted,
    AttemptStopping,
    BackoffEnded,
    Event,
    Now,
    RetryScheduled,
    RunEnded,
    StepEnded,
    StepWaiting,
    StopRequested,
)
from teamflow.core.outcome import Failed, Stopped, Succeeded
from teamflow.core.plan import Edge
from teamflow.core.state import ENDED, RunState, Status, StepState
from teamflow.policy.retry import Again, after_failure


def holds(edge: Edge, on: StepState) -> bool:
    good = on.status in (Status.SUCCEEDED, Status.CACHED)
    return {
        "finished": True,
        "failed": on.status is Status.FAILED,
        "succeeded": good,
        "passed": good or (on.status is Status.SKIPPED and on.own_skip),
    }[edge.when]


def slow_decide(state: RunState, now: Now) -> list[Event]:
    steps = list(state.steps.values())
    if state.ended:
        return []
    events = [event for known in steps if (event := _step(state, known, now)) is not None]
    if events:
        return events
    running = [known for known in steps if known.live is not None]
    assert state.runner is not None
    if state.stop is None:
        bad = [k for k in steps if k.status is Status.FAILED and not k.step.continue_on_error]
        undone = [k for k in steps if k.status not in ENDED]
        if state.runner.fail_fast and bad and undone:
            first = next(name for name in state.failures if not state.steps[name].step.continue_on_error)
            return [StopRequested("fail_fast", f"{first} failed (--fail-fast)")]
        due = [k for k in steps if k.status is Status.QUEUED and k.backoff and k.backoff[1] <= now.mono]
        if due:
            return [BackoffEnded(min(due, key=lambda k: (k.backoff[1], k.step.id)).step.id)]
        if len(running) < state.runner.max_parallel:
            for known in sorted(_startable(state), key=lambda k: (-k.step.height, list(state.steps).index(k.step.id))):
                limit = state.plan.limits.engines.get(known.step.engine)
                if limit is None or sum(r.step.engine == known.step.engine for r in running) < limit:
                    reason = known.reason if known.attempts else ""
                    number = len(known.attempts) + 1
                    return [AttemptStarted(known.step.id, number, known.next_cause, known.next_continues, reason)]
    waiting_only = all(k.status in ENDED or k.status is Status.WAITING for k in steps)
    if not running and (state.stop is not None or waiting_only):
        return [_run_end(state, steps)]
    return []


def _startable(state: RunState) -> list[StepState]:
    return [
        known
        for known in state.steps.values()
        if known.status is Status.QUEUED and known.admitted and known.backoff is None
    ]


def _step(state: RunState, known: StepState, now: Now) -> Event | None:
    step = known.step
    if known.status in ENDED:
        return None
    cancelled = StepEnded(step.id, "cancelled", f"cancelled by {known.cancelled_by}")
    if known.live is not None:
        if known.live.stopping is None and (known.cancelled_by or state.stop):
            cause = "cancel" if known.cancelled_by else state.stop.cause
            return AttemptStopping(step.id, known.live.number, "interrupt" if cause.startswith("SIG") else cause)
        return None
    if known.cancelled_by:
        return cancelled
    if known.status is Status.RUNNING:
        return _after(state, known, now)
    if known.status is Status.WAITING:
        return None
    if state.stop is not None:
        return StepEnded(step.id, "cancelled", state.stop.reason) if state.stop.cause == "fail_fast" else None
    if step.skip:
        return StepEnded(step.id, "skipped", step.skip, own=True)
    on = [(edge, state.steps[edge.on]) for edge in step.edges]
    if all(d.status in ENDED for _, d in on) and not all(holds(e, d) for e, d in on):
        return StepEnded(step.id, "skipped", known.broken or "")
    return None


def _after(state: RunState, known: StepState, now: Now) -> Event:
    match known.attempts[-1].outcome:
        case Succeeded():
            return StepEnded(known.step.id, "succeeded", "")
        case Stopped():
            return (
                StepWaiting(known.step.id, "pause", "interrupt", f"interrupted ({state.stop.cause})")
                if (state.stop.cause != "fail_fast")
                else StepEnded(known.step.id, "cancelled", state.stop.reason)
            )
        case Failed() as failed:
            verdict = after_failure(known.step, known.attempts[known.counted_from :], failed)
            if isinstance(verdict, Again):
                at = now.mono + verdict.delay
                return RetryScheduled(
                    known.step.id, verdict.cause, verdict.delay, now.boot, at, verdict.reason, verdict.continues
                )
            return StepEnded(known.step.id, "failed", verdict.reason)
    raise AssertionError


def _run_end(state: RunState, steps: list[StepState]) -> RunEnded:
    undone = [k for k in steps if k.status not in ENDED]
    failed = [n for n in state.failures if not state.steps[n].step.continue_on_error]
    cancelled = [k.step.id for k in steps if k.status is Status.CANCELLED]
    if state.stop and undone and state.stop.cause.startswith("SIG"):
        return RunEnded("interrupted", "interrupted", {}, state.stop.reason)
    if state.cancelled_by:
        return RunEnded("cancelled", "cancelled", {}, f"cancelled by {state.cancelled_by}")
    if failed:
        return RunEnded("failed", "step_failed", {}, f"{len(failed)} failed: {', '.join(failed[:5])}")
    if undone:
        return RunEnded("waiting", "needs_person", {}, f"{len(undone)} waiting")
    if cancelled:
        return RunEnded("cancelled", "cancelled", {}, f"{len(cancelled)} cancelled: {', '.join(cancelled[:5])}")
    return RunEnded("succeeded", "ok", {})
