"""While a run goes on: its worktrees are looked at now and then, compared, and what has changed of that is recorded.

Decides when: every two seconds, and at most a twentieth of the time is spent on it. What to compare and what follows
is `policy/overlaps.py` and `policy/colliding.py`; how is `workspaces/`. Whatever goes wrong here ends no run.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Final

from teamflow.core.events import Event
from teamflow.core.named import NamedTuple
from teamflow.core.overlapping import HARD, Overlap, OverlapsSeen
from teamflow.core.state import RunState
from teamflow.policy.colliding import Watched, apart, held_back, standing, watched
from teamflow.policy.overlaps import Pair, Snapshot, classify, pairs_to_compare, updated
from teamflow.ports import Workspaces

SHORTEST: Final = 2.0
"""Seconds between two rounds."""
SHARE: Final = 20.0
"""A round that took a second is followed by so many without one."""


class _Round(NamedTuple):
    now: Mapping[str, Snapshot]
    overlaps: tuple[Overlap, ...]


class Overlapping:
    """Belongs to the loop's thread, but for what looks at files. `take`: records events and acts on them."""

    def __init__(
        self,
        state: RunState,
        *,
        workspaces: Callable[[], Workspaces | str],
        take: Callable[[Iterable[Event]], None],
        over: Callable[[], bool],
        warn: Callable[[str], object],
        every: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`over`: whether nothing may be recorded any more. `every`: seconds between two rounds, whatever they cost."""
        self._state = state
        self._workspaces = workspaces
        self._take = take
        self._over = over
        self._warn = warn
        self._every = every
        self._clock = clock
        self._sleep = sleep
        self._before: Mapping[str, Snapshot] = {}
        self._left: dict[tuple[str, str], Snapshot] = {}
        """Commits that were left, by starting commit and commit: they stay what they are."""
        self._known: dict[Pair, frozenset[str]] = {}
        """Pairs in conflict → files for which somebody was held back, or was told of it in an earlier session."""
        self._apart: tuple[object, frozenset[Pair]] = ((), frozenset())
        self._cost = 0.0
        self._stopped = threading.Event()
        self._warned = False
        self._remember(state.overlaps)

    @property
    def pause(self) -> float:
        """Seconds until the next round."""
        return max(SHORTEST, SHARE * self._cost) if self._every is None else self._every

    async def follow(self) -> None:
        """One round after the other, until it is cancelled."""
        while True:
            await self._sleep(self.pause)
            # As a task: nothing that only tells may end a run, whatever it is.
            one = asyncio.ensure_future(self.round())
            try:
                await asyncio.wait({one})
            finally:
                one.cancel()
            if (error := one.exception()) is not None:
                self.trouble(error)

    def trouble(self, error: BaseException) -> None:
        """Told once: it is tried again all the same."""
        if not self._warned:
            self._warned = True
            self._warn(f"worktrees could not be compared: {error}")

    def stop(self) -> None:
        """Nothing more is looked at once the present git command has ended."""
        self._stopped.set()

    async def round(self) -> None:
        """Looks at what goes on now, compares what has changed, and records what is news."""
        state = self._state
        if not state.running or self._is_over:
            return
        chosen = watched(state)
        known = standing(state)
        if not known and not state.overlaps and (not chosen.live or len(chosen.live) + len(chosen.left) < 2):
            return
        unlike = self._unlike([*chosen.live, *chosen.left])
        began = self._clock()
        found = await asyncio.to_thread(self._compared, chosen, known, unlike)
        self._cost = self._clock() - began
        if found is None or self._is_over:
            return
        self._before = found.now
        self._tell(found.overlaps)

    @property
    def _is_over(self) -> bool:
        return self._state.ended is not None or self._over()

    def _tell(self, overlaps: tuple[Overlap, ...]) -> None:
        if overlaps == self._state.overlaps:
            return
        # First the pause: who is killed in between pauses again, which changes nothing.
        pauses = held_back(self._state, overlaps, self._known)
        self._take([*pauses, OverlapsSeen(overlaps)])
        self._remember(overlaps)

    def _remember(self, overlaps: Iterable[Overlap]) -> None:
        for each in overlaps:
            if each.kind == HARD:
                pair = (each.first, each.second)
                self._known[pair] = self._known.get(pair, frozenset()).union(each.paths)

    def _unlike(self, steps: list[str]) -> frozenset[Pair]:
        """Pairs that are not compared; found again only when other steps are there."""
        key = (tuple(steps), self._state.revision, len(self._state.added))
        if self._apart[0] != key:
            self._apart = (key, apart(self._state, steps))
        return self._apart[1]

    # -- in a thread of its own ------------------------------------------------------------------------------

    def _compared(self, chosen: Watched, known: tuple[Overlap, ...], unlike: frozenset[Pair]) -> _Round | None:
        """None: it is being left."""
        workspaces = self._workspaces()
        if isinstance(workspaces, str):
            return None
        now = dict(self._snapshots(workspaces, chosen))
        compared: dict[Pair, Overlap | None] = {}
        for first, second in pairs_to_compare(self._before, now, apart=unlike):
            if self._stopped.is_set():
                return None
            one, two = now[first], now[second]
            conflicts = workspaces.conflicts(one.tree, two.tree)
            compared[first, second] = classify(first, second, changed=(one.paths, two.paths), conflicts=conflicts)
        if self._stopped.is_set():
            return None
        known = tuple(each for each in known if (each.first, each.second) not in unlike)
        return _Round(now, updated(known, compared, before=self._before, now=now))

    def _snapshots(self, workspaces: Workspaces, chosen: Watched) -> Iterator[tuple[str, Snapshot]]:
        for step, ready in chosen.live.items():
            if self._stopped.is_set():
                return
            found = workspaces.look(ready)
            if found is not None:
                yield step, Snapshot(*found)
            elif step in self._before:
                # It cannot be told now, so what was known of it holds on.
                yield step, self._before[step]
        for step, left in chosen.left.items():
            at = (left.base, left.commit)
            if at not in self._left and (paths := workspaces.differs(left)) is not None:
                self._left[at] = Snapshot(left.commit, paths)
            if at in self._left:
                yield step, self._left[at]
