"""Plans of a size that only machines write: processor time and memory of a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
from tests.fakes.teams import load_team
from tests.fakes.yardstick import measured
from teamflow.plan.explain import preview
from teamflow.plan.planner import make_plan
from teamflow.views.plan import plan_json, plan_text

shape, count = sys.argv[1], int(sys.argv[2])
def agent(i):
    if shape == "chain":
        return f"  s{i}: {{command: 'echo {i}'" + (f", depends_on: [s{i - 1}]" if i else "") + "}\\n"
    if shape == "mixed" and i:
        needs = f"prompt: 'Do {i % 20} for {{{{ inputs.n }}}} with {{{{ agents.s{i - 1}.text }}}}'"
        return f"  s{i}: {{{needs}, reads: [src/{i}], env: {{N: '{i}'}}, depends_on: [s{i // 2}]}}\\n"
    return f"  s{i}: {{command: 'echo {i}'}}\\n"
text = "inputs: {n: string}\\nagents:\\n" + "".join(agent(i) for i in range(count))
if shape == "fan":
    text += "  end: {command: x, depends_on: [" + ", ".join(f"s{i}" for i in range(count)) + "]}\\n"
team = load_team(text)
team.resolved
(plan, found), rounds = measured(lambda: make_plan(team, inputs={"n": "v"}, git=True))
assert plan is not None, list(found)
shown = preview(plan)
lines = plan_text(shown, columns=100).splitlines()
plan_json(shown)
print(json.dumps({
    "steps": len(plan.steps), "levels": len(shown.levels), "rounds": rounds, "widest": max(map(len, lines)),
    "megabytes": int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) // 1024,
}))
"""


def _measured(shape: str, count: int) -> dict[str, float]:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, shape, str(count)], check=True, capture_output=True, text=True, timeout=60
    )
    found: dict[str, float] = json.loads(run.stdout)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "steps", "levels"), [("chain", 10_000, 10_000), ("fan", 10_001, 2)])
def test_ten_thousand_steps(shape: str, steps: int, levels: int) -> None:
    # Measured: 60 million rounds (0.6 s) and 140 MB.
    found = _measured(shape, 10_000)
    assert (found["steps"], found["levels"]) == (steps, levels)
    assert found["widest"] <= 100
    assert found["rounds"] < 200
    assert found["megabytes"] < 300


@pytest.mark.slow
def test_two_thousand_agents_with_templates() -> None:
    # Measured: 19 million rounds (0.2 s).
    assert _measured("mixed", 2_000)["rounds"] < 80
