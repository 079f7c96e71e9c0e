"""The fold's rules for the plan itself: revisions of it, steps added to it, steps opened again.

Used by `core/fold.py` only. A revision and an addition index the whole plan anew: both are rare.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from teamflow.core.added import effective
from teamflow.core.attempts import AttemptState
from teamflow.core.changes import changed
from teamflow.core.events import PlanRevised, Record, Reopened, StepsAdded
from teamflow.core.fold_backoff import prune_backoff
from teamflow.core.fold_budget import limits_revised
from teamflow.core.fold_control import relaunch_marked, release, still_held
from teamflow.core.fold_limit import still_limited
from teamflow.core.fold_step import asking_dependents, check, recount
from teamflow.core.outcome import CONTINUES, Failed, FailureClass, Stopped, Succeeded
from teamflow.core.plan import Edge, Plan, Step
from teamflow.core.questions import withdraw
from teamflow.core.ready import ReadyQueue
from teamflow.core.requested import RelaunchRequested
from teamflow.core.state import Feedback, RunState, StepState, needs_look, ran_since
from teamflow.core.status import ENDED, IllegalTransition, Status

LEFT_OUT: Final = "the plan, which no longer has it"
"""Who cancels a step that runs and is no longer wanted."""


def adopt(state: RunState, plan: Plan, before: dict[str, StepState]) -> None:
    """Makes `plan`, with what was added, the effective one; steps that existed, also some revisions ago, keep their
    progress. Each index is changed in one go: a look-up of the cache may be reading it."""
    # What a step was expanded to some revisions ago need not hold any more, and finding it again costs nothing.
    removed = {step_id: known for step_id, known in state.removed.items() if known.step.expansion is None}
    old = {**removed, **before}
    state.base = plan
    state.plan = changed(effective(plan, state.added), state.changes)
    if old:
        steps = {step.id: _redefined(old.get(step.id), step) for step in state.plan.steps}
    else:
        steps = {step.id: StepState(step) for step in state.plan.steps}
    dependents: dict[str, list[Edge]] = {step_id: [] for step_id in steps}
    state.siblings = {}
    state.leaving = set()
    for step in state.plan.steps:
        for edge in step.edges:
            dependents[edge.on].append(Edge(step.id, edge.when, edge.why))
        if step.max_failures is not None and step.expansion is None:
            state.siblings.setdefault(step.agent, []).append(step.id)
    for step_id, known in old.items():
        if step_id not in steps and step_id in state.running and known.live is not None:
            known.cancelled_by = known.cancelled_by or LEFT_OUT
            known.step = known.step._replace(edges=())
            state.leaving.add(step_id)
            steps[step_id] = known
            dependents[step_id] = []
    state.removed = {step_id: known for step_id, known in old.items() if step_id not in steps}
    state.order = {step_id: number for number, step_id in enumerate(steps)}
    state.dependents = dependents
    state.steps = steps
    state.ready = {}
    state.asks = ReadyQueue()
    for known in state.removed.values():
        withdraw(state, known, at=state.updated)
    state.held = still_held(state.steps.values())
    state.on_limit = still_limited(state.steps.values()) if old else set()
    state.open = {step_id for step_id, step in state.steps.items() if step.status not in ENDED}
    state.failures = [s for s, known in state.steps.items() if known.status is Status.FAILED]
    state.backoff = sorted(entry for entry in state.backoff if entry[1] in state.steps)
    for known in state.steps.values():
        # In a new state nothing has ended, so all that a step depends on is open, as it was made to say.
        if known.status in (Status.PENDING, Status.QUEUED) and (old or not known.step.edges):
            recount(state, known)


def _redefined(known: StepState | None, step: Step) -> StepState:
    if known is None:
        return StepState(step)
    if known.status in (Status.PENDING, Status.QUEUED) and known.step != step:
        # What was found of it before is of another definition.
        known.admitted = not needs_look(step)
        known.key = None
    if known.cancelled_by == LEFT_OUT and known.live is not None:
        known.cancelled_by = None
        known.stale = "it is wanted again"
    known.step = step
    return known


def plan_revised(state: RunState, event: PlanRevised, plans: dict[int, Plan]) -> list[str]:
    state.revision = event.revision
    state.ended = None
    if event.max_parallel is not None and state.runner is not None:
        state.runner = state.runner._replace(max_parallel=event.max_parallel)
    _forget_changes(state, plans[event.revision])
    running = {step_id: state.steps[step_id].step for step_id in state.running}
    back = {step_id: known.step for step_id, known in state.removed.items()}
    limits_revised(state, state.plan.limits, plans[event.revision].limits)
    adopt(state, plans[event.revision], state.steps)
    stale = {**dict(_overtaken(state, back)), **dict(_changed(state, back))}
    # However the attempt ends, also if it is being stopped for another reason.
    stale.update(dict.fromkeys(dict(_changed(state, running)), "its definition changed while it ran"))
    for step_id, reason in stale.items():
        state.steps[step_id].stale = reason
    return [*state.open, *stale]


def _forget_changes(state: RunState, plan: Plan) -> None:
    """What was changed by a relaunch holds until the step's own definition changes."""
    if not state.changes:
        return
    before = {step.id: step.key for step in effective(state.base, state.added).steps}
    after = {step.id: step.key for step in effective(plan, state.added).steps}
    state.changes = {name: made for name, made in state.changes.items() if before.get(name) == after.get(name)}


def relaunch_requested(state: RunState, record: Record, event: RelaunchRequested) -> list[str]:
    relaunch_marked(state, event)
    if event.changes:
        adopt(state, state.base, state.steps)
    return [event.step]


def steps_added(state: RunState, record: Record, event: StepsAdded) -> list[str]:
    parent = state.steps[event.parent]
    check(parent, StepsAdded, Status.SUCCEEDED)
    if parent.step.expansion is None:
        raise IllegalTransition(f"{event.parent} is not expanded")
    before = state.added.get(event.parent, StepsAdded(event.parent, {}))
    known = ((step_id, state.steps.get(step_id) or state.removed.get(step_id)) for step_id in event.instances)
    earlier = {step_id: each.step for step_id, each in known if each is not None}
    back = [step_id for step_id in event.instances if step_id in state.removed]
    state.added[event.parent] = event
    parent.status = Status.SUCCEEDED
    parent.ended_at = record.at
    adopt(state, state.base, state.steps)
    count = sum(1 for step in state.plan.steps if step.parent == event.parent)
    parent.reason = f"{count} instance{'' if count == 1 else 's'}" if count else "no instances"
    stale = {**dict(_overtaken(state, back)), **dict(_changed(state, earlier))}
    stale.update(_on_another_list(state, before, event))
    for step_id, reason in stale.items():
        state.steps[step_id].stale = reason
    return [*state.open, *stale]


def _changed(state: RunState, earlier: Mapping[str, Step]) -> Iterator[tuple[str, str]]:
    """Steps that were something else (`earlier`) when they began, with the reason."""
    for step_id, step in earlier.items():
        known = state.steps.get(step_id)
        if known is None or not _has_begun(known):
            continue
        if known.status is Status.CANCELLED and known.cancelled_by == LEFT_OUT:
            yield step_id, "it is wanted again"
        elif known.step.parent is not None and known.step.matrix != step.matrix:
            yield step_id, "its matrix value changed"
        elif known.step.key != step.key:
            yield step_id, "its definition changed"


def _overtaken(state: RunState, back: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Steps that the plan has again, and that know nothing of what has been run again meanwhile, with the reason."""
    for step_id in back:
        known = state.steps.get(step_id)
        if known is not None and _has_begun(known) and (on := ran_since(state, known)):
            yield step_id, f"{on} ran again"


def _on_another_list(state: RunState, before: StepsAdded, now: StepsAdded) -> Iterator[tuple[str, str]]:
    """What depends on a list of instances that is another one now: on all of them, or paired with it."""
    gone = [f"{step_id} is gone" for step_id in before.instances if step_id not in now.instances]
    added = [f"{step_id} was added" for step_id in now.instances if step_id not in before.instances]
    if before.instances == now.instances:
        return
    for edge in state.dependents[now.parent]:
        known = state.steps[edge.on]
        if known.step.parent == now.parent or not _has_begun(known):
            continue
        if _pairs_with(known, now.parent):
            yield edge.on, f"the instances of {now.parent} are others"
        elif (gone or added) and not _is_paired(state, known, now.parent):
            yield edge.on, (added or gone)[0]


def _has_begun(known: StepState) -> bool:
    """Whether something came of a step, or may: what somebody has cancelled stays as it is."""
    if known.status is Status.CANCELLED:
        return known.cancelled_by == LEFT_OUT
    return known.status not in (Status.PENDING, Status.QUEUED)


def _pairs_with(known: StepState, parent: str) -> bool:
    expansion = known.step.expansion
    return expansion is not None and expansion.pairs_with == parent


def _is_paired(state: RunState, known: StepState, parent: str) -> bool:
    """Whether it depends only on the instance of its own name."""
    own = state.steps.get(known.step.parent or "")
    return own is not None and _pairs_with(own, parent) and not (own.step.expansion and own.step.expansion.whole)


def reopened(state: RunState, record: Record, event: Reopened) -> list[str]:
    for step_id in event.steps:
        known = state.steps[step_id]
        check(known, Reopened, Status.PENDING)
        if (
            known.frozen
            or known.asking
            or (known.status is Status.RUNNING and (known.live is not None or step_id != event.by))
        ):
            raise IllegalTransition(f"{step_id}: it runs")
        if known.status in (Status.PENDING, Status.QUEUED) and event.cause != "relaunch":
            raise IllegalTransition(f"{step_id}: it is open")
    state.ended = None
    touched = dict.fromkeys(event.steps)
    told = _feedback(state, event)
    for step_id in event.steps:
        _reset(state, state.steps[step_id], event, told, at=record.at)
        state.steps[step_id].opened = record.seq
        for edge in state.dependents[step_id]:
            if state.steps[edge.on].status in (Status.PENDING, Status.QUEUED):
                touched[edge.on] = None
    for step_id in touched:
        recount(state, state.steps[step_id])
    if state.backoff:
        prune_backoff(state)
    return [*touched, *(name for step_id in event.steps for name in asking_dependents(state, step_id))]


def _feedback(state: RunState, event: Reopened) -> Feedback | None:
    """What a rework rests on. A round is counted when it opens what the loop reworks; else it only looks again."""
    if event.cause != "rework" or not event.by:
        return None
    source = state.steps[event.by]
    loop = source.step.loop
    begins = loop is not None and any(state.steps[step_id].step.agent == loop.rework for step_id in event.steps)
    return Feedback(event.by, len(source.attempts), source.round + begins)


def _reset(state: RunState, known: StepState, event: Reopened, told: Feedback | None, *, at: float) -> None:
    """Opens one step again; its attempts stay, and only a resume goes on counting them."""
    step_id = known.step.id
    withdraw(state, known, at=at)
    _reset_round(known, event, told)
    known.status = Status.PENDING
    state.on_limit.discard(step_id)
    known.reason = event.reasons.get(step_id, "")
    known.admitted = not needs_look(known.step)
    known.own_skip = False
    known.cancelled_by = None
    known.waiting_on = known.waiting_by = None
    known.ended_at = None
    known.key = None
    known.backoff = None
    known.failure = None
    known.stale = None
    asked_for, known.relaunch = known.relaunch is not None, None
    if event.cause == "retry":
        # A relaunch lets go when it is asked for: a pause that comes after it holds.
        release(state, step_id)
    if event.cause == "relaunch" and asked_for:
        # It knows nothing any more, and is told all again.
        known.heard = 0
        known.anew = True
    elif event.cause in ("revision", "relaunch"):
        # What it was told was about other work.
        known.messages, known.heard = known.messages[known.heard :], 0
    _reset_attempts(known, event.cause)
    state.open.add(step_id)
    if step_id in state.failures:
        state.failures.remove(step_id)


def _reset_attempts(known: StepState, cause: str) -> None:
    if not known.attempts and cause != "rework":
        return
    if cause == "resume":
        newest = known.attempts[-1]
        # What was not stopped in the middle, or has been opened again since, goes on as it was about to.
        if _was_stopped(newest) and known.opened < newest.began:
            known.next_cause, known.next_continues = "resume", newest.number
        elif isinstance(newest.outcome, Failed) and known.guarded_from == len(known.attempts):
            # Somebody lets go on what a guard has stopped: as it would have been tried again.
            goes_on = newest.outcome.failure in CONTINUES or newest.outcome.failure is FailureClass.IDLE
            known.next_cause, known.next_continues = "retry", newest.number if goes_on else None
            known.counted_from = len(known.attempts)
        return
    known.next_cause = cause if cause in ("rework", "relaunch") else "retry"
    known.next_continues = None
    known.counted_from = len(known.attempts)
    if cause != "rework":
        known.paid_from, known.agreed = len(known.attempts), False
    if cause == "rework":
        whole = [each.number for each in known.attempts if _is_whole(each)]
        known.next_continues = whole[-1] if whole else None


def _was_stopped(attempt: AttemptState) -> bool:
    """Whether it would have gone on, had it been let."""
    outcome = attempt.outcome
    return isinstance(outcome, Stopped) or (
        isinstance(outcome, Failed) and outcome.failure is FailureClass.USAGE_EXHAUSTED
    )


def _is_whole(attempt: AttemptState) -> bool:
    """Whether what goes on after it finds session and workspace in order."""
    outcome = attempt.outcome
    return isinstance(outcome, Succeeded) or (isinstance(outcome, Failed) and outcome.failure in CONTINUES)


def _reset_round(known: StepState, event: Reopened, told: Feedback | None) -> None:
    if event.cause == "resume":
        return
    if told is not None and told.step == known.step.id:
        if told.round > known.round:
            known.made = (*known.made, event.made)[-2:]
        known.round = told.round
        return
    # A loop within the span of another starts over in each of its rounds.
    known.round = 1
    known.made = ()
    if event.cause != "retry" or known.status not in (Status.FAILED, Status.CANCELLED, Status.WAITING):
        # What a loop asked for and did not get is still asked for when that is tried again.
        known.feedback = told
