"""What happens next: state in, records out. Pure and incremental.

`decide` looks at the steps that changed, then at the head of each queue; its work does not grow with the plan. It
returns decisions as records to append (the executor appends, applies and then acts on them) and asks for probes
(cache keys, which need the disk). At most one start per call, so every start sees the state after the one before.
Retry is decided in `policy/retry.py`. Refuses to act, to sleep and to know the wall clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from teamflow.core.attempts import AttemptState
from teamflow.core.events import (
    Admitted,
    AttemptStopping,
    Event,
    Now,
    QuestionAsked,
    Reopened,
    RetryScheduled,
    StepEnded,
    StepsAdded,
    StepWaiting,
)
from teamflow.core.fold_budget import BUDGET
from teamflow.core.guarding import GUARD, RAISED
from teamflow.core.ids import listed
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded
from teamflow.core.phases import CLEAN, VERIFIED, is_check
from teamflow.core.plan import Json, Step
from teamflow.core.state import RunState, StepState
from teamflow.core.status import Status
from teamflow.policy import budget, guards
from teamflow.policy.asking import escalated, still_asks
from teamflow.policy.context import step_context
from teamflow.policy.holding import PAUSE, halted, held_back, let_go, relaunched
from teamflow.policy.quota import after_exhaustion, after_trouble
from teamflow.policy.retry import Again, after_failure
from teamflow.policy.run_level import next_for_run, wake_at
from teamflow.policy.stale import REDEFINED, any_stale, opened_again

if TYPE_CHECKING:
    from teamflow.plan.ripple import Rippled

_RESUMABLE: Final = frozenset({"orphaned", "keeper_stopped", "interrupt", PAUSE, RAISED})
"""Stops that nobody asked this session for, or not any more: a living runner goes on with such a step at once. An
interrupt is one of another session, whose runner died before its attempts had ended."""

_STOP_CAUSES: Final = {"SIGINT": "interrupt", "SIGTERM": "interrupt", "timeout": "limit"}
"""From why the run stops to what an attempt is told; `timeout` alone means the step's own."""


class Decision(NamedTuple):
    """Records to append, steps whose cache key must be looked up, and when to ask again (seconds since boot).

    `follow`: steps that are to be opened again because of others, later. `left`: steps that have not been looked at.
    """

    events: tuple[Event, ...]
    probes: tuple[str, ...]
    wake_at: float | None
    follow: Rippled | None = None
    left: tuple[str, ...] = ()


def decide(
    state: RunState,
    changed: Iterable[str],
    now: Now,
    *,
    run: Mapping[str, Json] | None = None,
    may_start: bool = True,
) -> Decision:
    """The next decisions. `run` is what templates see as `run`. Call again until `events` is empty.

    `may_start` False (while a journal is taken in, or the disk is full): nothing starts and the run does not end.
    """
    if state.ended is not None or state.runner is None:
        return Decision((), (), None)
    info = run or {}
    events: list[Event] = []
    probes: list[str] = []
    changed = dict.fromkeys(changed)
    stale = opened_again(state) if any_stale(state, changed) else None
    if stale is not None:
        if stale.opens:
            # More than these steps changes with it, so the others are looked at afterwards.
            return Decision(stale.events, (), None, stale.follow, tuple(changed))
        events += stale.events
    for step_id in changed:
        known = state.steps.get(step_id)
        if known is None:
            continue
        event = _next_for(state, known, now, info)
        if event is not None:
            events.append(event)
        elif _wants_probe(state, known):
            probes.append(step_id)
    if len(events) > 1 and (reopened := _first_reopening(state, events)) is not None:
        # It changes more than its own step: what was decided beside it may not hold any more.
        return Decision((reopened,), (), None, stale.follow if stale is not None else None, tuple(changed))
    left = _later_additions(state, events)
    events = [event for event in events if event not in left]
    if not events and may_start:
        events.extend(next_for_run(state, state.runner, now, info))
    # What may not start now is not waited for, either: who lifts that asks again.
    wake = None if events or not may_start else wake_at(state, now)
    follow = stale.follow if stale is not None else None
    return Decision(tuple(events), tuple(probes), wake, follow, tuple(map(_adds_to, left)))


def _first_reopening(state: RunState, events: Iterable[Event]) -> Reopened | None:
    found = [event for event in events if isinstance(event, Reopened)]
    found.sort(key=lambda event: min(state.order[step_id] for step_id in event.steps))
    if not found or found[0].cause != "resume":
        return found[0] if found else None
    # Those that are let go do not change each other.
    reasons = {step_id: why for event in found if event.cause == "resume" for step_id, why in event.reasons.items()}
    return found[0]._replace(steps=tuple(reasons), reasons=reasons)


def _later_additions(state: RunState, events: Iterable[Event]) -> list[StepsAdded | QuestionAsked]:
    """Of several lists that would become steps now, all but the first: each has to know of those before it."""
    additions = [event for event in events if isinstance(event, (StepsAdded, QuestionAsked))]
    return sorted(additions, key=lambda event: state.order[_adds_to(event)])[1:]


def _adds_to(event: StepsAdded | QuestionAsked) -> str:
    return event.parent if isinstance(event, StepsAdded) else event.step


# -- one step ------------------------------------------------------------------------------------------------


def _next_for(state: RunState, known: StepState, now: Now, run: Mapping[str, Json]) -> Event | None:
    if known.relaunch is not None and known.step.id not in state.running:
        return relaunched(state, known, known.relaunch)
    match known.status:
        case Status.PENDING | Status.QUEUED:
            return _next_for_unstarted(state, known, now, run)
        case Status.RUNNING | Status.WAITING if (live := known.live) is not None and known.step.id in state.running:
            return _next_for_live(state, known, live, now)
        case Status.RUNNING:
            event = _after_attempt(state, known, now, run)
            return escalated(known, event) if isinstance(event, StepEnded) else event
        case Status.WAITING if known.cancelled_by is not None:
            return _cancelled(known)
        case Status.WAITING:
            return still_asks(state, known) or let_go(known) or _no_longer_asked(state, known, run)
        case _:
            return None


def _next_for_unstarted(state: RunState, known: StepState, now: Now, run: Mapping[str, Json]) -> Event | None:
    step = known.step
    if known.cancelled_by is not None:
        return _cancelled(known)
    if state.stop is not None:
        if state.stop.cause == "fail_fast":
            return StepEnded(step.id, "cancelled", state.stop.reason)
        return None
    if step.skip is not None:
        return StepEnded(step.id, "skipped", step.skip, own=True)
    if step.expansion is None and known.status is Status.PENDING and known.blockers == 0:
        return StepEnded(step.id, "skipped", known.broken or "")
    if known.pause is not None:
        return held_back(known, known.pause)
    if step.expansion is not None:
        # Imported here: most runs add no steps.
        from teamflow.policy.expand import expanded

        return expanded(state, known, step.expansion, run=run)
    return _settle(state, known, now, run)


def _no_longer_asked(state: RunState, known: StepState, run: Mapping[str, Json]) -> Event | None:
    if known.step.expansion is None:
        return None
    from teamflow.policy.expand import no_longer_asked

    return no_longer_asked(state, known, run=run)


def _settle(state: RunState, known: StepState, now: Now, run: Mapping[str, Json]) -> Event | None:
    """What needs no slot: a step whose agent has failed too often, a condition."""
    step = known.step
    if step.max_failures is not None and (enough := _enough_failed(state, known, step.max_failures)):
        return StepEnded(step.id, "cancelled", enough)
    if known.status is Status.PENDING:
        return None
    if step.budget is not None and state.runner is not None:
        event = budget.of_its_own(known, no_input=state.runner.no_input)
        if event is not None:
            return escalated(known, event) if isinstance(event, StepEnded) else event
    if not known.admitted and step.condition is not None:
        return _settle_condition(state, known, step.condition, run)
    return None


def _enough_failed(state: RunState, known: StepState, most: int) -> str:
    """Why no further instance of its agent starts; empty when one may.

    One that has begun goes on. What failed before somebody opened this one again does not count.
    """
    if len(known.attempts) > known.counted_from or known.next_cause in ("resume", "rework"):
        return ""
    others = (state.steps[name] for name in state.failures)
    failed = [other.step.id for other in others if _counts_against(known, other)]
    return "" if len(failed) < most else f"max_failures of {most} reached: {listed(failed)} failed"


def _counts_against(known: StepState, failed: StepState) -> bool:
    return failed.step.agent == known.step.agent and failed.step.expansion is None and failed.closed > known.opened


def _settle_condition(state: RunState, known: StepState, condition: str, run: Mapping[str, Json]) -> Event | None:
    step = known.step
    # Imported here: most runs have no condition that depends on results, and jinja2 is slow to import.
    from teamflow.team.template import TemplateError, evaluate

    try:
        value = evaluate(condition, step_context(state, step, run=run))
    except TemplateError as error:
        return StepEnded(step.id, "failed", f"`if` could not be evaluated: {error}")
    if not isinstance(value, bool):
        return StepEnded(step.id, "failed", f"`if` must be true or false, but `{condition}` gave {value!r:.80}")
    if not value:
        return StepEnded(step.id, "skipped", f"if: {condition}", own=True)
    if step.cache:
        return None
    return Admitted(step.id, None, known.reason if known.reworking else f"if: {condition}")


def _wants_probe(state: RunState, known: StepState) -> bool:
    return known.status is Status.QUEUED and not known.admitted and known.step.cache and state.stop is None


def _next_for_live(state: RunState, known: StepState, live: AttemptState, now: Now) -> Event | None:
    if live.stopping is not None:
        return None
    if known.cancelled_by is not None:
        return AttemptStopping(known.step.id, live.number, "cancel")
    if state.stop is not None:
        return AttemptStopping(known.step.id, live.number, _STOP_CAUSES.get(state.stop.cause, state.stop.cause))
    if live.tripped:
        return AttemptStopping(known.step.id, live.number, GUARD)
    if budget.over(state, known, live, now):
        return AttemptStopping(known.step.id, live.number, BUDGET)
    return halted(known, live)


def _after_attempt(state: RunState, known: StepState, now: Now, run: Mapping[str, Json]) -> Event:
    step, newest = known.step, known.attempts[-1]
    if known.cancelled_by is not None:
        # A result that comes after the cancel stays on its attempt and never revives the step.
        return _cancelled(known)
    if newest.stopping == REDEFINED or known.stale is not None:
        reason = known.stale or "its definition changed while it ran"
        return Reopened((step.id,), "relaunch", {step.id: reason}, by=step.id)
    match newest.outcome:
        case Succeeded():
            return _after_success(state, known, now, run)
        case Stopped(cause="guard"):
            # Also of a paused step: what is answered counts once that is over.
            return guards.tripped(known)
        case Stopped() if known.pause is not None:
            return held_back(known, known.pause)
        case Stopped(cause=cause):
            return budget.after_stop(known) if cause == BUDGET else _after_stop(state, step, cause, now, newest.number)
        case Failed() as failed:
            return _after_failure(state, known, failed, now)
        case None:
            raise AssertionError(f"{step.id}: the attempt has not ended")


def _after_failure(state: RunState, known: StepState, failed: Failed, now: Now) -> Event:
    step = known.step
    if failed.failure is FailureClass.USAGE_EXHAUSTED:
        return after_exhaustion(state, known, failed, now)
    if (asked := guards.without_progress(known, failed)) is not None:
        return asked
    verdict = after_failure(step, known.attempts[known.counted_from :], failed)
    if isinstance(verdict, Again):
        if (asked := guards.after_failure(known, failed)) is not None:
            return asked
        cause, delay, continues, reason = verdict
        return RetryScheduled(step.id, cause, delay, now.boot, now.mono + delay, reason, continues)
    return after_trouble(state, known, failed, now) or StepEnded(step.id, "failed", verdict.reason)


def _after_success(state: RunState, known: StepState, now: Now, run: Mapping[str, Json]) -> Event:
    step, newest = known.step, known.attempts[-1]
    if known.heard < len(known.messages):
        reason = f"a message from {known.messages[known.heard].by}"
        return RetryScheduled(step.id, "resume", 0.0, now.boot, now.mono, reason, newest.number)
    if step.loop is not None:
        # Imported here: most runs have no loop.
        from teamflow.policy.rework import after_round

        return after_round(state, known, step.loop, run=run)
    clean = step.resolves and newest.ready is None
    return StepEnded(step.id, "succeeded", CLEAN if clean else VERIFIED if is_check(newest.phase) else "")


def _after_stop(state: RunState, step: Step, cause: str, now: Now, attempt: int) -> Event:
    if state.stop is None and cause in _RESUMABLE:
        reason = "goes on: its guards allow more turns now" if cause == RAISED else f"goes on after {cause}"
        return RetryScheduled(step.id, "resume", 0.0, now.boot, now.mono, reason, attempt)
    # What an earlier session has interrupted is not gone on with, either.
    if cause == "fail_fast" or (state.stop is not None and state.stop.cause == "fail_fast"):
        return StepEnded(step.id, "cancelled", state.stop.reason if state.stop else "another step failed")
    if cause == "limit":
        return StepWaiting(step.id, "limit", "interrupt", "limits.timeout reached")
    return StepWaiting(step.id, "pause", "interrupt", f"interrupted ({state.stop.cause if state.stop else cause})")


def _cancelled(known: StepState) -> StepEnded:
    return StepEnded(known.step.id, "cancelled", f"cancelled by {known.cancelled_by}")
