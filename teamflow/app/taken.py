"""Running a part of a team: the results it names of steps that are left out, from the newest run that has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from teamflow.app.compile import inputs_digest
from teamflow.app.session import read_state
from teamflow.core.added import effective
from teamflow.core.events import Hit, ResultsTaken, StepsAdded
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Plan
from teamflow.core.state import RunState, StepState
from teamflow.policy.trees import in_workspace
from teamflow.store.sqlite import Database

if TYPE_CHECKING:
    from teamflow.core.diagnostics import Diagnostics


class Taken(NamedTuple):
    """`problems`: results that are nowhere to be had. `event`: what a new run has to record first, if anything."""

    problems: Diagnostics | None
    event: ResultsTaken | None


def results_for(database: Database, plan: Plan) -> Taken:
    """What the selection of `plan` needs of the newest run of its file with the same inputs."""
    if not _wanted(plan) and not _commits_of(plan):
        return Taken(None, None)
    from teamflow.plan.taken import unresolved

    row = database.newest_run(file=plan.file, inputs_digest=inputs_digest(plan.inputs))
    known: Mapping[str, StepState] = {}
    taken: Mapping[str, Hit] = {}
    added: Mapping[str, StepsAdded] = {}
    if row is not None:
        state, _ = read_state(database, row.number)
        known, taken, added = _steps(state), state.taken, state.added
    whole = effective(plan, added)
    problems = unresolved(whole, known, taken=taken)
    if row is None or problems.has_errors:
        return Taken(problems, None)
    left = {name for name in _commits_of(whole) if _left(name, known, taken)}
    wanted = _wanted(whole) | left
    if not wanted:
        return Taken(problems, None)
    hits = {name: _hit(known[name], row.number) if name in known else taken[name] for name in sorted(wanted)}
    lists = {parent: dict(one.instances) for parent, one in added.items() if parent in wanted}
    return Taken(problems, ResultsTaken(row.number, hits, lists or None))


def _wanted(plan: Plan) -> set[str]:
    """What is named of steps that are left out; of those that a run has added, each instance."""
    if plan.selected is None:
        return set()
    inside = {step.id for step in plan.steps}
    return {name for step in plan.steps for name in step.refers if name not in inside}


def _commits_of(plan: Plan) -> set[str]:
    """Steps that are left out, and from whose commits others start, where they have left any."""
    if plan.selected is None:
        return set()
    return {name for step in plan.steps if in_workspace(step) for name in step.taken}


def _left(name: str, known: Mapping[str, StepState], taken: Mapping[str, Hit]) -> bool:
    if name in known:
        return known[name].left is not None
    return name in taken and taken[name].left is not None


def _steps(state: RunState) -> dict[str, StepState]:
    return {**state.removed, **state.steps}


def _hit(known: StepState, run: int) -> Hit:
    attempt = known.attempts[-1].number if known.attempts else 0
    origin = (run, attempt)
    return Hit(
        known.key or "", f"from run {run}", known.text, known.outputs or None, known.artifacts, origin, known.left
    )
