"""What every `ports.Store` does, over the real one and its fake."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from teamflow.core.events import (
    AttemptEnded,
    AttemptStarted,
    Cached,
    Event,
    Hit,
    ProgressReported,
    Record,
    RunEnded,
    RunnerStarted,
    StepEnded,
)
from teamflow.core.fold import fold
from teamflow.core.outcome import Artifact, Failed, FailureClass, Succeeded
from teamflow.ports import Store
from teamflow.store.log import records as to_records
from teamflow.store.sqlite import Database
from teamflow.store.writer import Writer
from tests.fakes.memory_store import MemoryStore
from tests.fakes.plans import make_plan, make_step
from tests.fakes.projects import new_run


class Subject:
    """One store with what it has told and what can be read of it by others."""

    def __init__(self, store: Store, read: Callable[[], Sequence[Record]], durable: list[int]) -> None:
        self.store = store
        self.read = read
        self.durable = durable

    def flush(self) -> None:
        asyncio.run(asyncio.wait_for(self._flush(), 60))

    async def _flush(self) -> None:
        await self.store.flush()


@pytest.fixture(params=["sqlite", "memory"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    durable: list[int] = []
    if request.param == "memory":
        memory = MemoryStore(on_durable=durable.append)
        yield Subject(memory, lambda: memory.records[: memory.durable], durable)
        return
    with Database.open(str(tmp_path)) as database:
        run = database.create_run(new_run()).number
        writer = Writer(database.layout, run, after=0, on_durable=durable.append)
        yield Subject(writer, lambda: to_records(database.rows(run)), durable)
        writer.close()


def log(*events: Event, after: int = 0) -> list[Record]:
    return [Record(after + n, 1000.0 + n, float(n), event) for n, event in enumerate(events, 1)]


STORY = log(
    RunnerStarted("boot", 1, 2),
    Cached(
        {"a": Hit("key", "unchanged", text="é\n\0", outputs={"n": [1, None]}, artifacts=(Artifact("f", "p", "d", 3),))}
    ),
    AttemptStarted("b", 1, "first"),
    ProgressReported("b", 1, 50.0, "half"),
    AttemptEnded("b", 1, Failed(FailureClass.EXIT, "exited 1", exit_code=1)),
    StepEnded("b", "failed", "exited 1"),
    AttemptStarted("c", 1, "first"),
    AttemptEnded("c", 1, Succeeded("text", {"x": 1.5}, (Artifact("f", "out", "d", 9),)), journal=7, key="k"),
    StepEnded("c", "succeeded", "done"),
    RunEnded("failed", "step_failed", {}),
)


def test_what_is_flushed_is_read_by_others_in_order(subject: Subject) -> None:
    subject.store.append(STORY[:4])
    subject.store.append(STORY[4:])
    subject.flush()
    assert list(subject.read()) == STORY


def test_replaying_what_is_stored_gives_the_live_state(subject: Subject) -> None:
    plan = make_plan([make_step("a"), make_step("b", needs=["a"]), make_step("c", needs=["a"])])
    subject.store.append(STORY)
    subject.flush()
    live, replayed = fold(plan, STORY), fold(plan, subject.read())
    assert [(s.status, s.reason, s.text, s.outputs, s.artifacts) for s in replayed.steps.values()] == [
        (s.status, s.reason, s.text, s.outputs, s.artifacts) for s in live.steps.values()
    ]
    assert (replayed.seq, replayed.ended) == (live.seq, live.ended)


def test_durable_is_told_in_order_and_before_flush_returns(subject: Subject) -> None:
    for n in range(200):
        subject.store.append(log(ProgressReported("b", 1, None, str(n)), after=n))
        if n % 50 == 0:
            subject.flush()
            assert subject.durable[-1] == n + 1
    subject.flush()
    assert subject.durable == sorted(set(subject.durable))
    assert subject.durable[-1] == 200


def test_a_gap_is_refused_and_leaves_nothing(subject: Subject) -> None:
    subject.store.append(STORY[:2])
    for wrong in (STORY[3:4], STORY[1:2], [STORY[2], STORY[4]]):
        with pytest.raises(ValueError, match="is due"):
            subject.store.append(wrong)
    subject.store.append(STORY[2:3])
    subject.flush()
    assert list(subject.read()) == STORY[:3]


def test_nothing_to_store_is_no_wait(subject: Subject) -> None:
    subject.store.append([])
    subject.flush()
    assert subject.durable == []
    assert list(subject.read()) == []
