"""Files that steps read, changed while their run is alive: which steps run again, by their keys.

Decides when a changed file counts: never for a running attempt; once it has ended, unless the step may have changed the
file itself. A step that is re-run over and over without a save by a person is held back with a question
(`app/suspects.py`). What follows from a step that runs again is decided in `plan/ripple.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor as Pool

from teamflow.app.consequences import consequences, told_of
from teamflow.app.parts import Screen
from teamflow.app.suspects import Suspects
from teamflow.core.events import AttemptEnded, AttemptStarted, Event, Record, StepEnded
from teamflow.core.globs import PathSet, PatternError
from teamflow.core.plan import PROMPT, Step
from teamflow.core.state import ENDED, RunState, Status
from teamflow.plan.ripple import rippled
from teamflow.policy.asking import may_go_on
from teamflow.run.executor import Executor
from teamflow.run.probe import Prober


class Rereading:
    """All methods belong to the loop's thread."""

    def __init__(self, executor: Executor, prober: Prober, *, screen: Screen, pool: Pool) -> None:
        self._executor = executor
        self._state = executor.state
        self._prober = prober
        self._screen = screen
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._dirty: set[str] = set()
        """Running steps that read a file which has changed meanwhile."""
        self._bases: dict[str, str] = {}
        """Step → key of the files as it left them, where its own key does not say."""
        self._suspects = Suspects()
        self._sets: dict[tuple[str, ...], PathSet | None] = {}
        self._checks: set[asyncio.Task[None]] = set()

    async def places(self) -> frozenset[str]:
        """Directories in which a change can make a difference."""
        patterns = list({each for step in self._state.plan.steps if (each := _patterns(step))})
        return await self._loop.run_in_executor(self._pool, self._prober.places, patterns)

    def redefined(self, step_id: str) -> None:
        """What was known of how this step behaves holds no more; somebody has saved the team file."""
        self._bases.pop(step_id, None)
        self._suspects.forget(step_id)
        self._suspects.saved()

    def close(self) -> None:
        for task in self._checks:
            task.cancel()

    async def changed(self, paths: frozenset[str]) -> None:
        """Opens again the ended steps of whose files these are some, and whose key has changed with them."""
        readers = [step.id for step in self._state.plan.steps if self._reads(step, paths)]
        running = [step_id for step_id in readers if self._state.steps[step_id].status is Status.RUNNING]
        self._dirty.update(running)
        ended = [step_id for step_id in readers if self._state.steps[step_id].status in ENDED]
        suspects = self._suspects.of_change(self._state.running, reading=readers, now=self._loop.time())
        if ended:
            await self._look_at(ended, lambda step_id: bool(suspects - {step_id}))

    async def _look_at(self, step_ids: Sequence[str], by_step: Callable[[str], bool]) -> None:
        found = await self._loop.run_in_executor(self._pool, self._prober.now, step_ids)
        touched: dict[str, str] = {}
        for step_id, (key, what) in found.items():
            known = self._state.steps.get(step_id)
            if known is None or known.status not in (Status.SUCCEEDED, Status.CACHED, Status.FAILED):
                continue
            base = self._bases.get(step_id) or known.key
            if not key or not base or key != base:
                touched[step_id] = what or "a file that it reads has changed"
        if touched:
            self._touch(touched, held={step_id for step_id in touched if self._enough(step_id, by_step)})

    def _enough(self, step_id: str, by_step: Callable[[str], bool]) -> bool:
        return self._suspects.enough(step_id, by_step=by_step(step_id))

    def _touch(self, touched: Mapping[str, str], *, held: set[str]) -> None:
        out = rippled(self._state, self._state.plan, redefined={}, touched=touched)

        def events(state: RunState) -> Iterator[Event]:
            yield from consequences(self._executor, out)
            for step_id in held & out.reopen.keys():
                yield may_go_on(step_id, self._suspects.question(step_id, touched[step_id]), about="guard")

        self._screen.changed(told_of({}, out), "")
        self._executor.settle(events)

    def _reads(self, step: Step, paths: frozenset[str]) -> bool:
        patterns = _patterns(step)
        if not patterns:
            return False
        if patterns not in self._sets:
            try:
                self._sets[patterns] = PathSet(patterns)
            except PatternError:
                self._sets[patterns] = None
        files = self._sets[patterns]
        # A directory that came, went or was replaced: whatever lies below it may have changed.
        return files is not None and any(
            path in files or f"{path}/x" in files or _leads(path, patterns) for path in paths
        )

    def observe(self, records: Sequence[Record]) -> None:
        """Told every record once it is durable."""
        for record in records:
            match record.event:
                case AttemptStarted(step=step_id):
                    self._suspects.started(step_id)
                    self._bases.pop(step_id, None)
                    self._dirty.discard(step_id)
                case AttemptEnded(step=step_id):
                    self._suspects.ended(step_id, now=self._loop.time())
                case StepEnded(step=step_id, status=status) if status in ("succeeded", "failed"):
                    self._ended(step_id)
                case _:
                    pass

    def _ended(self, step_id: str) -> None:
        """A step whose files changed while it ran is looked at again, unless it may have changed them itself."""
        known = self._state.steps.get(step_id)
        if known is None or not _patterns(known.step) or known.status not in ENDED:
            return
        if step_id in self._dirty:
            self._dirty.discard(step_id)
            task = self._loop.create_task(self._after_dirty(step_id), name=f"watch {step_id}")
            self._checks.add(task)
            task.add_done_callback(self._checked)

    def _checked(self, task: asyncio.Task[None]) -> None:
        self._checks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._executor.broken(error)

    async def _after_dirty(self, step_id: str) -> None:
        if _edits_freely(self._state.steps[step_id].step):
            found = await self._loop.run_in_executor(self._pool, self._prober.now, (step_id,))
            self._bases[step_id] = found[step_id][0] if step_id in found else ""
        else:
            await self._look_at([step_id], lambda step_id: self._suspects.is_one(step_id))


def _patterns(step: Step) -> tuple[str, ...]:
    """What it declares to read, where that is known."""
    return tuple(each for each in step.reads or () if isinstance(each, str))


def _leads(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether a path is a directory on the way to what a pattern stands for."""
    return any(pattern.startswith(f"{path}/") for pattern in patterns)


def _edits_freely(step: Step) -> bool:
    """An agent that may edit and does not say what: whatever changes while it runs counts as its own edit."""
    return step.kind == PROMPT and not step.writes and step.permissions.startswith(("edits", "everything"))
