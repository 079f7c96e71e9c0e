"""Random verbs on random runs, with crashes and reboots: what is granted comes about, and nothing else does.

What must be true of any history is in `tests/fakes/history.py`.
"""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from teamflow.core.events import (
    RunEnded,
)
from teamflow.core.fold import fold
from teamflow.core.outcome import Succeeded
from teamflow.core.plan import Plan
from teamflow.core.requested import (
    CancelRequested,
)
from teamflow.core.status import ENDED, Status
from teamflow.policy.control import progress_args, steps_args
from teamflow.policy.granting import Asker, Granted
from teamflow.policy.requests import granted
from tests.fakes.history import wrongs
from tests.property.test_loops import looped
from tests.property.test_run_loop import World, answer_one, answer_probe, end_one, plans, snapshot

VERBS = ["pause", "pause", "freeze", "resume", "resume", "retry", "relaunch", "cancel", "tell", "progress"]


def steer(world: World, data: st.DataObject) -> None:
    """One verb, as another process would ask it; mostly of a step that is open."""
    verb = data.draw(st.sampled_from(VERBS))
    steps = sorted(world.state.open) if data.draw(st.integers(0, 3)) else []
    steps = steps or sorted(world.state.steps)
    names = data.draw(st.lists(st.sampled_from(steps), min_size=1, max_size=2, unique=True))
    if data.draw(st.integers(0, 7)) == 7:
        names = None
    match verb:
        case "freeze":
            args = steps_args(names, freeze=True)
        case "retry":
            args = steps_args(names, downstream=data.draw(st.booleans()))
        case "relaunch":
            changes = data.draw(st.sampled_from([{}, {}, {"timeout": 5.0}]))
            args = json.dumps({"step": (names or steps)[0], "changes": changes})
        case "tell":
            args = steps_args(names, text="hear")
        case "progress":
            name = (names or steps)[0]
            args = progress_args(name, max(1, len(world.state.steps[name].attempts)), 500, "x")
        case "cancel":
            args = steps_args(names or [data.draw(st.sampled_from(steps))])
        case _:
            args = steps_args(names)
    before = snapshot(world.state)
    found = granted(world.state, "pause" if verb == "freeze" else verb, args, Asker("ana", 1, world.now))
    assert snapshot(world.state) == before, "to ask changes nothing"
    if not isinstance(found, Granted):
        assert found
        return
    for event in found.events:
        world.record(event)
    if verb == "cancel":
        assert any(isinstance(event, CancelRequested) for event in found.events)
    elif verb in ("pause", "freeze") and names:
        assert all(world.state.steps[name].pause for name in names)


def go(world: World, data: st.DataObject, *, verbs: int, turns: int = 600) -> None:
    """So many turns; after `verbs` verbs everything is let go on."""
    left = verbs
    for _ in range(turns):
        world.settle()
        if left > 0 and data.draw(st.integers(0, 2)) == 0:
            left -= 1
            steer(world, data)
            continue
        if left > 0 and data.draw(st.integers(0, 14)) == 14:
            world.restart(reboot=data.draw(st.booleans()))
            continue
        if world.state.ended is not None:
            if left <= 0:
                return
            left -= 1
            steer(world, data)
            continue
        if left <= 0 and (world.state.held or world.state.paused):
            found = granted(world.state, "resume", steps_args(None), Asker("ana", 1, world.now))
            assert isinstance(found, Granted), found
            for event in found.events:
                world.record(event)
            continue
        world.pass_time(data.draw(st.sampled_from([0.0, 0.5, 3.0])))
        free = [step for step in world.running if not world.state.steps[step].frozen]
        if world.state.unanswered and (not free or data.draw(st.booleans())):
            answer_one(world, data)
        elif world.probes and (not free or data.draw(st.booleans())):
            answer_probe(world, data)
        elif free or (world.running and left > 0):
            end_one(world, data)
        elif world.wake_at is not None:
            world.pass_time(max(0.0, world.wake_at - world.mono))
        else:
            assert world.state.held or world.state.paused, "nothing runs, nothing will wake, and the run has not ended"
            left = min(left, 1) - 1
    raise AssertionError("the run does not end")


@settings(deadline=None, max_examples=60)
@given(plan=plans(), parallel=st.integers(1, 4), verbs=st.integers(1, 12), data=st.data())
def test_random_verbs_crashes_and_outcomes(plan: Plan, parallel: int, verbs: int, data: st.DataObject) -> None:
    world = World(plan, parallel, fail_fast=False)
    go(world, data, verbs=verbs)
    assert list(wrongs(world.records)) == []
    assert isinstance(world.state.ended, RunEnded)
    assert all(known.status in ENDED for known in world.state.steps.values())
    assert snapshot(fold(plan, world.records)) == snapshot(world.state)
    for known in world.state.steps.values():
        assert known.live is None
        assert not known.frozen
        outcome = known.attempts[-1].outcome if known.attempts else None
        if known.status is Status.CANCELLED and isinstance(outcome, Succeeded):
            assert known.cancelled_by is not None, "a late result stays on its attempt"


@settings(deadline=None, max_examples=25)
@given(plan=looped(), verbs=st.integers(1, 6), data=st.data())
def test_random_verbs_in_loops(plan: Plan, verbs: int, data: st.DataObject) -> None:
    world = World(plan, 3, fail_fast=False)
    go(world, data, verbs=verbs, turns=3000)
    assert list(wrongs(world.records)) == []
    assert snapshot(fold(plan, world.records)) == snapshot(world.state)
