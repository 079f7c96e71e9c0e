"""Steps that a run adds to itself: any list, any ends, other lists while it goes on, runners that die at any record.

The log tells the whole story, looking at what changed is looking at everything, and what is done when the run has ended
belongs to what is there: no step is left with a result of values that are no more. A seed repeats a story.
"""

from __future__ import annotations

from random import Random

import pytest

from teamflow.core.codec import dump_event, event_kind, load_event
from teamflow.core.events import QuestionAnswered, RunEnded
from teamflow.core.fold import fold
from teamflow.core.outcome import FailureClass
from teamflow.core.requested import CancelRequested, StopRequested
from teamflow.core.status import ENDED, Status
from tests.property.added_world import World, edited, ids_of, instances_of, outdated, snapshot, some_list, some_team

FAILURES = (None, None, None, None, FailureClass.EXIT, FailureClass.FATAL, FailureClass.LOST)


def step_on(world: World, chance: Random, *, failures: bool) -> None:
    """One thing that the world does; it must be able to do one."""
    asked = [question for question in world.state.questions if question.open]
    if asked and (not world.running or chance.random() < 0.5):
        answer = chance.choice(["go on", "go on", "stop"]) if failures else "go on"
        world.record(QuestionAnswered(asked[0].number, answer, "ana"))
    elif world.probes and (not world.running or chance.random() < 0.5):
        world.look_up()
    elif world.running:
        failure = chance.choice(FAILURES) if failures else None
        world.end(chance.choice(world.running), failure, stopped=chance.random() < 0.5)
    else:
        assert world.wake_at is not None, "nothing runs, nothing will wake, and the run has not ended"
        world.mono = max(world.mono, world.wake_at)


def meddle(world: World, chance: Random) -> None:
    state = world.state
    match chance.choice(["list", "list", "edit", "restart", "restart", "again", "other", "cancel", "stop", "time"]):
        case "list":
            world.list_again(some_list(chance))
        case "restart":
            world.yes = chance.random() < 0.2
            world.restart(at=chance.randint(1, len(world.records)))
        case "again":
            world.restart(at=chance.randint(1, len(world.records)), again=True, listed=some_list(chance))
        case "edit":
            world.team = edited(world.team, chance)
            world.saved()
        case "other":
            world.team = edited(world.team, chance)
            world.restart(at=chance.randint(1, len(world.records)))
        case "cancel" if state.open:
            world.record(CancelRequested((chance.choice(sorted(state.open)),), "user"))
        case "stop" if state.stop is None:
            world.record(StopRequested("SIGINT", "Ctrl-C"))
        case _:
            world.mono += 1.0


def drive(world: World, chance: Random, *, times: int, failures: bool = True) -> None:
    """To an end, after at most so many disturbances."""
    for _ in range(600):
        world.settle()
        if world.state.ended is not None:
            return
        if times and chance.random() < 0.25:
            times -= 1
            meddle(world, chance)
        else:
            step_on(world, chance, failures=failures)
    raise AssertionError("the run does not end")


def check_log(world: World) -> None:
    again = fold(world.plans[1], world.records, plans=world.plans)
    assert snapshot(again) == snapshot(world.state)
    stored = [load_event(event_kind(r.event), dump_event(r.event)) for r in world.records]
    assert stored == [r.event for r in world.records]


def a_list_becomes_steps(seed: int) -> None:
    chance = Random(seed)
    listed = some_list(chance, odd=True)
    world = World(some_team(chance), listed, chance.randint(1, 3))
    drive(world, chance, times=0)
    check_log(world)
    state = world.state
    assert isinstance(state.ended, RunEnded)
    assert all(known.live is None for known in state.steps.values())
    if state.ended.status in ("succeeded", "failed"):
        assert all(known.status in ENDED for known in state.steps.values())
    expected = ids_of(listed)
    if "build/?" in state.added:
        assert instances_of(state, "build") == expected
        assert list(state.added["build/?"].instances) == [f"build/{name}" for name in expected]
    elif state.steps["plan"].status is Status.SUCCEEDED and not any(q.answer == "stop" for q in state.questions):
        assert expected is None or state.steps["build/?"].status is Status.SKIPPED
    for pair, partner in (("test", "build"), ("deploy", "test"), ("whole", "build")):
        if f"{pair}/?" in state.added:
            assert instances_of(state, pair) == instances_of(state, partner)
    assert outdated(state) == []


def other_lists_and_dying_runners(seed: int) -> None:
    chance = Random(seed)
    world = World(some_team(chance), some_list(chance), chance.randint(1, 3))
    drive(world, chance, times=6)
    check_log(world)
    assert outdated(world.state) == []
    # Then nothing is in the way: what failed or was cancelled is done, and only what belongs to the last list.
    for _ in range(4):
        if world.state.ended is not None and world.state.ended.status == "succeeded":
            break
        world.restart(at=len(world.records))
        drive(world, chance, times=0, failures=False)
        check_log(world)
        assert outdated(world.state) == []
    build = world.state.steps.get("build/?")
    if build is not None and build.status is Status.SUCCEEDED:
        tasks = world.state.steps["plan"].outputs["tasks"]
        assert isinstance(tasks, list)
        assert instances_of(world.state, "build") == ids_of(tasks[:1] if "tasks[:1]" in world.team else tasks)


SEEDS = range(30)
MORE = range(1000, 3000)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_list_becomes_steps_and_every_run_ends(seed: int) -> None:
    a_list_becomes_steps(seed)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("seed", SEEDS)
def test_other_lists_and_dying_runners_leave_nothing_behind(seed: int) -> None:
    other_lists_and_dying_runners(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", MORE[::100])
def test_many_more_stories(first: int) -> None:
    for seed in range(first, first + 100):
        print(f"seed {seed}")  # the last one is the one that failed
        a_list_becomes_steps(seed)
        other_lists_and_dying_runners(seed)
