"""The names that templates and expressions see during a run: built from the state, for one step at a time.

Only what a step depends on is visible, so a template cannot read a result that was not there when it was planned.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.ids import slug
from teamflow.core.plan import Json, Step
from teamflow.core.state import RunState, StepState


def step_context(state: RunState, step: Step, *, run: Mapping[str, Json], attempt: int = 1) -> dict[str, Json]:
    """Context of a step's own templates: inputs, matrix, agents (its dependencies), run, step, env, secrets."""
    return {
        "inputs": state.plan.inputs,
        "matrix": step.matrix,
        "agents": _agents(state, [edge.on for edge in step.edges]),
        "run": run,
        "step": {"id": step.id, "slug": slug(step.id), "agent": step.agent, "attempt": attempt},
        "env": dict(state.plan.env),
        "secrets": {source.name: source.name for source in state.plan.secrets},
    }


def team_context(state: RunState, *, run: Mapping[str, Json]) -> dict[str, Json]:
    """Context of the team's outputs: every step as it ended."""
    return {
        "inputs": state.plan.inputs,
        "agents": _agents(state, list(state.steps)),
        "run": run,
        "env": dict(state.plan.env),
    }


def _agents(state: RunState, ids: list[str]) -> dict[str, Json]:
    agents: dict[str, Json] = {}
    instances: dict[str, dict[str, Json]] = {}
    for step_id in ids:
        known = state.steps[step_id]
        agent, slash, instance = step_id.partition("/")
        if slash:
            instances.setdefault(agent, {})[instance] = _view(known)
        else:
            agents[agent] = _view(known)
    for agent, views in instances.items():
        agents[agent] = {"instances": views}
    for agent in state.plan.empty:
        agents[agent] = {"instances": {}}
    return agents


def _view(known: StepState) -> dict[str, Json]:
    return {
        "status": known.status.value,
        "text": known.text or "",
        "outputs": known.outputs,
        "artifacts": {artifact.name: artifact.path for artifact in known.artifacts},
        "matrix": known.step.matrix,
        "diffstat": None,
        "branch": None,
    }
