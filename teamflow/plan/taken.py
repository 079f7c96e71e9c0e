"""Whether a selected part of a team can run: results it names of steps that are left out must be there already.

A dependency outside the selection that nobody refers to is simply taken as done, as with other build tools; one
whose text or outputs are named must have succeeded in the run that goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from teamflow.core.diagnostics import Diagnostics
from teamflow.core.plan import Plan
from teamflow.core.state import StepState
from teamflow.core.status import Status

_HAS_RESULTS = (Status.SUCCEEDED, Status.CACHED)


def unresolved(plan: Plan, known: Mapping[str, StepState], *, taken: Collection[str] = ()) -> Diagnostics:
    """Complains about each step outside the selection whose results are named and not there.

    `known`: the steps of the newest run; `taken`: those whose results that run itself took from an earlier one.
    """
    found = Diagnostics()
    if plan.selected is None:
        return found
    inside = {step.id for step in plan.steps}
    for step in plan.steps:
        for name in step.refers:
            if name in inside or name in taken:
                continue
            before = known.get(name)
            if before is None or before.status not in _HAS_RESULTS:
                state = "has not run" if before is None else f"is {before.status.value}"
                found.error(
                    "result-missing",
                    f"{step.id} names results of {name}, which is not selected and {state} in the newest run",
                    hint=f"select {name} too, or run everything once",
                )
    return found
