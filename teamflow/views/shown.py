"""Which steps of a run people see: a step that was expanded gives way to its instances, as if those had been planned.

While it has not been expanded, or is to be expanded anew, it is shown; so is one that came to no instances. Pure.
"""

from __future__ import annotations

from teamflow.core.added import visible_edges
from teamflow.core.plan import Step
from teamflow.core.state import RunState, StepState
from teamflow.core.status import Status


def hidden_parents(state: RunState) -> frozenset[str]:
    """The steps that nobody is shown any more."""
    return frozenset(parent for parent in state.added if _is_hidden(state, parent))


def _is_hidden(state: RunState, parent: str) -> bool:
    known = state.steps.get(parent)
    if known is None or known.status is not Status.SUCCEEDED:
        return False
    return any(step_id in state.steps for step_id in state.added[parent].instances)


def shown_steps(state: RunState) -> list[StepState]:
    """In the order of the plan."""
    if not state.added:
        return list(state.steps.values())
    hidden = hidden_parents(state)
    return [known for step_id, known in state.steps.items() if step_id not in hidden]


def shown_dependencies(state: RunState, step: Step) -> list[str]:
    """What a step depends on: an instance also on what its matrix needed."""
    if not state.added:
        return list(step.dependencies)
    steps = {step_id: state.steps[step_id].step for step_id in state.added if step_id in state.steps}
    return [edge.on for edge in visible_edges(step, steps, hidden_parents(state))]
