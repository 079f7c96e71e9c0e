"""One session of a run: which run `run` means, the right to drive it, and what has to be settled before it goes on.

Rules: `docs/team-file.md`, "run converges". Decides no step; that is `plan/converge.py` and `policy/`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from teamflow.app.compile import inputs_digest
from teamflow.core.added import effective
from teamflow.core.events import AttemptStopping, Event, PlanRevised, Record, ResultsTaken
from teamflow.core.fold import fold, initial
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json, Plan
from teamflow.core.state import RunState
from teamflow.core.status import Status
from teamflow.plan.stored import plan_from_json, plan_to_json
from teamflow.policy.hooks import BEFORE_RUN, OF_A_WHOLE_RUN
from teamflow.policy.stale import REDEFINED
from teamflow.store.errors import StoreError
from teamflow.store.lock import Holder, RunLock, creation_lock, this_process
from teamflow.store.log import records as to_records
from teamflow.store.rows import NewRun, RunRow
from teamflow.store.sqlite import Database
from teamflow.store.ulid import ulid

FINISHED = frozenset({"succeeded"})
"""Statuses of a run that `run` does not go on with: it starts a new one."""


class Session(NamedTuple):
    """The right to drive run `row`, and its state as the log tells it. `plans` by revision; the last is in force."""

    row: RunRow
    lock: RunLock
    state: RunState
    plans: dict[int, Plan]
    plan: Plan
    """What the team file says now."""
    resumed: bool
    taken: ResultsTaken | None = None
    """What a new run of a selection has of an earlier run."""
    as_it_is: bool = False
    """Nothing that has ended is opened again, unless the file says something else now."""

    @property
    def run(self) -> dict[str, Json]:
        """What templates see as `run`."""
        return {"number": self.row.number, "id": self.row.id}

    @property
    def revised(self) -> bool:
        """Whether the file says something else than the revision that the log is at."""
        return self.plans[self.state.revision].digest != self.plan.digest

    @property
    def sweeps_first(self) -> bool:
        """Whether the cache may be asked before there is a loop: nothing is known of the run, and no hook that comes
        before it may change a file."""
        return not self.resumed and self.plan.hook(BEFORE_RUN) is None

    @property
    def silent(self) -> bool:
        """Whether nobody is told of a run that starts nothing."""
        return all(self.plan.hook(event) is None for event in OF_A_WHOLE_RUN)


class Busy(NamedTuple):
    """Another process drives the run."""

    row: RunRow
    holder: Holder


def take(
    database: Database,
    plan: Plan,
    stored: str,
    *,
    new: bool,
    given: Mapping[str, Json],
    taken: ResultsTaken | None = None,
    number: int | None = None,
    replay: str = "",
) -> Session | Busy:
    """Finds or creates the run of this plan and takes its lock. StoreError for broken plumbing.

    `stored`: digest of the plan as runs keep it. `given`: the inputs that are not the file's defaults, also kept.
    `number`: this very run, which is gone on with as it is. `replay`: what a new run replays.
    """
    digest = inputs_digest(plan.inputs)
    now = time.time()
    me = this_process(since=now)
    with creation_lock(database.layout):
        row = None if new else database.newest_run(file=plan.file, inputs_digest=digest)
        if number is not None:
            row = database.run(number)
        elif row is not None and row.status in FINISHED:
            row = None
        created = row is None
        if row is None:
            row = database.create_run(
                NewRun(
                    id=ulid(at=now, entropy=os.urandom(10)),
                    team=plan.team,
                    file=plan.file,
                    inputs_digest=digest,
                    inputs=json.dumps(given),
                    created=now,
                    plan=stored if database.has_plan(stored) else plan_to_json(plan).encode(),
                    replay=replay,
                )
            )
        # A crash may have come between the run and its directory, where the lock lies.
        database.make_directories(row.number)
        lock = RunLock.acquire(database.layout, row.number, me)
    if isinstance(lock, Holder):
        return Busy(row, lock)
    if created:
        return Session(row, lock, initial(plan), {1: plan}, plan, resumed=False, taken=taken)
    state, plans = read_state(database, row.number)
    return Session(row, lock, state, plans, plan, resumed=True, as_it_is=number is not None)


def read_state(database: Database, number: int) -> tuple[RunState, dict[int, Plan]]:
    """The fold of a run's whole log, and its plans by revision. StoreError: it was removed meanwhile."""
    last = database.last_revision(number)
    if not last:
        fact, remedy = "it has just been removed", "`teamflow run` starts another"
        raise StoreError("gone", place=f"run {number}", fact=fact, remedy=remedy)
    plans = {r: plan_from_json(database.plan(number, r).decode()) for r in range(1, last + 1)}
    return fold(plans[1], read_records(database, number), plans=plans), plans


def read_records(database: Database, number: int, *, after: int = 0) -> list[Record]:
    return list(to_records(database.rows(number, after=after)))


def opening(
    session: Session,
    state: RunState,
    *,
    put_plan: Callable[[int, bytes], None],
    expect_ripple: Callable[[Mapping[str, Sequence[str]], Mapping[str, str]], None],
    force: Collection[str] = (),
) -> Iterator[Event]:
    """What a resumed run records before it goes on: a new revision, and the steps that are opened again.

    `force`: steps or agents that run again though they have finished. Each event must have been applied to `state`
    before the next is asked for.
    """
    from teamflow.plan.converge import reopen
    from teamflow.plan.diff import REDEFINED as REDEFINED_STEP
    from teamflow.plan.diff import Change, compare

    *older, current = (effective(session.plans[revision], state.added) for revision in sorted(session.plans))
    plan = effective(session.plan, state.added)
    changes = compare(current, plan, older=older)
    if session.revised:
        revision = max(session.plans) + 1
        session.plans[revision] = session.plan
        put_plan(revision, plan_to_json(session.plan).encode())
        yield PlanRevised(revision, _why_revised(current, plan))
    forced = {
        step.id: Change(REDEFINED_STEP, asked="--force")
        for step in plan.steps
        if (step.id in force or step.agent in force) and _finished(state, step.id)
    }
    converged = reopen(state, plan, {**changes, **forced})
    yield from converged.events()
    for step_id in converged.stop:
        live = state.steps[step_id].live
        if live is not None:
            yield AttemptStopping(step_id, live.number, REDEFINED)
    expect_ripple(converged.ripple, converged.later)


def _finished(state: RunState, step_id: str) -> bool:
    known = state.steps.get(step_id)
    return known is not None and known.status in (Status.SUCCEEDED, Status.CACHED)


def _why_revised(old: Plan, new: Plan) -> str:
    if old.files != new.files:
        return "the team file has changed"
    return "other steps are selected" if old.selected != new.selected else "other settings are asked for"
