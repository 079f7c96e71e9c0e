"""Random runs that go on: what is opened again can be, and nothing that must run again is left behind."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from teamflow.core.events import Record
from teamflow.core.fold import apply
from teamflow.core.plan import Step
from teamflow.core.status import ENDED, Status
from teamflow.plan.converge import reopen
from teamflow.plan.diff import Change
from teamflow.plan.explain import preview
from tests.fakes.plans import make_plan, make_step
from tests.fakes.runs import Run

ENDS = ("succeeded", "succeeded", "failed", "cancelled", "interrupted", "paused", "running", "pending")
CONDITIONS = ("succeeded", "failed", "finished", "passed")


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    found: list[Step] = []
    for number in range(draw(st.integers(1, 8))):
        names = [step.id for step in found]
        needs = draw(st.lists(st.sampled_from(names), unique=True, max_size=3)) if names else []
        conditions = {name: draw(st.sampled_from(CONDITIONS)) for name in needs}
        found.append(make_step(f"s{number}", needs=conditions, cache=draw(st.booleans())))
    return found


def run_through(run: Run, data: st.DataObject) -> None:
    """Ends the steps in some legal way."""
    for step in run.plan.steps:
        known = run.state.steps[step.id]
        if known.status is Status.PENDING and known.blockers == 0:
            run.end(step.id, "skipped")
        elif known.status is Status.QUEUED:
            how = data.draw(st.sampled_from((*ENDS, "cached", "own") if step.cache else ENDS))
            if how != "pending":
                run.end(step.id, how)


@given(steps(), st.data())
@settings(max_examples=200, deadline=None)
def test_converging(planned: list[Step], data: st.DataObject) -> None:
    run = Run(make_plan(planned))
    run_through(run, data)
    names = [step.id for step in planned]
    changes = {
        name: Change("redefined", ("command",)) for name in data.draw(st.sets(st.sampled_from(names), max_size=2))
    }
    keys = {
        name: data.draw(st.none() | st.just("reads: a changed"))
        for name in data.draw(st.sets(st.sampled_from(names)))
        if run.plan.by_id()[name].cache
    }
    before = {name: known.status for name, known in run.state.steps.items()}
    found = reopen(run.state, run.plan, changes, keys=keys)
    opened = {**found.retry, **found.revision, **found.resume}
    left = {**found.stays, **found.skipped, **found.paused}

    # Every step that has ended or waits is in exactly one place, the others in none.
    settled = {name for name, status in before.items() if status in ENDED or status is Status.WAITING}
    assert opened.keys() | left.keys() == settled
    assert len(opened) + len(left) == len(found.retry) + len(found.revision) + len(found.resume) + len(left)
    assert not opened.keys() & left.keys()
    for name, after in found.ripple.items():
        assert set(after) <= set(run.plan.by_id()[name].dependencies)
        left_alone = name in found.stays or before[name] is Status.RUNNING
        assert left_alone or set(after) <= found.ripple.keys(), "it follows what itself may follow later"
    assert set(found.stop) == {name for name in changes if before[name] is Status.RUNNING}
    assert set(found.running) == {name for name in before if before[name] is Status.RUNNING} - set(found.stop)

    # The records can be applied, and after them nothing that went wrong has ended.
    for event in found.events():
        apply(run.state, Record(run.state.seq + 1, 3000.0, 3000.0, event))
    after = {name: known.status for name, known in run.state.steps.items()}
    assert not {Status.FAILED, Status.CANCELLED} & set(after.values())
    assert all(after[name] is before[name] for name in left)

    # A finished step without a key stays only where nothing before it is certain to run.
    for step in planned:
        if step.id in found.stays:
            certain = {name for name in step.dependencies if name in found.retry or name in found.resume}
            assert not certain
            doubtful = [name for name in step.dependencies if name in opened or name in found.ripple]
            assert step.cache or set(found.ripple.get(step.id, ())).issuperset(doubtful)
            assert not (step.cache and doubtful)
        if step.id in changes and before[step.id] in ENDED:
            assert step.id in found.revision

    # What would be shown says the same.
    for line in preview(run.plan, converged=found).lines:
        name, action = line.step.id, line.action
        assert action.kind != "cached" or name in found.stays
        assert name not in found.running or action.kind in ("run", "skip")
        follows = name in found.ripple
        assert not action.again or name in opened or follows
        assert name not in found.stays or action.kind == "cached" or (follows and action.kind == "run")


@given(steps(), st.data())
@settings(max_examples=50, deadline=None)
def test_a_run_in_which_all_went_well_has_nothing_to_do(planned: list[Step], data: st.DataObject) -> None:
    run = Run(
        make_plan([step._replace(edges=tuple(e._replace(when="finished") for e in step.edges)) for step in planned])
    )
    for step in run.plan.steps:
        run.end(step.id, "cached" if step.cache and data.draw(st.booleans()) else "succeeded")
    keys = {step.id: None for step in planned if step.cache}
    found = reopen(run.state, run.plan, {}, keys=keys)
    assert found.events() == ()
    assert found.ripple == {}
    assert not preview(run.plan, converged=found).has_work
