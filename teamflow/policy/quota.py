"""Engines that are out of reach: what their limits mean for steps. Which engine a step starts on is decided here.

Pure. An engine whose usage limit is reached is not asked again before its reset, by any step. A chain of engines is
gone along to the first that is in reach; one that was left for trouble of its own is passed over for a while, by steps
that have another. Refuses to know how a reset is told (`engines/`) and which other runs know of it (`app/quotas.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from teamflow.core.attempts import AttemptState
from teamflow.core.events import Event, Now, Reopened, RetryScheduled, StepWaiting
from teamflow.core.fold_limit import ENGINE
from teamflow.core.limited import TROUBLE, USAGE, EngineLimit, EngineLimited, at_once, left
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.state import RunState, StepState
from teamflow.core.status import Status
from teamflow.policy.retry import ALLOWANCE, OWN_ALLOWANCE

UNKNOWN_RESET: Final = 3600.0
"""Seconds until an engine is asked again that did not say when its usage limit is reset."""

SOONEST: Final = 1.0
_AGAIN: Final = 60.0
"""Seconds: a limit that is met again by what began after its reset lasts at least so long, then twice as long each
time; at most `UNKNOWN_RESET`."""

COOLDOWN: Final = 60.0
"""Seconds for which steps with another engine pass over one that was left for trouble; twice as long each time that it
shows again afterwards, at most `UNKNOWN_RESET`."""

_AT_ONCE: Final = frozenset({FailureClass.AUTH, FailureClass.START})
"""No login, no program: the next attempt by the same engine would be no better."""
LEAVES: Final = _AT_ONCE | {FailureClass.RATE_LIMIT, FailureClass.TRANSIENT}
"""What the next engine of a chain may do better, once retry has given up."""


class Reach(NamedTuple):
    """`fallback`: what a step would start with (None: its own engine); `seconds`: how long none is in reach."""

    fallback: int | None
    seconds: float
    limit: EngineLimit | None = None
    engine: str = ""


def reach(state: RunState, engines: Sequence[str], now: Now) -> Reach:
    """The first engine of a chain (as in `Step.accounts`) that is in reach; else which one is soonest, and when."""
    nearest: Reach | None = None
    for place, engine in enumerate(engines):
        limit = state.limited.get(engine) if state.limited else None
        seconds = 0.0 if limit is None or (limit.why == TROUBLE and len(engines) == 1) else left(limit, now)
        fallback = place or None
        if not seconds:
            return Reach(fallback, 0.0)
        if nearest is None or seconds < nearest.seconds:
            nearest = Reach(fallback, seconds, limit, engine)
        if limit is not None and limit.why == USAGE and state.plan.limits.on_usage_limit in ("wait", "stop"):
            # Nothing takes over for an engine that is only to be waited for.
            break
    assert nearest is not None
    return nearest


def preferred(state: RunState, known: StepState, fallback: int | None, now: Now) -> int | None:
    """Which engine of its chain a step starts on, where `fallback` is the first in reach: the one whose session it goes
    on with, else the first that retry has not given up on, as far as they are in reach."""
    engines, accounts = known.step.engines, known.step.accounts
    if known.next_continues is not None:
        before = known.attempts[known.next_continues - 1]
        place = before.fallback or 0
        same = place < len(engines) and engines[place] == before.engine
        if same and not reach(state, (accounts[place],), now).seconds:
            return before.fallback
    tried = known.attempts[known.counted_from :]
    if not tried or not _gave_up(tried, engines[fallback or 0]):
        return fallback
    for place, engine in enumerate(engines):
        if not _gave_up(tried, engine) and not _out_of_reach(state, accounts[place], now):
            return place or None
    return fallback


def _out_of_reach(state: RunState, engine: str, now: Now) -> bool:
    limit = state.limited.get(engine)
    return limit is not None and left(limit, now) > 0


def until(limit: EngineLimit) -> str:
    """When it is over, for people, in the machine's own time."""
    moment = datetime.fromtimestamp(limit.until).astimezone()
    day = "" if abs(limit.until - limit.seen) < 20 * 3600 else f"{moment:%a %d %b} "
    return f"{day}{moment:%H:%M}" if limit.until - limit.seen >= 60 else f"{moment:%H:%M:%S}"


def limit_words(engine: str, limit: EngineLimit) -> str:
    """`claude: usage limit until 14:30`."""
    what = "usage limit" if limit.why == USAGE else "out of reach"
    return f"{engine}: {what} until {until(limit)}"


# -- what follows from a failed attempt ------------------------------------------------------------------------


def after_exhaustion(state: RunState, known: StepState, failed: Failed, now: Now) -> Event:
    """Of an attempt whose engine says that its usage limit is reached."""
    attempt = known.attempts[-1]
    limit = state.limited.get(_account(known, attempt))
    seconds = _until_reset(limit, attempt, failed, now)
    if seconds > 0 and (limit is None or limit.why != USAGE or left(limit, now) < seconds - SOONEST):
        return _limited(known, USAGE, seconds, failed.reason, now)
    return _elsewhere(state, known, failed, now)


def after_trouble(state: RunState, known: StepState, failed: Failed, now: Now) -> Event | None:
    """Of an attempt that retry has given up on; None where no other engine may do better."""
    step, attempt = known.step, known.attempts[-1]
    if failed.failure not in LEAVES or not step.fallbacks:
        return None
    tried = known.attempts[known.counted_from :]
    if all(engine == attempt.engine or _gave_up(tried, engine) for engine in step.engines):
        return None
    limit = state.limited.get(_account(known, attempt))
    if limit is None or not left(limit, now):
        again = limit is not None and limit.why == TROUBLE and attempt.began > limit.met
        seconds = _doubled(COOLDOWN, limit.hits if again and limit is not None else 0)
        return _limited(known, TROUBLE, seconds, failed.reason, now)
    return _elsewhere(state, known, failed, now)


def _account(known: StepState, attempt: AttemptState) -> str:
    return known.step.account_of(attempt.engine)


def _gave_up(tried: Sequence[AttemptState], engine: str) -> bool:
    """Whether retry has given up on an engine for reasons that another one may not have."""
    classes = [each.outcome.failure for each in tried if each.engine == engine and isinstance(each.outcome, Failed)]
    return any(each in _AT_ONCE for each in classes) or sum(1 for each in classes if each in OWN_ALLOWANCE) > ALLOWANCE


def _doubled(seconds: float, times: int) -> float:
    return min(UNKNOWN_RESET, seconds * 2.0 ** min(times, 30))


def _until_reset(limit: EngineLimit | None, attempt: AttemptState, failed: Failed, now: Now) -> float:
    """Seconds from now until the engine may be asked again; 0: it may."""
    stated = max(SOONEST, UNKNOWN_RESET if failed.retry_after is None else failed.retry_after)
    if limit is not None and limit.why == USAGE and attempt.began > limit.met:
        stated = max(stated, _doubled(_AGAIN, limit.hits - 1))
    ended = now.wall if attempt.ended is None else attempt.ended
    return max(0.0, stated - max(0.0, now.wall - ended))


def _limited(known: StepState, why: str, seconds: float, reason: str, now: Now) -> EngineLimited:
    attempt = known.attempts[-1]
    return EngineLimited(
        _account(known, attempt),
        why,
        now.boot,
        now.mono + seconds,
        now.wall + seconds,
        reason,
        known.step.id,
        attempt.number,
    )


def _elsewhere(state: RunState, known: StepState, failed: Failed, now: Now) -> Event:
    """The step goes on with the first engine that is in reach, or waits for one."""
    step, attempt = known.step, known.attempts[-1]
    found = reach(state, step.accounts, now)
    if found.seconds and found.limit is not None:
        words = f"{limit_words(found.engine, found.limit)}; {at_once(step.id)}"
        return StepWaiting(step.id, "limit", ENGINE, words)
    if found.fallback == attempt.fallback:
        # Its limit is over.
        return RetryScheduled(step.id, "resume", 0.0, now.boot, now.mono, failed.reason, attempt.number)
    reason = f"goes on with {step.engines[found.fallback or 0]}: {failed.reason}"
    return RetryScheduled(step.id, "retry", 0.0, now.boot, now.mono, reason)


# -- waiting -----------------------------------------------------------------------------------------------------


def in_reach_again(state: RunState, now: Now) -> Reopened | None:
    """Steps that waited for an engine, and need to no longer."""
    reasons: dict[str, str] = {}
    for step_id in sorted(_waiting(state), key=lambda name: state.order[name]):
        known = state.steps[step_id]
        found = reach(state, known.step.accounts, now)
        if not found.seconds and known.pause is None and known.cancelled_by is None:
            reasons[step_id] = f"{known.step.accounts[found.fallback or 0]} is in reach again"
    return Reopened(tuple(reasons), "resume", reasons) if reasons else None


def _waiting(state: RunState) -> list[str]:
    """Steps that wait for an engine."""
    return [step_id for step_id in state.on_limit if state.steps[step_id].waiting_by == ENGINE]


def blocked(state: RunState, now: Now) -> dict[str, Reach]:
    """Steps that lack nothing but an engine in reach: those that wait for one, and those whose turn it is."""
    if not state.limited:
        return {}
    reached = _lacking(state, now)
    found = {step_id: reached.get(state.steps[step_id].step.accounts) for step_id in _waiting(state)}
    for engines, queue in state.ready.items():
        if engines in reached:
            found.update(dict.fromkeys(queue.members(), reached[engines]))
    return {step_id: each for step_id, each in found.items() if each is not None}


def _lacking(state: RunState, now: Now) -> dict[Sequence[str], Reach]:
    """Of the chains of engines that steps wait for, or may be about to start on, those of which none is in reach."""
    chains = {state.steps[step_id].step.accounts for step_id in _waiting(state)}
    chains.update(engines for engines, queue in state.ready.items() if queue.head() is not None)
    reached = {engines: reach(state, engines, now) for engines in chains}
    return {engines: each for engines, each in reached.items() if each.seconds}


def waits_for_engines(state: RunState, steps: Mapping[str, Reach], *, no_input: bool) -> bool:
    """Whether the run stays until what these steps lack is in reach again."""
    limits = state.plan.limits
    stops = limits.on_usage_limit == "stop" or (no_input and limits.on_usage_limit != "wait")
    return any(
        found.seconds <= limits.max_wait and not (stops and found.limit is not None and found.limit.why == USAGE)
        for found in steps.values()
    )


def next_reset(state: RunState, now: Now) -> float | None:
    """When (seconds since boot) something changes for a step that lacks an engine; None: nothing does."""
    if not state.limited:
        return None
    return min((now.mono + found.seconds for found in _lacking(state, now).values()), default=None)


def lacks(state: RunState, known: StepState) -> tuple[str, ...]:
    """The engines out of reach that a step waits for, or may be; none of a step that has something to do."""
    waits = known.status is Status.WAITING and known.waiting_by == ENGINE
    if not state.limited or not (waits or known.status is Status.QUEUED):
        return ()
    return tuple(engine for engine in dict.fromkeys(known.step.accounts) if engine in state.limited)
