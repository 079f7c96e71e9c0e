"""What a look-up of the cache found may come too late: its step ended, was opened again, or is another by then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from teamflow.core.events import Admitted, Cached, Event, Hit, PlanRevised, Record, Reopened, RunnerStarted, StepEnded
from teamflow.core.fold import apply, initial
from teamflow.core.plan import Plan
from teamflow.core.state import RunState
from teamflow.run.probes import Probes
from tests.fakes.plans import make_plan, make_step

PLAN = make_plan(
    [make_step("a", cache=True), make_step("b", cache=True, needs=["a"]), make_step("c", cache=True), make_step("d")]
)


class Prober:
    """Answers as it is told, after the world has moved on."""

    def __init__(self, answer: Sequence[Event], meanwhile: Callable[[], None]) -> None:
        self._answer = answer
        self._meanwhile = meanwhile

    async def probe(self, step_ids: Sequence[str]) -> list[Event]:
        self._meanwhile()
        return list(self._answer)


def begun() -> tuple[RunState, Callable[[Event], None]]:
    state = initial(PLAN)
    plans: dict[int, Plan] = {1: PLAN}

    def tell(event: Event) -> None:
        if isinstance(event, PlanRevised):
            plans[event.revision] = PLAN._replace(
                steps=tuple(s._replace(key="other", timeout=5.0) if s.id == "c" else s for s in PLAN.steps)
            )
        apply(state, Record(state.seq + 1, 0.0, float(state.seq), event), plans=plans)

    tell(RunnerStarted("boot", 1, 4))
    return state, tell


HITS = Cached({"a": Hit("k", "unchanged"), "b": Hit("k", "unchanged")})
ADMITTED = Admitted("c", "k", "never ran")


@pytest.mark.parametrize(
    ("meanwhile", "left"),
    [
        ([], [HITS, ADMITTED]),
        ([StepEnded("a", "cancelled", "")], [ADMITTED]),
        ([StepEnded("c", "cancelled", "")], [HITS]),
        # Opened again, its turn is another one, whatever has come of what it rests on.
        ([StepEnded("c", "cancelled", ""), Reopened(("c",), "retry", {})], [HITS]),
        # Another plan: all is looked up anew.
        ([PlanRevised(2, "")], []),
    ],
)
def test_only_what_still_matters_is_left(meanwhile: list[Event], left: list[Event]) -> None:
    state, tell = begun()

    def move() -> None:
        for event in meanwhile:
            tell(event)

    async def answers() -> list[Event]:
        probes = Probes(state, Prober([HITS, ADMITTED], move))
        asked = probes.take(["a", "c"])
        assert asked == ["a", "c"]
        assert probes.take(["a", "c"]) == [], "each once at a time"
        return await probes.answers(asked)

    assert asyncio.run(answers()) == left
