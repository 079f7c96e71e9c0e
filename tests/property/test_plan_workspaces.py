"""Random teams: a step works in what dependencies have left exactly when a worktree reaches it along its edges."""

from __future__ import annotations

import json
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from teamflow.core.plan import Json, Plan, Step
from teamflow.plan.selection import Selection
from tests.fakes.teams import plan_of

KINDS: tuple[dict[str, Json], ...] = (
    {"prompt": "x"},
    {"prompt": "x", "permissions": "read"},
    {"command": "x"},
    {"command": "x", "matrix": [1, 2]},
    {"ask": "Go?"},
    {"command": "x", "workspace": {"mode": "shared"}},
    {"prompt": "x", "workspace": {"mode": "shared"}},
    {"command": "x", "workspace": {"mode": "worktree"}},
)
OWN = ({"prompt": "x"}, {"command": "x", "workspace": {"mode": "worktree"}})


def team_of(seed: int) -> dict[str, dict[str, Json]]:
    chance = Random(seed)
    team: dict[str, dict[str, Json]] = {}
    for number in range(chance.randrange(1, 14)):
        before = [name for name in team if chance.random() < 0.3]
        team[f"a{number}"] = {**chance.choice(KINDS), "depends_on": list(before)}
    return team


def reached(step: Step, plan: Plan, team: dict[str, dict[str, Json]]) -> bool:
    """By a search upward from the step, through what passes on what it got."""
    steps, todo, seen = plan.by_id(), list(step.dependencies), set[str]()
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        agent = {key: value for key, value in team[steps[at].agent].items() if key != "depends_on"}
        if agent in OWN:
            return True
        if "workspace" not in agent:
            todo += steps[at].dependencies
    return False


@given(st.integers(0, 10**9))
@settings(max_examples=150, deadline=None)
def test_where_steps_work(seed: int) -> None:
    team = team_of(seed)
    text = json.dumps({"agents": team})
    plan = plan_of(text, git=True)
    for step in plan.steps:
        agent = {key: value for key, value in team[step.agent].items() if key != "depends_on"}
        if agent in OWN:
            expected = "worktree"
        elif "workspace" in agent:
            expected = "project"
        else:
            expected = "dependency" if reached(step, plan, team) else "project"
        assert step.workspace == expected, step.id
        assert (step.tree is not None) == (expected == "worktree")
    chosen = Random(seed).choice(plan.steps)
    part = plan_of(text, git=True, selection=Selection(since=(chosen.id,)))
    assert part.by_id()[chosen.id].workspace == chosen.workspace
