"""The names that templates and expressions see during a run: built from the state, for one step at a time.

Only what a step depends on is visible, so a template cannot read a result that was not there when it was planned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from teamflow.core.added import own_name
from teamflow.core.ids import UNDECIDED, slug
from teamflow.core.outcome import Succeeded
from teamflow.core.plan import Json, Step
from teamflow.core.state import RunState, StepState
from teamflow.core.work import Left


def step_context(state: RunState, step: Step, *, run: Mapping[str, Json], attempt: int = 1) -> dict[str, Json]:
    """Context of a step's own templates: inputs, matrix, agents (its dependencies), run, step, env, secrets and
    feedback."""
    return {
        "inputs": state.plan.inputs,
        "matrix": step.matrix,
        "agents": _agents(state, _named(step), own=own_name(step.id)),
        "run": run,
        "step": {"id": step.id, "slug": slug(step.id), "agent": step.agent, "attempt": attempt},
        "env": dict(state.plan.env),
        "secrets": {source.name: source.name for source in state.plan.secrets},
        "feedback": feedback(state, step),
    }


def feedback(state: RunState, step: Step) -> Mapping[str, Json]:
    """What the step whose loop asked for the rework of this one had to say; empty texts at first."""
    known = state.steps.get(step.id)
    if known is None or known.feedback is None:
        return no_feedback(state, step)
    source, number, _ = known.feedback
    giver = state.steps.get(source) or state.removed.get(source)
    outcome = giver.attempts[number - 1].outcome if giver is not None else None
    if not isinstance(outcome, Succeeded):
        return {**no_feedback(state, step), "from": source}
    return {"from": source, "text": outcome.text or "", "outputs": outcome.outputs or {}}


def no_feedback(state: RunState, step: Step) -> dict[str, Json]:
    """What a step sees that no loop has opened again. Outputs are empty texts, so that a template may name them."""
    loops = [other for other in state.plan.steps if other.loop is not None] if step.reworked else []
    declared = (
        name for other in loops for name in (*other.outputs.schemas, *(file.name for file in other.outputs.files))
    )
    return {"from": "", "text": "", "outputs": dict.fromkeys(declared, "")}


def after_context(
    state: RunState,
    step: Step,
    *,
    run: Mapping[str, Json],
    outputs: Mapping[str, Json],
    text: str | None,
    attempt: int = 1,
) -> dict[str, Json]:
    """What a step's `loop.until` sees: as its own templates, and what the step has given."""
    return {**step_context(state, step, run=run, attempt=attempt), "outputs": outputs, "text": text or ""}


def team_context(state: RunState, *, run: Mapping[str, Json]) -> dict[str, Json]:
    """Context of the team's outputs: every step as it ended."""
    return {
        "inputs": state.plan.inputs,
        "agents": _agents(state, state.steps),
        "run": run,
        "env": dict(state.plan.env),
    }


def _named(step: Step) -> Iterable[str]:
    """What it may name: what it depends on, but not what it is an instance of."""
    return dict.fromkeys(name for name in (*step.dependencies, *step.refers) if name != step.parent)


def _agents(state: RunState, ids: Iterable[str], *, own: str = "") -> dict[str, Json]:
    """Agent → what is seen of it. `own`: the name of the instance that looks, which sees the results of the one that it
    is paired with as those of its agent."""
    agents: dict[str, Json] = {}
    instances: dict[str, dict[str, Json]] = {}
    for step_id in ids:
        agent, slash, instance = step_id.partition("/")
        if instance == UNDECIDED:
            instances.setdefault(agent, {})
            continue
        view = _seen(state, step_id)
        if slash:
            instances.setdefault(agent, {})[instance] = view
        else:
            agents[agent] = view
    for agent, views in instances.items():
        agents[agent] = {**_mapping(views.get(own)), "instances": views}
    for agent in state.plan.empty:
        agents[agent] = {"instances": {}}
    return agents


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _seen(state: RunState, step_id: str) -> dict[str, Json]:
    """A step of this run, of an earlier revision of it, or of the run that results were taken from."""
    known = state.steps.get(step_id) or state.removed.get(step_id)
    if known is not None:
        return _view(known)
    hit = state.taken.get(step_id)
    added = state.added.get(f"{step_id.partition('/')[0]}/{UNDECIDED}")
    return {
        "status": "cached" if hit else "pending",
        "text": (hit.text if hit else None) or "",
        "outputs": (hit.outputs if hit else None) or {},
        "artifacts": {made.name: made.path for made in hit.artifacts} if hit else {},
        "matrix": added.instances.get(step_id, {}) if added is not None else {},
        **_left(hit.left if hit else None),
    }


def _view(known: StepState) -> dict[str, Json]:
    return {
        "status": known.status.value,
        "text": known.text or "",
        "outputs": known.outputs,
        "artifacts": {artifact.name: artifact.path for artifact in known.artifacts},
        "matrix": known.step.matrix,
        **_left(known.left),
    }


def _left(left: Left | None) -> dict[str, Json]:
    """What a step left in a workspace that teamflow made; null where it works in none."""
    return {"diffstat": left.stat if left is not None else None, "branch": left.branch or None if left else None}
