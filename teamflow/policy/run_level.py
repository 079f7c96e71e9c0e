"""What the run does as a whole once no step has anything to decide: limits, what is due, the next start, its end.

Pure. Used by `policy/decide.py`, which looks at the steps that changed before. What may start, and with which engine,
is in `policy/starting.py`; what a run comes to is in `policy/verdict.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.events import BackoffEnded, Event, Now, RunEnded, RunnerStarted
from teamflow.core.plan import Json
from teamflow.core.requested import StopRequested
from teamflow.core.state import RunState
from teamflow.core.status import Status
from teamflow.policy import budget
from teamflow.policy.asking import ask_step, next_answer, times_up
from teamflow.policy.quota import blocked, in_reach_again, next_reset, waits_for_engines
from teamflow.policy.starting import next_start
from teamflow.policy.verdict import limited, team_outputs, verdict


def next_for_run(state: RunState, runner: RunnerStarted, now: Now, run: Mapping[str, Json]) -> list[Event]:
    """The next decision that is no single step's; empty: there is nothing to be done now."""
    if (answered := next_answer(state)) is not None:
        return [answered]
    if state.stop is None:
        stop = _run_level_stop(state, runner, now)
        if stop is not None:
            return [stop]
        if (answer := times_up(state, now)) is not None:
            return [answer]
        if state.backoff and _due(state.backoff[0][0], now):
            return [BackoffEnded(state.backoff[0][1])]
        if state.on_limit and (again := in_reach_again(state, now)) is not None:
            return [again]
        caps = budget.lines(state, now)
        asked = [*caps, *budget.time_line(state, now)]
        told = budget.reached(state, [*asked, *budget.steps_line(state)]) or budget.moot(state, runner, asked)
        if (told := told or budget.goes_on(state, caps)) is not None:
            return [told]
        start = None if state.paused else _next_question(state, now, run) or next_start(state, runner, now, caps, asked)
        if start is not None:
            return [start]
    return _end(state, runner, now, run)


def _run_level_stop(state: RunState, runner: RunnerStarted, now: Now) -> StopRequested | None:
    if runner.fail_fast and state.failures and state.open:
        for step_id in state.failures:
            if not state.steps[step_id].step.continue_on_error:
                return StopRequested("fail_fast", f"{step_id} failed (--fail-fast)")
    limit = state.plan.limits.timeout
    if limit is not None and state.open and budget.worked(state, now) >= limit:
        return StopRequested("timeout", f"limits.timeout of {limit:g} s reached: raise it to go on")
    return None


def _due(mono: float, now: Now) -> bool:
    return mono <= now.mono


def _next_question(state: RunState, now: Now, run: Mapping[str, Json]) -> Event | None:
    """That of a step whose turn it is. It takes no slot."""
    head = state.asks.head()
    return None if head is None else ask_step(state, state.steps[head[2]], now, run=run)


def _end(state: RunState, runner: RunnerStarted, now: Now, run: Mapping[str, Json]) -> list[Event]:
    if state.running:
        return []
    out_of_reach = blocked(state, now) if state.stop is None else {}
    poor = budget.blocked(state, runner, budget.lines(state, now)) if state.stop is None else {}
    if state.open and state.stop is None:
        # A step whose dependencies are open goes on only after one that waits for somebody.
        idle = (Status.WAITING, Status.PENDING, Status.QUEUED if state.paused else Status.PENDING)
        if not all(state.steps[s].status in idle or s in out_of_reach or s in poor for s in state.open):
            return []
        if not runner.no_input and (state.unanswered or state.held or state.paused):
            return []
        if out_of_reach and waits_for_engines(state, out_of_reach, no_input=runner.no_input):
            return []
    status, exit_reason, reason = verdict(state, limited(out_of_reach, poor))
    outputs, trouble = team_outputs(state, run) if status == "succeeded" else ({}, "")
    return [RunEnded(status, exit_reason, outputs, reason or trouble)]


def wake_at(state: RunState, now: Now) -> float | None:
    """When (seconds since boot) something is due; None: nothing is."""
    if state.stop is not None:
        return None
    moments = [heap[0][0] for heap in (state.backoff, state.deadlines) if heap]
    if (reset := next_reset(state, now)) is not None:
        moments.append(reset)
    if (rung := budget.next_rung(state, now)) is not None:
        moments.append(rung)
    return min(moments, default=None)
