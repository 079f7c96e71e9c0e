"""What is asked of `run` that it cannot do: keys that wait for a later version, steps that are not there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from teamflow.app.brought import engine_problem, foreign_engines
from teamflow.core.plan import Plan

if TYPE_CHECKING:
    from teamflow.store.sqlite import Database


def refused(plan: Plan) -> str:
    """Why this version cannot run the plan, all of it at once; empty when it can."""
    lines = [f"  {key}: waits for {area}" for key, area in plan.waits]
    by_key: dict[tuple[str, str], list[str]] = {}
    for step in plan.steps:
        for key, area in step.waits:
            by_key.setdefault((key, area), []).append(step.id)
    for (key, area), steps in by_key.items():
        more = f" and {len(steps) - 3} more" if len(steps) > 3 else ""
        lines.append(f"  {', '.join(steps[:3])}{more}: {key}: waits for {area}")
    if not lines:
        return _engines_gone(plan)
    head = f"{plan.file} cannot run yet: it uses keys that this version plans but does not act on."
    return "\n".join([head, *lines, "Leave these out, or select steps without them (teamflow run STEP)."])


def _engines_gone(plan: Plan) -> str:
    """A saved plan, or `--set`, may name engines that nobody has checked."""
    found = [f"  {name}: {problem}" for name in foreign_engines(plan) if (problem := engine_problem(name))]
    return "\n".join([f"{plan.file} cannot run: it needs engines that are not there.", *found]) if found else ""


def unknown_force(plan: Plan, names: Sequence[str]) -> str:
    """What is wrong with the names of `--force`; empty when each is a step or an agent of the plan."""
    known = {step.id for step in plan.steps} | {step.agent for step in plan.steps}
    late = {step.agent for step in plan.steps if step.expansion is not None}
    unknown = [name for name in names if name not in known and name.partition("/")[0] not in late]
    if not unknown:
        return ""
    from teamflow.core.diagnostics import did_you_mean

    hints = [hint for name in unknown if (hint := did_you_mean(name, known))]
    return "\n".join([f"--force: this run has no step {', '.join(unknown)}", *(f"  {hint}" for hint in hints)])


def played_once(database: Database, number: int | None) -> str:
    """Why no agent goes on with that run: it is a replay; empty where it is none."""
    row = database.run(number) if number is not None else None
    if row is None or not row.replay:
        return ""
    from teamflow.app.replaying import goes_on

    return f"run {row.number}: no agent goes on with it\n  {goes_on(database.layout, row.number, row.replay)}"
