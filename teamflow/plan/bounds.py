"""What a plan may not be: larger than anybody means, or with two steps of one directory name.

Looks at step ids only, before any step is made. The limits are far above what people write by hand; a product of
two matrices reaches them easily, and would stop the machine rather than the plan.
"""

from __future__ import annotations

from teamflow.core.diagnostics import Diagnostics
from teamflow.core.ids import slug
from teamflow.plan.instances import MAX_EDGES, MAX_STEPS
from teamflow.plan.placing import Agents
from teamflow.team.loaded import LoadedTeam


def check_bounds(agents: Agents, loaded: LoadedTeam, found: Diagnostics) -> None:
    """Complains about too many steps or edges, and about ids that share a slug."""
    steps = sum(map(len, agents.instances.values()))
    if steps > MAX_STEPS:
        largest = max(agents.instances, key=lambda name: len(agents.instances[name]))
        span = loaded.value_span("agents", largest, "matrix")
        found.error("plan-too-large", f"this plan has {steps} steps; at most {MAX_STEPS} are planned", span)
        return
    pairs = agents.pairs
    edges = {name: _edges(name, agents, partner=pairs.get(name)) for name in agents.instances}
    if sum(edges.values()) > MAX_EDGES:
        largest = max(edges, key=edges.__getitem__)
        message = f"this plan has {sum(edges.values())} dependencies between steps; at most {MAX_EDGES} are planned"
        hint = "put one agent without a matrix between the two: each instance then waits for that one step"
        found.error("plan-too-large", message, loaded.key_span("agents", largest), hint=hint)
        return
    _check_slugs(agents, loaded, found)


def _edges(name: str, agents: Agents, *, partner: str | None) -> int:
    each = (1 if other == partner else len(agents.instances.get(other, ())) for other in agents.needs[name])
    return len(agents.instances[name]) * sum(each)


def _check_slugs(agents: Agents, loaded: LoadedTeam, found: Diagnostics) -> None:
    """Two ids may differ and still share a slug: `a/b` and `a--b`. Their logs would lie in one directory."""
    taken: dict[str, str] = {}
    for name, instances in agents.instances.items():
        for step_id in instances:
            other = taken.setdefault(slug(step_id).casefold(), step_id)
            if other != step_id:
                message = f"{other} and {step_id} would share the directory name {slug(step_id)}"
                span = loaded.key_span("agents", name)
                found.error("same-slug", message, span, hint="rename one of them, without -- in it")
