"""A team file that is saved while its run is alive: planned again, and made the run's new revision.

Decides when a save counts: a file with errors is complained about once a save must be whole, a revision that would stop
a running prompt waits for quiet. What follows from it is decided in `plan/ripple.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Executor as Pool
from typing import Final

from teamflow.app.consequences import consequences, told_of
from teamflow.app.files import FollowedFiles
from teamflow.app.parts import Screen
from teamflow.app.replan import Saved, Watch
from teamflow.app.secrets import Secrets
from teamflow.app.session import Session
from teamflow.core.added import effective
from teamflow.core.events import Event, PlanRevised
from teamflow.core.plan import PROMPT, Plan
from teamflow.core.state import RunState
from teamflow.plan.diff import REDEFINED, SAME, Change, compare
from teamflow.plan.ripple import Rippled, rippled
from teamflow.plan.stored import plan_to_json
from teamflow.run.executor import Executor

PATIENCE: Final = 2.0
"""Seconds without a further save before a running prompt step is stopped for a new definition of it."""

SETTLED: Final = 0.1
"""Seconds without a further change before a file with errors is complained about: half of a save may be missing."""


class Revising:
    """All methods belong to the loop's thread."""

    def __init__(
        self,
        session: Session,
        executor: Executor,
        *,
        files: FollowedFiles,
        watch: Watch,
        put_plan: Callable[[int, bytes], None],
        spent: Callable[[str], str],
        redefined: Callable[[str], None],
        learn: Callable[[Secrets], Awaitable[None]],
        screen: Screen,
        pool: Pool,
    ) -> None:
        """`spent`: what a running step has cost so far, in words. `redefined` is told each step whose definition a new
        revision changes, and `learn` what its steps are to be given; OSError when that cannot be kept."""
        self._plans = session.plans
        self._plan = session.plan
        self._executor = executor
        self._state = executor.state
        self._files = files
        self._watch = watch
        self._put_plan = put_plan
        self._spent = spent
        self._redefined = redefined
        self._learn = learn
        self._screen = screen
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._later: asyncio.TimerHandle | None = None
        """A revision, or a complaint, that waits for quiet."""
        self._complained = False
        files.asked.update(self._plan.files)

    async def stale(self) -> list[str]:
        """Defining files that are not as they were when the plan was made."""
        return await self._loop.run_in_executor(self._pool, self._changed_since, self._plan.files)

    def _changed_since(self, files: Mapping[str, str]) -> list[str]:
        return [path for path, digest in files.items() if self._files.digest(path) != (digest or None)]

    def close(self) -> None:
        if self._later is not None:
            self._later.cancel()

    def concerns(self, paths: frozenset[str]) -> bool:
        """Whether one of them is a defining file, or a directory on the way to one."""
        asked = self._files.asked
        return any(path in asked or any(one.startswith(f"{path}/") for one in asked) for path in paths)

    async def replan(self) -> None:
        self._postpone(None)
        saved = await self._loop.run_in_executor(self._pool, self._watch.again, self._files)
        plan = saved.compiled.plan
        if plan is not None and not saved.refusal:
            saved = await self._learned(saved)
        if plan is None or saved.refusal:
            self._postpone(lambda: self._complain(saved), after=SETTLED)
            return
        if self._complained:
            self._complained = False
            self._screen.problems(None, "")
        if plan.digest == self._plan.digest:
            self._plan = plan
            return
        stopped = [step_id for step_id in self._effects(plan)[1].stop if self._prompts(step_id)]
        if not stopped:
            self._revise(plan)
            return
        self._executor.withhold(on=True)
        told = ", ".join(f"{step_id} ({self._spent(step_id)})" for step_id in stopped)
        self._screen.changed((), f"{told} would be stopped and started again: in {PATIENCE:g} s, unless you save again")
        self._postpone(lambda: self._revise(plan), after=PATIENCE)

    async def _learned(self, saved: Saved) -> Saved:
        try:
            await self._learn(saved.secrets)
        except OSError as error:
            return saved._replace(refusal=f"what is secret cannot be kept: {error}")
        return saved

    def _postpone(self, what: Callable[[], None] | None, *, after: float = 0.0) -> None:
        """Does it when nothing has been saved for so long; None: what waits is not done any more."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if what is None:
            self._executor.withhold(on=False)
        else:
            self._later = self._loop.call_later(after, what)

    def _complain(self, saved: Saved) -> None:
        self._complained = True
        self._screen.problems(saved.compiled, saved.refusal)

    def _prompts(self, step_id: str) -> bool:
        return self._state.steps[step_id].step.kind == PROMPT

    def _effects(self, plan: Plan) -> tuple[dict[str, Change], Rippled]:
        """What becomes of the steps under another plan."""
        whole = effective(plan, self._state.added)
        changes = compare(self._state.plan, whole)
        redefined = {name: change.reason for name, change in changes.items() if change.kind == REDEFINED}
        return changes, rippled(self._state, whole, redefined=redefined, touched={})

    def _revise(self, plan: Plan) -> None:
        changes, out = self._effects(plan)
        self._plan = plan

        revision = max(self._plans) + 1

        def events(state: RunState) -> Iterator[Event]:
            self._plans[revision] = plan
            self._put_plan(revision, plan_to_json(plan).encode())
            yield PlanRevised(revision, "the team file has changed", self._watch.parallel(plan))
            yield from consequences(self._executor, out)

        for step_id, change in changes.items():
            if change.kind != SAME:
                self._redefined(step_id)
        self._screen.changed(told_of(changes, out), f"revision {revision} of the plan")
        self._executor.settle(events)
        self._executor.withhold(on=False)
