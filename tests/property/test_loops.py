"""Loops over any plan, with any verdicts, failures, cancels and restarts: they end, and touch what they may touch."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teamflow.core.events import AttemptStarted, Event, Reopened, RunnerStarted
from teamflow.core.fold import fold
from teamflow.core.outcome import FailureClass
from teamflow.core.plan import Loop, Plan, Retry, Step
from teamflow.core.requested import StopRequested
from teamflow.core.status import ENDED, Status
from teamflow.plan.converge import reopen
from tests.fakes.plans import make_plan, make_step
from tests.property.reference import span
from tests.property.test_run_loop import World, drive, snapshot

WHEN = ["succeeded", "succeeded", "succeeded", "finished", "passed"]
TURNS = 3000


@st.composite
def looped(draw: st.DrawFn) -> Plan:
    """Agents, some with two instances; most that come after another have a loop over one before them."""
    steps: list[Step] = []
    count = draw(st.integers(2, 5))
    for number in range(count):
        agent = f"s{number}"
        for name in draw(st.sampled_from([[agent], [agent], [f"{agent}/x", f"{agent}/y"]])):
            earlier = [step.id for step in steps if step.agent != agent]
            needs = draw(st.dictionaries(st.sampled_from(earlier), st.sampled_from(WHEN), min_size=1, max_size=3)) if (
                earlier) else {}  # fmt: skip
            looped = bool(needs) and (number == count - 1 or draw(st.sampled_from([True, True, False])))
            one = draw(st.sampled_from(sorted(needs))) if needs else ""
            conditional = bool(one) and "/" not in one and draw(st.integers(0, 4)) == 4
            steps.append(
                make_step(
                    name,
                    needs=needs,
                    kind=draw(st.sampled_from(["command", "prompt"])),
                    retry=Retry(draw(st.integers(1, 2)), "fixed", 1.0, 1.0),
                    cache=draw(st.integers(0, 4)) == 4,
                    continue_on_error=draw(st.booleans()),
                    condition=f"agents.{one}.text == 'go'" if conditional else None,
                    loop=draw(loops(sorted(agents_before(steps, needs)))) if looped else None,
                )
            )
    return make_plan(steps)


@st.composite
def loops(draw: st.DrawFn, agents: list[str]) -> Loop:
    return Loop("outputs.ok", draw(st.sampled_from([5, 3, 2, 1])), draw(st.sampled_from(agents)))


def agents_before(steps: list[Step], needs: dict[str, str]) -> set[str]:
    found = set(needs)
    for step in reversed(steps):
        if step.id in found:
            found.update(step.dependencies)
    return {step_id.partition("/")[0] for step_id in found}


def bound(plan: Plan) -> int:
    """No step has more attempts in one session: a loop may go all its rounds in each round of another, and a look that
    does not count goes with a round of another."""
    rounds = 1
    for step in plan.steps:
        rounds *= 1 + (step.loop.max if step.loop is not None else 0)
    return rounds * len(plan.steps) * 8


def complaints(world: World) -> list[str]:
    plan, state = world.plan, world.state
    wrong = []
    spans = {step.id: span(state, step.id)[1] for step in plan.steps if step.loop is not None}
    for record in world.records:
        match record.event:
            case Reopened(cause="rework", by=by, steps=steps) if not set(steps) <= {by, *spans[by]}:
                wrong.append(f"{by} opens {steps}")
            case AttemptStarted(step=step, cause="rework") if not any(step in (by, *spans[by]) for by in spans):
                wrong.append(f"{step} is in no span")
            case _:
                pass
    for name, known in state.steps.items():
        loop = known.step.loop
        if known.round > (loop.max if loop is not None else 1):
            wrong.append(f"{name}: round {known.round}")
        if loop is not None and known.status is Status.SUCCEEDED and known.outputs["ok"] is not True:
            wrong.append(f"{name} succeeded too early")
        if known.failure is FailureClass.NOT_CONVERGED and known.outputs["ok"] is not False:
            wrong.append(f"{name} failed, though its until holds")
    if snapshot(fold(plan, world.records)) != snapshot(state):
        wrong.append("the replay differs")
    return wrong


def loops_end(plan: Plan, parallel: int, fail_fast: bool, meddle: bool, data: st.DataObject) -> None:
    world = World(plan, parallel, fail_fast)
    drive(world, data, meddle=meddle, turns=TURNS)
    assert complaints(world) == []
    assert max((len(known.attempts) for known in world.state.steps.values()), default=0) <= bound(plan)
    ended = world.state.ended
    assert ended is not None
    if ended.status in ("succeeded", "failed"):
        assert all(known.status in ENDED for known in world.state.steps.values())


class Again(World):
    """The same run, from a log that was cut anywhere: a new session takes it up as `run` does."""

    def __init__(self, plan: Plan, events: list[Event]) -> None:
        super().__init__(plan, 2, fail_fast=False)
        for event in events[1:]:
            self.record(event)
        self.record(RunnerStarted("boot", 2, 2, resumed=True))
        for event in reopen(self.state, plan, {}).events():
            self.record(event)
        self.probes.clear()
        self.changed = list(self.state.steps)


def is_taken_up(plan: Plan, data: st.DataObject) -> None:
    """A log that was cut anywhere, by the next session."""
    first = World(plan, 2, fail_fast=False)
    drive(first, data, meddle=False, turns=TURNS)
    cut = data.draw(st.integers(1, len(first.records)))
    world = Again(plan, [record.event for record in first.records[:cut]])
    for name, known in fold(plan, first.records[:cut]).steps.items():
        now = world.state.steps[name]
        if known.status not in ENDED:
            assert (now.round, now.feedback) == (known.round, known.feedback), (
                "a crash forgets no round and no feedback"
            )
    drive(world, data, meddle=False, turns=TURNS)
    assert complaints(world) == []


def goes_on(plan: Plan, data: st.DataObject) -> None:
    """A round that was interrupted by Ctrl-C."""
    world = World(plan, 2, fail_fast=False)
    drive(world, data, meddle=False, turns=data.draw(st.integers(1, 40)), finish=False)
    if world.state.ended is not None:
        return
    world.record(StopRequested("SIGINT", "Ctrl-C"))
    drive(world, data, meddle=False, turns=TURNS)
    ended = world.state.ended
    assert ended is not None
    if ended.status != "interrupted":
        return
    again = Again(plan, [record.event for record in world.records])
    for name, known in world.state.steps.items():
        now = again.state.steps[name]
        if known.status not in ENDED:
            assert (now.round, now.feedback) == (known.round, known.feedback)
    drive(again, data, meddle=False, turns=TURNS)
    assert complaints(again) == []


FEW = settings(deadline=None, max_examples=8)
MANY = settings(deadline=None, max_examples=500)
ANY = given(plan=looped(), parallel=st.integers(1, 4), fail_fast=st.booleans(), meddle=st.booleans(), data=st.data())
CALM = given(plan=looped(), data=st.data())

test_loops_end_and_stay_within_their_spans = FEW(ANY(loops_end))
test_a_log_cut_anywhere_is_taken_up_where_it_was = FEW(CALM(is_taken_up))
test_an_interrupted_round_goes_on = FEW(CALM(goes_on))
test_many_loops_end = pytest.mark.slow(MANY(ANY(loops_end)))
test_many_cut_logs_are_taken_up = pytest.mark.slow(MANY(CALM(is_taken_up)))
test_many_interrupted_rounds_go_on = pytest.mark.slow(MANY(CALM(goes_on)))
