"""Files that steps read, changed while their run is alive: which steps run again, by their keys.

Decides when a changed file counts: never for a running attempt; once it has ended, unless the step may have changed the
file itself. A step that is re-run over and over without a save by a person is held back with a question
(`app/suspects.py`). What follows from a step that runs again is decided in `plan/ripple.py`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor as Pool
from typing import Final

from teamflow.app.consequences import consequences, told_of
from teamflow.app.parts import Screen
from teamflow.app.suspects import MOST, Suspects
from teamflow.core.events import AttemptEnded, AttemptStarted, Cached, Event, Record, StepEnded
from teamflow.core.globs import PathSet, PatternError
from teamflow.core.plan import COMMAND, PROMPT, Step, Text
from teamflow.core.state import RunState
from teamflow.core.status import ENDED, Status
from teamflow.plan.ripple import rippled
from teamflow.policy.asking import may_go_on
from teamflow.policy.trees import in_workspace
from teamflow.run.executor import Executor
from teamflow.run.probe import Prober

COMMITS: Final = ".git/logs/HEAD"
"""What git writes whenever HEAD becomes another commit."""
_MANY: Final = 256
"""Paths in one burst that are looked at one by one."""


class Rereading:
    """All methods belong to the loop's thread."""

    def __init__(self, executor: Executor, prober: Prober, *, root: str, screen: Screen, pool: Pool) -> None:
        self._executor = executor
        self._state = executor.state
        self._prober = prober
        self._root = root
        self._screen = screen
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._dirty: dict[str, bool] = {}
        """Running steps that read a file which has changed meanwhile; whether only steps may have done it."""
        self._disturbed: dict[str, tuple[int, bool]] = {}
        """Command → the attempt during which a file of it was changed, which may be as it was by now; whether only
        steps may have done it."""
        self._doubted: dict[str, int] = {}
        """Step → how often in a row it may have done so itself. It is believed not to have, but not for ever."""
        self._looked = executor.now().wall
        """When changes were told last."""
        self._bases: dict[str, str] = {}
        """Step → key of the files as it left them, where its own key does not say."""
        self._suspects = Suspects(executor.state)
        self._sets: dict[tuple[str, ...], PathSet | None] = {}
        self._checks: set[asyncio.Task[None]] = set()

    async def places(self) -> frozenset[str]:
        """Directories in which a change can make a difference."""
        patterns = list({each for step in self._state.plan.steps if (each := _patterns(step))})
        found = await self._loop.run_in_executor(self._pool, self._prober.places, patterns)
        return found | {COMMITS.rpartition("/")[0]} if self._of_commits() else found

    def redefined(self, step_id: str) -> None:
        """What was known of how this step behaves holds no more; somebody has saved the team file."""
        self._bases.pop(step_id, None)
        self._suspects.forget(step_id)
        self._suspects.saved()
        self._doubted.pop(step_id, None)

    def close(self) -> None:
        for task in self._checks:
            task.cancel()

    async def changed(self, paths: frozenset[str]) -> None:
        """Opens again the ended steps of whose files these are some, and whose key has changed with them."""
        readers, by_step = self._readers(paths)
        states = self._state.steps
        for step_id in readers:
            if states[step_id].at_work:
                self._dirty[step_id] = by_step and self._dirty.get(step_id, True)
        ended = [step_id for step_id in readers if states[step_id].status in ENDED]
        again = [name for name in self._disturbed if name in states and states[name].status not in ENDED]
        if again:
            # Opened again for another reason, they would be found as they were.
            await self._loop.run_in_executor(self._pool, self._prober.distrust, again)
        if ended:
            await self._look_at(ended, by_step=by_step)

    def _readers(self, paths: frozenset[str]) -> tuple[list[str], bool]:
        """The steps that read some of these files, and whether it is steps alone that may have changed them."""
        steps = [step for step in self._state.plan.steps if _patterns(step)]
        committed = self._of_commits() if COMMITS in paths else []
        if len(paths) > _MANY:
            # A checkout, say: the keys will tell, and a person has done it.
            self._suspects.saved()
            return [*(step.id for step in steps), *committed], False
        now = self._executor.now().wall
        readers: dict[str, None] = dict.fromkeys(committed)
        by_person = bool(committed)
        for path in paths:
            reading = [step.id for step in steps if self._reads(step, path)]
            if reading:
                readers.update(dict.fromkeys(reading))
                at = self._changed_at(path, now=now)
                by_step = bool(self._suspects.of_change(at, reading=reading))
                by_person |= not by_step
                # Of a directory that came or went only the last time can be seen.
                since = at if os.path.isfile(f"{self._root}/{path}") else min(at, self._looked)
                self._disturb(
                    path, self._suspects.ran_between(since, at if since == at else now, reading), by_step=by_step
                )
        self._looked = now
        if by_person:
            self._suspects.saved()
        return list(readers), not by_person

    def _of_commits(self) -> list[str]:
        """Steps that declare what they read of the commit that they start from: a commit of the user is their save."""
        return [step.id for step in self._state.plan.steps if in_workspace(step) and step.reads is not None]

    def _changed_at(self, path: str, *, now: float) -> float:
        """When it was changed, as a Unix time; of what is gone, when its directory was."""
        for place in (path, path.rpartition("/")[0]):
            try:
                return os.lstat(f"{self._root}/{place}").st_ctime
            except OSError:
                continue
        return now

    def _disturb(self, path: str, step_ids: Iterable[str], *, by_step: bool) -> None:
        """A prompt is not run again for that: what it cost would be spent twice."""
        for step_id in step_ids:
            step = self._state.steps[step_id].step
            if step.kind == COMMAND and not self._covers(_written(step), path):
                attempt = len(self._state.steps[step_id].attempts)
                before, alone = self._disturbed.get(step_id, (0, True))
                self._disturbed[step_id] = (attempt, by_step and (before != attempt or alone))

    def _take_disturbed(self, step_id: str) -> bool | None:
        """Whether only steps may have changed files of a step's newest attempt; None: nobody has. Told once, of a step
        that has ended."""
        known = self._state.steps.get(step_id)
        if known is None or known.status not in ENDED:
            return None
        attempt, by_step = self._disturbed.pop(step_id, (0, False))
        return by_step if attempt == len(known.attempts) > 0 else None

    def _believed(self, step_id: str, *, by_step: bool) -> bool:
        """Whether a step has read what it should have: it may have changed the file itself, again and again."""
        if by_step:
            self._doubted[step_id] = self._doubted.get(step_id, 0) + 1
        return by_step and self._doubted[step_id] > MOST

    async def _look_at(self, step_ids: Sequence[str], *, by_step: bool) -> None:
        taken = {name: self._take_disturbed(name) for name in step_ids}
        found = await self._loop.run_in_executor(self._pool, self._prober.now, step_ids)
        touched: dict[str, str] = {}
        for step_id, (key, what) in found.items():
            known = self._state.steps.get(step_id)
            if known is None or known.status not in (Status.SUCCEEDED, Status.CACHED, Status.FAILED):
                continue
            base = self._bases.get(step_id) or known.key
            disturbed = taken[step_id]
            if not key or not base or key != base:
                touched[step_id] = what or "a file that it reads has changed"
            elif disturbed is not None and not self._believed(step_id, by_step=disturbed):
                touched[step_id] = "a file that it reads was otherwise for a moment"
        wrong = [step_id for step_id in touched if taken[step_id] is not None]
        if wrong:
            await self._loop.run_in_executor(self._pool, self._prober.distrust, wrong)
            steps = self._state.steps
            touched = {name: why for name, why in touched.items() if name in steps and steps[name].status in ENDED}
        if touched:
            held = {step_id for step_id in touched if self._suspects.enough(step_id, by_step=by_step)}
            self._touch(touched, held=held)

    def _touch(self, touched: Mapping[str, str], *, held: set[str]) -> None:
        out = rippled(self._state, self._state.plan, redefined={}, touched=touched)

        def events(state: RunState) -> Iterator[Event]:
            yield from consequences(self._executor, out)
            for step_id in held & out.reopen.keys():
                yield may_go_on(step_id, self._suspects.question(step_id, touched[step_id]), about="guard")

        self._screen.changed(told_of({}, out), "")
        self._executor.settle(events)

    def _reads(self, step: Step, path: str) -> bool:
        return self._covers(_patterns(step), path)

    def _covers(self, patterns: tuple[str, ...], path: str) -> bool:
        if patterns not in self._sets:
            try:
                self._sets[patterns] = PathSet(patterns)
            except PatternError:
                self._sets[patterns] = None
        files = self._sets[patterns]
        # A directory that came, went or was replaced: whatever lies below it may have changed.
        return files is not None and (path in files or f"{path}/x" in files or _leads(path, patterns))

    def observe(self, records: Sequence[Record]) -> None:
        """Told every record once it is durable."""
        for record in records:
            match record.event:
                case AttemptStarted(step=step_id):
                    self._bases.pop(step_id, None)
                case AttemptEnded(step=step_id, attempt=attempt):
                    self._suspects.ended(step_id, attempt)
                    if self._disturbed.get(step_id, (0, False))[0] != attempt:
                        self._doubted.pop(step_id, None)
                case StepEnded(step=step_id, status=status) if status in ("succeeded", "failed"):
                    self._ended(step_id)
                case Cached(hits=hits) if self._disturbed:
                    for step_id in self._disturbed.keys() & hits.keys():
                        self._check(step_id, by_step=False)
                case _:
                    pass

    def _ended(self, step_id: str) -> None:
        """A step whose files changed while it ran is looked at again, unless it may have changed them itself."""
        known = self._state.steps.get(step_id)
        if known is not None and _patterns(known.step) and step_id in self._dirty:
            self._check(step_id, by_step=self._dirty.pop(step_id))

    def _check(self, step_id: str, *, by_step: bool) -> None:
        task = self._loop.create_task(self._after_dirty(step_id, by_step=by_step), name=f"watch {step_id}")
        self._checks.add(task)
        task.add_done_callback(self._checked)

    def _checked(self, task: asyncio.Task[None]) -> None:
        self._checks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._executor.broken(error)

    async def _after_dirty(self, step_id: str, *, by_step: bool) -> None:
        known = self._state.steps.get(step_id)
        if known is None:
            return
        if known.status not in ENDED:
            if step_id in self._disturbed:
                await self._loop.run_in_executor(self._pool, self._prober.distrust, (step_id,))
            return
        if _edits_freely(known.step):
            found = await self._loop.run_in_executor(self._pool, self._prober.now, (step_id,))
            self._bases[step_id] = found[step_id][0] if step_id in found else ""
        else:
            await self._look_at([step_id], by_step=by_step)


def _patterns(step: Step) -> tuple[str, ...]:
    """What it declares to read, where that is known. In a workspace it reads a commit, which no save changes."""
    return () if in_workspace(step) else _texts(step.reads or ())


def _written(step: Step) -> tuple[str, ...]:
    """What it declares to change, where that is known."""
    return _texts((*step.writes, *(file.path for file in step.outputs.files)))


def _texts(given: Iterable[Text]) -> tuple[str, ...]:
    return tuple(each for each in given if isinstance(each, str))


def _leads(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether a path is a directory on the way to what a pattern stands for."""
    return any(pattern.startswith(f"{path}/") for pattern in patterns)


def _edits_freely(step: Step) -> bool:
    """An agent that may edit and does not say what: whatever changes while it runs counts as its own edit."""
    return step.kind == PROMPT and not step.writes and step.permissions.startswith(("edits", "everything"))
