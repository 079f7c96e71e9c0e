"""`decide` again, slowly: from the statuses alone, over the whole plan, without any index of the state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from teamflow.core.events import (
    Admitted,
    AttemptStarted,
    AttemptStopping,
    BackoffEnded,
    Event,
    Now,
    QuestionAnswered,
    QuestionAsked,
    Reopened,
    RetryScheduled,
    RunEnded,
    StepEnded,
    StepFrozen,
    StepsAdded,
    StepThawed,
    StepWaiting,
)
from teamflow.core.fold_plan import LEFT_OUT
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded
from teamflow.core.plan import Edge
from teamflow.core.requested import StopRequested
from teamflow.core.spending import BudgetReached
from teamflow.core.state import Question, RunState, StepState
from teamflow.core.status import ENDED, Status
from teamflow.policy.expand import expanded
from teamflow.policy.retry import Again, after_failure
from teamflow.policy.stale import opened_again


def holds(edge: Edge, on: StepState) -> bool:
    good = on.status in (Status.SUCCEEDED, Status.CACHED)
    return {
        "finished": True,
        "failed": on.status is Status.FAILED,
        "succeeded": good,
        "passed": good or (on.status is Status.SKIPPED and on.own_skip),
    }[edge.when]


Rounds: TypeAlias = Mapping[str, Sequence[object]]
"""Step with a loop → what each of its rounds so far has left behind."""


def slow_decide(state: RunState, now: Now, rounds: Rounds | None = None) -> list[Event]:
    steps = list(state.steps.values())
    if state.ended:
        return []
    if any(k.stale for k in steps) and (again := opened_again(state)).opens:
        return list(again.events)
    events = [event for known in steps if (event := _step(state, known, now, rounds or {})) is not None]
    # A step that opens others again goes alone: the others were looked at as they were before.
    reopened = [event for event in events if isinstance(event, Reopened)]
    if reopened:
        names = list(state.steps)
        first = min(reopened, key=lambda event: min(names.index(name) for name in event.steps))
        if first.cause != "resume":
            return [first]
        # All that are let go at once.
        let_go = {event.steps[0]: event.reasons[event.steps[0]] for event in reopened if event.cause == "resume"}
        return [Reopened(tuple(let_go), "resume", let_go)]
    # One list becomes steps at a time.
    additions = [event for event in events if isinstance(event, (StepsAdded, QuestionAsked))]
    if events:
        return [event for event in events if event not in additions[1:]]
    running = [known for known in steps if _works(known)]
    assert state.runner is not None
    for question in state.questions:
        known = state.steps.get(question.step)
        if known is None:
            continue
        mine = max(q.number for q in state.questions if q.step == question.step)
        waits = known.status is Status.WAITING and known.waiting_on == "person" and question.number == mine
        stands = not question.own or all(state.steps[edge.on].status in ENDED for edge in known.step.edges)
        if waits and stands and question.answered is not None and known.pause is None:
            return [_after_answer(question)]
    if state.stop is None:
        bad = [k for k in steps if k.status is Status.FAILED and not k.step.continue_on_error]
        undone = [k for k in steps if k.status not in ENDED]
        if state.runner.fail_fast and bad and undone:
            first = next(name for name in state.failures if not state.steps[name].step.continue_on_error)
            return [StopRequested("fail_fast", f"{first} failed (--fail-fast)")]
        late = [q for q in _open(state) if q.mono is not None and q.mono <= now.mono]
        if late:
            first_late = min(late, key=lambda q: (q.mono, q.number))
            return [QuestionAnswered(first_late.number, first_late.default, "timeout")]
        due = [k for k in steps if k.status is Status.QUEUED and k.backoff and k.backoff[1] <= now.mono]
        if due:
            return [BackoffEnded(min(due, key=lambda k: (k.backoff[1], k.step.id)).step.id)]
        told = _told_of_steps(state)
        if told:
            return [told]
        startable = (
            []
            if state.paused
            else sorted(_startable(state), key=lambda k: (-k.step.height, list(state.steps).index(k.step.id)))
        )
        for known in startable:
            if known.step.kind == "ask":
                return [_asked(known, now)]
        if len(running) < state.runner.max_parallel:
            for known in startable:
                limit = state.plan.limits.engines.get(known.step.engine)
                if limit is None or sum(r.step.engine == known.step.engine for r in running) < limit:
                    reason = known.reason if known.next_cause != "first" else ""
                    number = len(known.attempts) + 1
                    return [AttemptStarted(known.step.id, number, known.next_cause, known.next_continues, reason)]
    idle = [*ENDED, Status.WAITING, Status.PENDING, *([Status.QUEUED] if state.paused else [])]
    waiting_only = all(k.status in idle for k in steps)
    undone = [k for k in steps if k.status not in ENDED]
    held = undone and (state.paused or any(k.pause for k in steps))
    asks = bool(_open(state) or held) and not state.runner.no_input
    if not running and (state.stop is not None or (waiting_only and not asks)):
        return [_run_end(state, steps)]
    return []


def _told_of_steps(state: RunState) -> BudgetReached | None:
    """People are told once of the highest rung that the number of added steps has reached."""
    limit = state.plan.limits.max_steps
    added = sum(1 for step in state.plan.steps if step.parent is not None)
    if limit is None:
        return None
    reached = [percent for percent in (70, 90, 100) if 100 * added >= percent * limit]
    if not reached or ("run", "steps", reached[-1], limit) in state.ledger.reached:
        return None
    return BudgetReached("run", "steps", reached[-1], added, limit)


def _works(known: StepState) -> bool:
    """Whether a process of it is there, frozen or not."""
    return known.live is not None and (known.status is Status.RUNNING or known.live.frozen_at is not None)


def _open(state: RunState) -> list[Question]:
    return [question for question in state.questions if question.answered is None and not question.withdrawn]


def _asked(known: StepState, now: Now) -> QuestionAsked:
    step = known.step
    assert step.ask is not None
    about = "question" if step.ask.options else "approval"
    asked = QuestionAsked(step.id, about, str(step.prompt), step.ask.options, step.ask.default)
    if step.timeout is None:
        return asked
    return asked._replace(boot=now.boot, mono=now.mono + step.timeout, deadline=now.wall + step.timeout)


def _still_asks(state: RunState, known: StepState) -> Event | None:
    mine = [question for question in state.questions if question.step == known.step.id]
    if known.waiting_on != "person" or not mine:
        return None
    step_id, question = known.step.id, mine[-1]
    if question.answered is None and state.stop is not None and state.stop.cause == "fail_fast":
        return StepEnded(step_id, "cancelled", state.stop.reason)
    if known.stale:
        return Reopened((step_id,), "revision", {step_id: known.stale})
    for edge in known.step.edges if question.own else ():
        on = state.steps[edge.on]
        begun = on.attempts and on.status not in ENDED
        if begun and (on.admitted or on.attempts[-1].outcome is None):
            return Reopened((step_id,), "revision", {step_id: f"{edge.on} runs again"})
    if known.step.expansion is not None and question.answered is None and state.stop is None:
        return _asks_in_vain(state, known, question)
    return None


def _asks_in_vain(state: RunState, known: StepState, question: Question) -> Event | None:
    expansion = known.step.expansion
    assert expansion is not None
    partner = expansion.pairs_with
    before = [partner] if partner else [edge.on for edge in known.step.edges]
    if any(state.steps[name].status not in ENDED for name in before if name in state.steps):
        return None
    asked = expanded(state, known, expansion, run={})
    if isinstance(asked, QuestionAsked) and _ends(asked.text) == _ends(question.text):
        return None
    why = "what it has asked is another question now"
    return Reopened((known.step.id,), "revision", {known.step.id: why})


def _ends(text: str) -> tuple[str, str]:
    """How many steps it would add, and the limit."""
    return text.split(" steps")[0], text.split("max_steps is")[1]


def _after_answer(question: Question) -> Event:
    step_id = question.step
    note = f": {question.note}" if question.note else ""
    match question.answer:
        case None:
            return StepEnded(step_id, "failed", "nobody answered in time")
        case "reject":
            return StepEnded(step_id, "failed", f"rejected by {question.by}{note}")
        case "go on":
            return Reopened((step_id,), "resume", {step_id: f"{question.by} lets it go on"})
        case "retry" | "relaunch" as cause:
            return Reopened((step_id,), cause, {step_id: f"{question.by} lets it be tried again{note}"})
        case "skip":
            return StepEnded(step_id, "skipped", f"skipped by {question.by}{note}: {question.text}", own=True)
        case "fail":
            return StepEnded(step_id, "failed", question.text, failure=question.failure)
        case "stop":
            return StepEnded(step_id, "failed", f"stopped by {question.by}{note}", failure=FailureClass.REJECTED)
        case "approve":
            return StepEnded(step_id, "succeeded", f"approved by {question.by}{note}")
        case option if question.by == "timeout":
            return StepEnded(step_id, "succeeded", f"nobody answered in time: {option} is the default")
        case option:
            return StepEnded(step_id, "succeeded", f"answered {option} by {question.by}{note}")


def _startable(state: RunState) -> list[StepState]:
    return [
        known
        for known in state.steps.values()
        if known.status is Status.QUEUED and known.admitted and known.backoff is None
    ]


def _step(state: RunState, known: StepState, now: Now, rounds: Rounds) -> Event | None:
    step = known.step
    if known.relaunch and not _works(known):
        return _anew(state, known)
    if known.status in ENDED:
        return None
    cancelled = StepEnded(step.id, "cancelled", f"cancelled by {known.cancelled_by}")
    if _works(known):
        return _of_working(state, known)
    if known.cancelled_by:
        return cancelled
    if known.status is Status.RUNNING:
        event = _after(state, known, now, rounds)
        if isinstance(event, StepEnded) and event.status == "failed" and step.escalates:
            outcome = known.attempts[-1].outcome
            why = event.failure or (outcome.failure if isinstance(outcome, Failed) else None)
            return QuestionAsked(step.id, "failure", event.reason, ("retry", "relaunch", "skip", "fail"), failure=why)
        return event
    if known.status is Status.WAITING:
        lets_go = known.waiting_on == "pause" and known.waiting_by == "user" and known.pause is None
        return Reopened((step.id,), "resume", {step.id: "resumed"}) if lets_go else _still_asks(state, known)
    if state.stop is not None:
        return StepEnded(step.id, "cancelled", state.stop.reason) if state.stop.cause == "fail_fast" else None
    if step.skip:
        return StepEnded(step.id, "skipped", step.skip, own=True)
    on = [(edge, state.steps[edge.on]) for edge in step.edges]
    over = known.status is Status.PENDING and all(d.status in ENDED for _, d in on)
    in_vain = over and step.expansion is None and not all(holds(e, d) for e, d in on)
    if known.pause and not in_vain:
        return StepWaiting(step.id, "pause", "user", f"paused by {known.pause.by}")
    if step.expansion is not None:
        return _expanded(state, known)
    # What holds when a step is queued need not hold when it is tried again.
    if known.status is Status.PENDING and all(d.status in ENDED for _, d in on) and not all(holds(e, d) for e, d in on):
        return StepEnded(step.id, "skipped", known.broken or "")
    begun = known.attempts[known.counted_from :] or known.next_cause in ("resume", "rework")
    if step.max_failures is not None and not begun:
        failed = [k.step.id for k in state.steps.values() if k.status is Status.FAILED and k.step.agent == step.agent]
        failed = [s for s in failed if not s.endswith("/?") and state.steps[s].closed > known.opened]
        if len(failed) >= step.max_failures:
            failed.sort(key=state.failures.index)
            reason = f"max_failures of {step.max_failures} reached: {_some(failed)} failed"
            return StepEnded(step.id, "cancelled", reason)
    if known.status is Status.QUEUED and not known.admitted and step.condition is not None:
        if not _condition(state, known):
            return StepEnded(step.id, "skipped", f"if: {step.condition}", own=True)
        again = known.round > 1 or known.feedback
        return None if step.cache else Admitted(step.id, None, known.reason if again else f"if: {step.condition}")
    return None


def _anew(state: RunState, known: StepState) -> Reopened:
    again = {known.step.id: known.relaunch or ""}
    for step in state.plan.steps:
        other = state.steps[step.id]
        if other.status is Status.SKIPPED and not other.own_skip:
            because = [edge.on for edge in step.edges if edge.on in again]
            if because:
                again[step.id] = f"{because[0]} runs again"
    return Reopened(tuple(again), "relaunch", again, by=known.step.id)


def _of_working(state: RunState, known: StepState) -> Event | None:
    step_id, live = known.step.id, known.live
    assert live is not None
    if live.stopping is not None:
        return None
    if known.cancelled_by or known.stale or state.stop:
        cause = "cancel" if known.cancelled_by else "redefined" if known.stale else state.stop.cause
        return AttemptStopping(step_id, live.number, "interrupt" if cause.startswith("SIG") else cause)
    if known.relaunch:
        return AttemptStopping(step_id, live.number, "relaunch")
    frozen = live.frozen_at is not None
    match known.pause:
        case None:
            return StepThawed(step_id, live.number) if frozen else None
        case (by, True):
            return None if frozen else StepFrozen(step_id, live.number, f"frozen by {by}")
        case _:
            return AttemptStopping(step_id, live.number, "pause")


def _condition(state: RunState, known: StepState) -> bool:
    """Those that these tests use, without templates; of loops: `agents.NAME.text == 'go'`."""
    condition = known.step.condition
    if condition == "matrix.task != 'a'":
        return known.step.matrix["task"] != "a"
    if condition == "agents.plan.outputs.tasks != []":
        return state.steps["plan"].outputs["tasks"] != []
    return state.steps[condition.split(".")[1]].text == "go"


def _expanded(state: RunState, known: StepState) -> Event | None:
    """By words of the page alone: ids are worked out in another way, and problems are only seen to be there."""
    expansion, on = known.step.expansion, [state.steps[edge.on] for edge in known.step.edges]
    assert expansion is not None
    found = expanded(state, known, expansion, run={})
    if expansion.pairs_with is not None:
        assert (found is None) == (state.steps[expansion.pairs_with].status not in ENDED)
    else:
        assert (found is None) == any(k.status not in ENDED for k in on)
    return found


def _after(state: RunState, known: StepState, now: Now, rounds: Rounds) -> Event:
    if known.stale or known.attempts[-1].stopping == "redefined":
        reason = known.stale or "its definition changed while it ran"
        return Reopened((known.step.id,), "relaunch", {known.step.id: reason}, by=known.step.id)
    match known.attempts[-1].outcome:
        case Succeeded() if len(known.messages) > known.heard:
            number, reason = known.attempts[-1].number, f"a message from {known.messages[known.heard].by}"
            return RetryScheduled(known.step.id, "resume", 0.0, now.boot, now.mono, reason, number)
        case Succeeded():
            if known.step.loop:
                return _after_round(state, known, rounds.get(known.step.id, ()))
            return StepEnded(known.step.id, "succeeded", "")
        case Stopped(cause=cause):
            step_id, stop = known.step.id, state.stop
            if known.pause:
                return StepWaiting(step_id, "pause", "user", f"paused by {known.pause.by}")
            if stop is None and cause in ("interrupt", "pause"):
                # Of a session before this one, or of a pause that is over.
                number = known.attempts[-1].number
                return RetryScheduled(step_id, "resume", 0.0, now.boot, now.mono, f"goes on after {cause}", number)
            if cause == "fail_fast" or (state.stop is not None and state.stop.cause == "fail_fast"):
                return StepEnded(step_id, "cancelled", stop.reason if stop else "another step failed")
            return StepWaiting(step_id, "pause", "interrupt", f"interrupted ({stop.cause if stop else cause})")
        case Failed() as failed:
            verdict = after_failure(known.step, known.attempts[known.counted_from :], failed)
            if isinstance(verdict, Again):
                at = now.mono + verdict.delay
                return RetryScheduled(
                    known.step.id, verdict.cause, verdict.delay, now.boot, at, verdict.reason, verdict.continues
                )
            return StepEnded(known.step.id, "failed", verdict.reason)
    raise AssertionError


def _some(names: list[str]) -> str:
    rest = len(names) - 5
    return f"{', '.join(names[:5])} and {rest} more" if rest > 0 else ", ".join(names)


def _run_end(state: RunState, steps: list[StepState]) -> RunEnded:
    undone = [k for k in steps if k.status not in ENDED]
    failed = [n for n in state.failures if not state.steps[n].step.continue_on_error]
    cancelled = [k.step.id for k in steps if k.status is Status.CANCELLED and k.cancelled_by != LEFT_OUT]
    if state.stop and undone and state.stop.cause.startswith("SIG"):
        return RunEnded("interrupted", "interrupted", {}, state.stop.reason)
    if state.cancelled_by:
        return RunEnded("cancelled", "cancelled", {}, f"cancelled by {state.cancelled_by}")
    asking = _open(state)
    if asking:
        listed = _some([question.step for question in asking])
        many = f"{len(asking)} questions are" if len(asking) > 1 else "a question is"
        return RunEnded("waiting", "needs_person", {}, f"{many} open: {listed}")
    held = [k.step.id for k in steps if k.pause]
    if undone and (held or state.paused):
        told = f"paused by {state.paused}" if state.paused else f"{len(held)} paused: {_some(held)}"
        return RunEnded("paused", "needs_person", {}, told)
    if failed:
        return RunEnded("failed", "step_failed", {}, f"{len(failed)} failed: {_some(failed)}")
    if undone:
        return RunEnded("waiting", "needs_person", {}, f"{len(undone)} waiting")
    if cancelled:
        return RunEnded("cancelled", "cancelled", {}, f"{len(cancelled)} cancelled: {_some(cancelled)}")
    return RunEnded("succeeded", "ok", {})


# -- loops: `until` is `outputs.ok` in these tests --------------------------------------------------------------


def _after_round(state: RunState, known: StepState, before: Sequence[object]) -> StepEnded | Reopened:
    name, loop, ok = known.step.id, known.step.loop, known.outputs.get("ok")
    if not isinstance(ok, bool):
        return StepEnded(name, "failed", "", failure=FailureClass.FATAL)
    if ok:
        return StepEnded(name, "succeeded", f"in round {known.round} of {loop.max}" if known.round > 1 else "")
    if state.stop and state.stop.cause == "fail_fast":
        return StepEnded(name, "cancelled", state.stop.reason)
    targets, between = span(state, name)
    done = [one for one in between if state.steps[one].status in ENDED and state.steps[one].status != "cancelled"]
    busy = [one for one in targets if state.steps[one].status not in ENDED]
    if not busy and not set(targets) & set(done):
        return StepEnded(name, "failed", "cancelled", failure=FailureClass.NOT_CONVERGED)
    if set(targets) & set(done):
        now = left_behind(state, name)
        stuck = now is not None and list(before[-2:]) == [now, now]
        if known.round >= loop.max or stuck:
            return StepEnded(name, "failed", "max" if known.round >= loop.max else "stuck", failure="not_converged")
        told = f"round {known.round + 1} of {loop.max}"
    else:
        told = f"looks again after {busy[0]}"
    return Reopened((*done, name), "rework", {**dict.fromkeys(done, f"for {name}, {told}"), name: told}, by=name)


def span(state: RunState, name: str) -> tuple[list[str], list[str]]:
    """What a round of its loop may open, by following every path: (what it reworks, that and all on the way)."""

    def leads_to(one: str, end: str) -> bool:
        return any(edge.on == one or leads_to(one, edge.on) for edge in state.steps[end].step.edges)

    rework = state.steps[name].step.loop.rework
    targets = [one for one in state.steps if one.split("/")[0] == rework and leads_to(one, name)]
    same = [one for one in targets if "/" in name and one.split("/")[1:] == name.split("/")[1:]]
    targets = same or targets
    on_way = [
        one
        for one in state.steps
        if leads_to(one, name) and (one in targets or any(leads_to(each, one) for each in targets))
    ]
    return targets, on_way


def left_behind(state: RunState, name: str) -> object:
    """What the steps of a loop have left; None when it is not known of those that it reworks."""
    targets, between = span(state, name)
    left = {}
    for one in between:
        known = state.steps[one]
        tree = known.attempts[-1].tree if known.attempts else ""
        some = tree or known.outputs
        left[one] = "skipped" if known.status == "skipped" else (tree, repr(known.outputs)) if some else None
        if known.status == "failed":
            left[one] = None
    return None if any(left[one] is None for one in targets) else left
