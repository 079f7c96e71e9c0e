"""A target without processes: plays what it is told, on a clock that only moves when a test moves it.

`FakeKeeper` is the world (processes, journal); `FakeTarget` is one runner's view of it, so that a second one can adopt.
Held to the same contract as `targets/local.py` by `tests/contract/test_target.py`.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from teamflow.core.invocation import Exit
from teamflow.ports import Exited, Input, Start, Started, TargetEvents

Key = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Play:
    """What a process does: ends by itself after `seconds` (None: never) with `code` or by `signal`.

    `obeys`: seconds after a stop in which it ends (by SIGTERM); None: only by SIGKILL when the grace is over.
    `error`: it cannot be started at all.
    """

    seconds: float | None = 0.0
    code: int | None = 0
    signal: int | None = None
    obeys: float | None = 0.0
    error: str | None = None
    output: bytes = b""


@dataclass(slots=True)
class _Process:
    request: Start
    play: Play
    cause: str | None = None
    kill_at: float | None = None
    frozen: float | None = None
    held: list[_Due] = field(default_factory=list)
    """What fell due while it was frozen."""


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    key: Key = field(compare=False)
    cause: str | None = field(compare=False, default=None)
    end: Exit | None = field(compare=False, default=None)


class FakeKeeper:
    """The processes of a run and their journal. `play` says what each start does; seconds count from `clock`."""

    def __init__(self, play: Callable[[Start], Play] = lambda start: Play()) -> None:
        self.play = play
        self.holds: list[tuple[str, int, bool]] = []
        self.clock = 0.0
        self.journal: list[Started | Exited] = []
        self.running: dict[Key, _Process] = {}
        self.started: list[Start] = []
        self.inputs: list[tuple[str, int, int, str]] = []
        self.most_running = 0
        self._seen: set[Key] = set()
        self._due: list[_Due] = []
        self._numbers = 0
        self._told = 0
        self.target: FakeTarget | None = None

    # --- what a runner asks for

    def start(self, request: Start) -> None:
        key = (request.step, request.attempt, request.phase)
        if key in self._seen:
            return
        self._seen.add(key)
        self.started.append(request)
        play = self.play(request)
        if play.error is not None:
            self._append(key, Exit(error=play.error))
            return
        self.running[key] = _Process(request, play)
        self.most_running = max(self.most_running, len(self.running))
        number = 1000 + len(self.started)
        self.journal.append(
            Started(len(self.journal) + 1, *key, pid=number, at=self.clock, log_offset=0, note=request.note)
        )
        if play.seconds is not None:
            self._plan(self.clock + play.seconds, key, end=Exit(code=play.code, signal=play.signal))
        for seconds, cause in ((request.timeout, "timeout"), (request.idle, "idle")):
            if seconds is not None:
                self._plan(self.clock + seconds, key, cause=cause)

    def stop(self, step: str, attempt: int, *, grace: float, cause: str) -> None:
        for key in [key for key in self.running if key[:2] == (step, attempt)]:
            self._stop(key, grace=grace, cause=cause)

    def freeze(self, step: str, attempt: int, *, on: bool) -> None:
        for key, process in self.running.items():
            if key[:2] != (step, attempt) or process.kill_at is not None or process.cause is not None:
                continue
            if on and process.frozen is None:
                process.frozen = self.clock
            elif not on:
                self._thaw(key)

    def hold(self, step: str, attempt: int, *, on: bool) -> None:
        """Said only; what it does to deadlines is tested with the real one."""
        self.holds.append((step, attempt, on))

    def _thaw(self, key: Key) -> None:
        process = self.running[key]
        if process.frozen is None:
            return
        away, process.frozen = self.clock - process.frozen, None
        held, process.held = process.held, []
        for due in held:
            self._plan(due.at + away, key, cause=due.cause, end=due.end)

    def _stop(self, key: Key, *, grace: float, cause: str) -> None:
        self._thaw(key)
        process = self.running[key]
        process.cause = process.cause or cause
        if process.play.obeys is not None and process.play.obeys < grace:
            self._plan(self.clock + process.play.obeys, key, end=Exit(signal=15))
        elif process.kill_at is None or self.clock + grace < process.kill_at:
            process.kill_at = self.clock + grace
            self._plan(process.kill_at, key, end=Exit(signal=9))

    # --- time

    def advance(self, seconds: float) -> None:
        """Lets time pass; everything that falls due on the way happens in order and is told."""
        until = self.clock + seconds
        self._tell()
        while self._due and self._due[0].at <= until:
            self._next()
        self.clock = until

    def step(self) -> bool:
        """Tells what waits, or moves the clock to what falls due next; False when nothing will ever happen."""
        if self._told < len(self.journal):
            self._tell()
            return True
        if not self._due:
            return False
        self._next()
        return True

    async def play_out(self, *, turns: int = 100_000) -> None:
        """Runs the loop and the clock until nothing will happen any more."""
        for _ in range(turns):
            for _ in range(5):
                await asyncio.sleep(0)
            if not self.step():
                return
        raise AssertionError(f"still something to do after {turns} turns")

    def kill(self) -> None:
        """`kill -9` of the keeper: all that ran is lost."""
        ends = []
        for key in list(self.running):
            del self.running[key]
            ends.append(Exited(len(self.journal), *key, at=self.clock, end=Exit(cause="lost")))
        if self.target is not None and self.target.events is not None:
            self._tell()
            if ends:
                self.target.events.journal(ends)
            self.target.events.keeper_lost("the keeper was ended by SIGKILL")

    # --- inside

    def _plan(self, at: float, key: Key, *, cause: str | None = None, end: Exit | None = None) -> None:
        self._numbers += 1
        heapq.heappush(self._due, _Due(at, self._numbers, key, cause, end))

    def _next(self) -> None:
        due = heapq.heappop(self._due)
        process = self.running.get(due.key)
        if process is None:
            return
        if process.frozen is not None and due.at >= process.frozen:
            process.held.append(due)
            return
        self.clock = max(self.clock, due.at)
        if due.end is None:
            self._stop(due.key, grace=process.request.grace, cause=due.cause or "")
            return
        del self.running[due.key]
        size = len(process.play.output)
        self._append(due.key, due.end._replace(cause=process.cause, log_end=size))
        self._tell()

    def _append(self, key: Key, end: Exit) -> None:
        self.journal.append(Exited(len(self.journal) + 1, *key, at=self.clock, end=end))

    def _tell(self) -> None:
        entries = self.journal[self._told :]
        if self.target is None or self.target.events is None or not entries:
            return
        self._told = len(self.journal)
        self.target.events.journal(entries)

    def adopt(self, target: FakeTarget, after: int) -> None:
        self.target = target
        self._told = after
        self._tell()


class FakeTarget:
    """`ports.Target` over a `FakeKeeper`. Nothing is called back before the keeper's clock is moved."""

    def __init__(self, keeper: FakeKeeper | None = None) -> None:
        self.keeper = keeper or FakeKeeper()
        self.events: TargetEvents | None = None
        self.environments: dict[str, dict[str, str]] = {}
        self.stops: list[tuple[str, int, float, str]] = []
        self.closed = False

    async def open(self, events: TargetEvents, *, after: int) -> None:
        self.events = events
        self.keeper.adopt(self, after)

    def environment(self, name: str, variables: Mapping[str, str]) -> None:
        self.environments[name] = dict(variables)

    def start(self, request: Start) -> None:
        if request.base_env not in self.environments:
            raise AssertionError(f"environment {request.base_env!r} was never sent")
        self.keeper.start(request)

    def stop(self, step: str, attempt: int, *, grace: float, cause: str, soft: float = 0.0) -> None:
        self.stops.append((step, attempt, grace, cause))
        self.keeper.stop(step, attempt, grace=grace, cause=cause)

    def freeze(self, step: str, attempt: int, *, on: bool) -> None:
        self.keeper.freeze(step, attempt, on=on)

    def hold(self, step: str, attempt: int, *, on: bool) -> None:
        self.keeper.hold(step, attempt, on=on)

    def send(self, step: str, attempt: int, given: Input) -> None:
        if (step, attempt, given.n, given.data) not in self.keeper.inputs:
            self.keeper.inputs.append((step, attempt, given.n, given.data))

    async def close(self) -> None:
        self.closed = True
        self.events = None
