"""A runner cut off at every moment, with any number of its last records lost: the next one finishes the same run.

The keeper (a fake, held to the contract of the real one) goes on living, or dies with the runner.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from teamflow.core.events import (
    Admitted,
    AttemptEnded,
    AttemptStarted,
    AttemptStopping,
    Event,
    Now,
    PhaseEnded,
    Record,
    RunEnded,
    RunnerStarted,
    Warned,
)
from teamflow.core.fold import fold
from teamflow.core.invocation import Exit, Invocation
from teamflow.core.outcome import Failed, FailureClass, Outcome, Stopped, Succeeded
from teamflow.core.permissions import Verdict
from teamflow.core.plan import Loop, Plan, Retry
from teamflow.core.state import RunState
from teamflow.ports import Exited, Start
from teamflow.run.executor import Executor
from tests.fakes.memory_store import MemoryStore
from tests.fakes.plans import make_plan, make_step
from tests.fakes.target import FakeKeeper, FakeTarget, Play

PLAN = make_plan(
    [
        make_step("a"),
        make_step("long"),
        make_step("kept", cache=True),
        make_step("checked", needs=["a"]),
        make_step("slow", needs=["a"], cache=True),
        make_step("flaky", retry=Retry(3, "fixed", 0.0, 0.0)),
        make_step("bad", continue_on_error=True),
        make_step("after", needs={"bad": "failed"}),
        make_step("draft", reworked=True),
        make_step("judge", needs=["draft"], loop=Loop("outputs.ok", 3, "draft")),
        make_step(
            "end",
            needs={
                "checked": "succeeded",
                "slow": "succeeded",
                "flaky": "succeeded",
                "after": "finished",
                "judge": "succeeded",
            },
        ),
    ]
)
AT_ONCE = make_plan([step._replace(retry=Retry(step.retry.attempts, "fixed", 0.0, 0.0)) for step in PLAN.steps])
ROWS = {"checked": ("setup", "agent", "verify.1")}
SLOW = frozenset({"slow", "kept"})
"""Steps whose ends take a while to be settled, behind those of others."""
STATUSES = {step.id: "failed" if step.id == "bad" else "succeeded" for step in PLAN.steps}


def play(start: Start) -> Play:
    match start.step:
        case "bad":
            return Play(0.0, code=7)
        case "flaky":
            return Play(0.1, code=0 if start.attempt >= 3 else 1)
        case "long":
            return Play(5.0)
        case _:
            return Play(0.05)


class NoTalks:
    """`run/roles.Talks` of agents that hear nothing."""

    def hears(self, step_id: str, number: int) -> bool:
        return False

    def tell(self, step_id: str, number: int) -> None: ...

    def heard(self, step_id: str) -> int:
        return 0

    def late(self, step_id: str, attempt: int) -> Sequence[Warned]:
        return ()

    def answer(self, step_id: str, request: str, verdict: Verdict) -> None: ...

    def interrupt(self, step_id: str) -> bool:
        return False


class FakeAttempts:
    """`run/roles.Attempts` by exit codes alone."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self.talks = NoTalks()

    def begin(self, attempt: AttemptStarted) -> Start:
        note = {"cause": attempt.cause, "continues": attempt.continues, "reason": attempt.reason}
        return self._start(attempt.step, attempt.attempt, ROWS.get(attempt.step, ("agent",))[0], note)

    def phase(self, ended: PhaseEnded) -> Start:
        return self._start(ended.step, ended.attempt, ended.next, {})

    def phase_ended(self, exited: Exited) -> PhaseEnded | AttemptEnded | None:
        return None if exited.step in SLOW else self._ended(exited)

    async def conclude(self, exited: Exited) -> PhaseEnded | AttemptEnded:
        for _ in range(12):
            await asyncio.sleep(0)
        return self._ended(exited)

    def adopt(self, began: Callable[[str, int], int | None]) -> None: ...

    def close(self) -> None: ...

    def _start(self, step: str, attempt: int, phase: str, note: dict[str, object]) -> Start:
        return Start(
            step=step, attempt=attempt, phase=phase, invocation=Invocation(("true",)), cwd="/", base_env="e", env={},
            log="/l", err=None, timeout=None, idle=None, idle_paths=(), grace=1.0, log_limit=None, isolation=None,
            note=note,  # type: ignore[arg-type]
        )  # fmt: skip

    def _ended(self, exited: Exited) -> PhaseEnded | AttemptEnded:
        row = ROWS.get(exited.step, ("agent",))
        following = row[row.index(exited.phase) + 1 :]
        outcome = self._outcome(exited)
        if isinstance(outcome, Succeeded) and following:
            return PhaseEnded(exited.step, exited.attempt, exited.phase, following[0], exited.seq)
        return AttemptEnded(exited.step, exited.attempt, outcome, exited.phase, exited.seq)

    def _outcome(self, exited: Exited) -> Outcome:
        if exited.end.cause in ("lost", "machine_down"):
            return Failed(FailureClass.LOST, "lost")
        if exited.end.cause is not None:
            return Stopped(exited.end.cause)
        code = exited.end.code
        outputs = {"ok": exited.attempt >= 2} if exited.step == "judge" else None
        return Succeeded(outputs=outputs) if code == 0 else Failed(FailureClass.EXIT, f"exited {code}", exit_code=code)


class FakeProber:
    async def probe(self, step_ids: Sequence[str]) -> list[Event]:
        for _ in range(9):
            await asyncio.sleep(0)
        return [Admitted(step_id, "key", "never ran") for step_id in step_ids]


class FakeClock:
    def __init__(self, keeper: FakeKeeper, boot: str) -> None:
        self._keeper = keeper
        self._boot = boot

    def now(self) -> Now:
        return Now(self._boot, 100.0 + self._keeper.clock, 1000.0 + self._keeper.clock)


class Session:
    """One runner over a log and a keeper."""

    attempts = FakeAttempts

    def __init__(self, plan: Plan, records: list[Record], keeper: FakeKeeper, *, boot: str = "boot") -> None:
        self.keeper = keeper
        self.before = records
        self.shown: list[Record] = []
        state = fold(plan, records)
        self.target = FakeTarget(keeper)
        self.target.environment("e", {})
        self.store = MemoryStore(after=state.seq, on_durable=lambda seq: self.executor.durable(seq))
        self.executor = Executor(
            state,
            store=self.store,
            target=self.target,
            clock=FakeClock(keeper, boot),
            attempts=self.attempts(state),
            prober=FakeProber(),
            run={},
            publish=self.shown.extend,
            tell=lambda _: None,
        )
        opened = RunnerStarted(boot, 1, 3, resumed=bool(records))
        self.task = asyncio.ensure_future(self.executor.run(opened, lambda _: ()))

    @property
    def records(self) -> list[Record]:
        return [*self.before, *self.store.records]

    async def turns(self, count: int) -> None:
        """So many turns of the loop; the world moves every third."""
        for number in range(count):
            if self.task.done():
                return
            await asyncio.sleep(0)
            self.store.settle()
            if number % 3 == 2:
                self.keeper.step()

    async def crash(self, lost: int) -> list[Record]:
        """What is left of the log when the last `lost` records were not durable yet."""
        self.task.cancel()
        await asyncio.wait({self.task})
        self.target.events = None
        records = self.records
        keep = max(len(self.before), len(records) - lost)
        return records[:keep]

    async def finish(self) -> RunEnded:
        await self.turns(3000)
        assert self.task.done(), f"it hangs: {[r.event for r in self.records[-8:]]}"
        ended = self.task.result()
        assert ended is not None
        return ended


def complaints(session: Session, plan: Plan, *, rounds: bool = True) -> list[str]:
    """What is wrong with a log that has ended. `rounds`: whether no attempt was lost, so that loops went as played."""
    wrong = []
    starts = Counter((r.event.step, r.event.attempt) for r in session.records if isinstance(r.event, AttemptStarted))
    ends = Counter((r.event.step, r.event.attempt) for r in session.records if isinstance(r.event, AttemptEnded))
    wrong += [f"{key} started {count} times" for key, count in starts.items() if count != 1]
    wrong += [f"{key} ended {ends[key]} times" for key in starts if ends[key] != 1]
    began = {(start.step, start.attempt) for start in session.keeper.started}
    wrong += [f"{key} began, and is not in the log" for key in began if key not in starts]
    state = fold(plan, session.records)
    wrong += [f"{s} {k.status}" for s, k in state.steps.items() if k.status.value != STATUSES[s]]
    looped = {s: [attempt.cause for attempt in state.steps[s].attempts] for s in ("draft", "judge") if rounds}
    wrong += [f"{s} {causes}" for s, causes in looped.items() if causes != ["first", "rework"]]
    return wrong + [f"{sorted(session.keeper.running)} still runs"] * bool(session.keeper.running)


async def one(turns: int, lost: int, *, dies: bool = False, second: int = 0) -> tuple[bool, list[str]]:
    """(whether the first session was over before the crash, what is wrong)."""
    keeper = FakeKeeper(play)
    session = Session(PLAN, [], keeper)
    await session.turns(turns)
    over = session.task.done()
    if not over:
        for again in (turns, second):
            if again is second and not second:
                continue
            if again is second:
                await session.turns(second)
                if session.task.done():
                    break
            records = await session.crash(lost)
            session = Session(PLAN, records, keeper)
        ended = await session.finish()
        assert ended.status == "succeeded", ended
    return over, complaints(session, PLAN)


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1, 2, 3, 5, 8, 100])
def test_a_runner_cut_off_at_every_turn(lost: int) -> None:
    async def every() -> None:
        turns, over = 1, False
        while not over:
            over, wrong = await one(turns, lost)
            assert wrong == [], f"after {turns} turns, {lost} records lost"
            turns += 1
        assert turns > 40

    asyncio.run(every())


def test_a_runner_cut_off_twice() -> None:
    async def some() -> None:
        for turns in range(2, 60, 5):
            for second in range(2, 40, 7):
                _, wrong = await one(turns, 2, second=second)
                assert wrong == [], f"after {turns} and {second} turns"

    asyncio.run(some())


class AfterReboot(FakeKeeper):
    """The next keeper after the power went: of the journal, only the first `kept` entries are on the disk. What is told
    of them is what `targets/entries.py` makes of the entries of another boot."""

    def __init__(self, before: FakeKeeper, kept: int) -> None:
        super().__init__(before.play)
        self.journal = [
            entry._replace(end=Exit(cause="machine_down")) if isinstance(entry, Exited) else entry
            for entry in before.journal[:kept]
        ]
        self.known = {(entry.step, entry.attempt, entry.phase) for entry in self.journal}
        self._seen = set(self.known)
        self._open = self.known - {(e.step, e.attempt, e.phase) for e in self.journal if isinstance(e, Exited)}

    def adopt(self, target: FakeTarget, after: int) -> None:
        super().adopt(target, after)
        assert target.events is not None
        ends = [Exited(len(self.journal), *key, at=0.0, end=Exit(cause="lost")) for key in sorted(self._open)]
        if ends:
            target.events.journal(ends)
            target.events.keeper_lost("it was gone when this runner came")


async def rebooted(turns: int, lost: int, *, kept: float) -> bool:
    """Whether the first session was over before the power went. `kept`: that share of the journal is there."""
    before = FakeKeeper(play)
    session = Session(AT_ONCE, [], before)
    await session.turns(turns)
    if session.task.done():
        return True
    records = await session.crash(lost)
    keeper = AfterReboot(before, round(len(before.journal) * kept))
    told = {(r.event.step, r.event.attempt) for r in records if isinstance(r.event, AttemptStarted)}
    session = Session(AT_ONCE, records, keeper, boot="another boot")
    ended = await session.finish()
    assert ended.status == "succeeded", ended
    assert complaints(session, AT_ONCE, rounds=False) == []
    begun = {(start.step, start.attempt) for start in keeper.started}
    again = begun & (told | {key[:2] for key in keeper.known})
    assert not again, f"what may have begun before the power went was started again under its number: {again}"
    for record in session.store.records:
        event = record.event
        if isinstance(event, AttemptEnded) and isinstance(event.outcome, Succeeded):
            assert (event.step, event.attempt) in begun, f"{event} rests on what may not be on the disk"
    return False


@pytest.mark.slow
@pytest.mark.parametrize(("lost", "kept"), [(0, 0.0), (2, 0.6), (100, 1.0)])
def test_a_machine_that_went_down_at_every_turn(lost: int, kept: float) -> None:
    async def every() -> None:
        turns = 1
        while not await rebooted(turns, lost, kept=kept):
            turns += 1
        assert turns > 40

    asyncio.run(every())


def test_a_stop_that_was_told_is_told_again() -> None:
    async def stopped() -> None:
        keeper = FakeKeeper(play)
        first = Session(PLAN, [], keeper)
        while ("long", 1, "agent") not in keeper.running:
            await first.turns(3)
        first.executor.stop("SIGINT", reason="interrupted by SIGINT")
        await asyncio.sleep(0)
        records = await first.crash(0)
        assert any(isinstance(record.event, AttemptStopping) for record in records)
        second = Session(PLAN, records, keeper)
        await second.finish()
        assert ("long", 1, 10.0, "interrupt") in second.target.stops
        starts = [record.event for record in second.records if isinstance(record.event, AttemptStarted)]
        assert {start.cause for start in starts if start.step == "long"} == {"first", "resume"}

    asyncio.run(stopped())


def test_a_bug_in_a_callback_ends_the_run() -> None:
    async def broken() -> None:
        session = Session(PLAN, [], FakeKeeper(play))
        await session.turns(3)
        session.executor.broken(RuntimeError("a bug"))
        with pytest.raises(RuntimeError, match="a bug"):
            await session.task

    asyncio.run(broken())
