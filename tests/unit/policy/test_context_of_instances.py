from __future__ import annotations

from teamflow.policy.context import step_context, team_context
from teamflow.team.template import render
from tests.fakes.runs import Run
from tests.fakes.teams import plan_of, step_of

TEAM = """
inputs: {s: array}
agents:
  build: {command: x, matrix: {i: inputs.s}}
  after: {command: [echo, "{{ agents.build.instances }}"]}
"""


def test_an_agent_without_instances_has_an_empty_map_of_them() -> None:
    run = Run(plan_of(TEAM, inputs={"s": []}))
    context = step_context(run.state, step_of(run.plan, "after"), run={})
    assert render("{{ agents.build.instances }}", context) == {}
    assert render("{{ agents.build.instances }}", team_context(run.state, run={})) == {}


def test_instances_are_seen_by_their_names() -> None:
    run = Run(plan_of(TEAM, inputs={"s": ["a", "b"]}))
    run.end("build/a", "succeeded")
    run.end("build/b", "succeeded")
    context = step_context(run.state, step_of(run.plan, "after"), run={})
    assert render("{{ agents.build.instances.b.text }}", context) == "text"
