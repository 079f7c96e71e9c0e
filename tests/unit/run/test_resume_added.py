"""A runner cut off at every moment of a run that adds steps to itself, with any number of its last records lost.

Also those that say which steps were added, though the keeper's journal has starts of them already.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from teamflow.core.events import AttemptEnded, AttemptStarted, Record, RunEnded, StepsAdded
from teamflow.core.fold import fold
from teamflow.core.outcome import Outcome, Succeeded
from teamflow.ports import Exited, Start
from tests.fakes.target import FakeKeeper, Play
from tests.fakes.teams import plan_of
from tests.unit.run.test_resume import FakeAttempts, Session

PLAN = plan_of(
    """
agents:
  plan: {command: p, outputs: {tasks: array}}
  build:
    command: [b, "{{ matrix.task.id }}"]
    matrix: {task: agents.plan.outputs.tasks}
    retry: {attempts: 2, delay: 1ms}
  test: {command: [t, "{{ agents.build.text }}"], matrix: build, cache: true}
  none: {command: x, matrix: agents.plan.outputs.tasks[9:]}
  end: {command: [e, "{{ agents.test.instances }}"], depends_on: [none]}
  long: {command: l}
""".replace("agents.plan.outputs.tasks[9:]", '"agents.plan.outputs.tasks[9:]"')
)
TASKS = [{"id": "a"}, {"id": "b"}, {"id": "c/d"}]
NAMES = ("a", "b", "e5fb6071")
STATUSES = {
    **dict.fromkeys(("plan", "build/?", "test/?", "none/?", "end", "long"), "succeeded"),
    **{f"{agent}/{name}": "succeeded" for agent in ("build", "test") for name in NAMES},
}


def play(start: Start) -> Play:
    match start.step:
        case "build/b":
            return Play(0.1, code=0 if start.attempt == 2 else 1)
        case "long":
            return Play(5.0)
        case _:
            return Play(0.05)


class Planning(FakeAttempts):
    def _outcome(self, exited: Exited) -> Outcome:
        outcome = super()._outcome(exited)
        if exited.step == "plan" and isinstance(outcome, Succeeded):
            return outcome._replace(outputs={"tasks": TASKS})
        return outcome


class Adding(Session):
    attempts = Planning


def complaints(session: Session) -> list[str]:
    """What is wrong with a log that has ended."""
    events = [record.event for record in session.records]
    starts = Counter((e.step, e.attempt) for e in events if isinstance(e, AttemptStarted))
    ends = Counter((e.step, e.attempt) for e in events if isinstance(e, AttemptEnded))
    added = Counter(e.parent for e in events if isinstance(e, StepsAdded))
    wrong = [f"{key} started {count} times" for key, count in starts.items() if count != 1]
    wrong += [f"{key} ended {ends[key]} times" for key in starts if ends[key] != 1]
    wrong += [f"{parent} expanded {count} times" for parent, count in added.items() if count != 1]
    began = {(start.step, start.attempt) for start in session.keeper.started}
    wrong += [f"{key} began, and is not in the log" for key in began if key not in starts]
    statuses = {name: known.status.value for name, known in fold(PLAN, session.records).steps.items()}
    wrong += [f"{statuses}"] * (statuses != STATUSES)
    return wrong + [f"{sorted(session.keeper.running)} still runs"] * bool(session.keeper.running)


async def one(turns: int, lost: int, *, second: int = 0) -> tuple[bool, list[str]]:
    """(whether the first session was over before the crash, what is wrong)."""
    keeper = FakeKeeper(play)
    session: Session = Adding(PLAN, [], keeper)
    await session.turns(turns)
    over = session.task.done()
    if not over:
        session = Adding(PLAN, await session.crash(lost), keeper)
        if second:
            await session.turns(second)
            if not session.task.done():
                session = Adding(PLAN, await session.crash(lost), keeper)
        ended = await session.finish()
        assert ended.status == "succeeded", ended
    return over, complaints(session)


async def every(lost: int, *, step: int) -> None:
    turns, over = 1, False
    while not over:
        over, wrong = await one(turns, lost)
        assert wrong == [], f"after {turns} turns, {lost} records lost"
        turns += step
    assert turns > 40


@pytest.mark.parametrize("lost", [0, 3, 100])
def test_a_runner_cut_off(lost: int) -> None:
    asyncio.run(every(lost, step=9))


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1, 2, 3, 5, 8, 13, 100])
def test_a_runner_cut_off_at_every_turn(lost: int) -> None:
    asyncio.run(every(lost, step=1))


@pytest.mark.slow
def test_a_runner_cut_off_twice() -> None:
    async def some() -> None:
        for turns in range(2, 80, 5):
            for second in range(2, 40, 7):
                _, wrong = await one(turns, 4, second=second)
                assert wrong == [], f"after {turns} and {second} turns"

    asyncio.run(some())


def test_nothing_that_was_added_starts_before_that_is_durable() -> None:
    async def held() -> None:
        keeper = FakeKeeper(play)
        session = Adding(PLAN, [], keeper)
        session.store.hold = True
        await session.turns(60)
        assert any(isinstance(record.event, StepsAdded) for record in session.records)
        assert not any(start.step.startswith("build/") for start in keeper.started)
        session.store.hold = False
        assert isinstance(await session.finish(), RunEnded)
        assert complaints(session) == []

    asyncio.run(held())


def test_starts_in_the_journal_of_steps_that_the_log_has_never_heard_of() -> None:
    """All that the log has left is that the run began."""

    async def lost() -> None:
        keeper = FakeKeeper(play)
        first = Adding(PLAN, [], keeper)
        while ("test/a", 1, "agent") not in keeper.running:
            await first.turns(3)
        await first.crash(0)
        records: list[Record] = first.records[:1]
        second = Adding(PLAN, records, keeper)
        assert (await second.finish()).status == "succeeded"
        assert complaints(second) == []

    asyncio.run(lost())
