"""Small plans for tests of what comes after planning: heights and levels are worked out here, independently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from teamflow.core.plan import Command, Edge, Expansion, Limits, Outputs, Plan, Retry, Step


def make_step(
    step_id: str,
    *,
    needs: Sequence[str] | Mapping[str, str] = (),
    engine: str = "command",
    kind: str = "command",
    shell: str | None = "/bin/true",
    retry: Retry | None = None,
    cache: bool = False,
    skip: str | None = None,
    continue_on_error: bool = False,
    **changes: object,
) -> Step:
    edges = needs if isinstance(needs, Mapping) else dict.fromkeys(needs, "succeeded")
    step = Step(
        id=step_id,
        agent=step_id.partition("/")[0],
        kind=kind,
        engine=engine,
        model=None,
        command=Command(shell) if kind == "command" else None,
        prompt=None if kind == "command" else "do it",
        instructions="",
        script=None,
        edges=tuple(Edge(on, when, "depends_on") for on, when in edges.items()),
        condition=None,
        skip=skip,
        matrix={},
        env=(),
        secrets=(),
        inherit_env=(),
        target="local",
        workspace="project",
        workdir="",
        permissions="",
        setup=None,
        verify=(),
        outputs=Outputs(),
        reads=None,
        writes=(),
        cache=cache,
        key="k-" + step_id,
        needs_text=(),
        text_used=False,
        timeout=None,
        idle_timeout=None,
        grace=10.0,
        retry=retry or Retry(),
        isolation=None,
        continue_on_error=continue_on_error,
        level=0,
        height=1,
        waits=(),
        expansion=Expansion() if step_id.endswith("/?") else None,
    )
    return step._replace(**changes)


def make_plan(
    steps: Sequence[Step], *, limits: Limits | None = None, outputs: tuple[tuple[str, str], ...] = ()
) -> Plan:
    """Steps must come in topological order."""
    heights: dict[str, int] = {}
    for step in reversed(steps):
        dependents = [s.id for s in steps if step.id in s.dependencies]
        heights[step.id] = 1 + max((heights[name] for name in dependents), default=0)
    levels: dict[str, int] = {}
    for step in steps:
        levels[step.id] = 1 + max((levels[name] for name in step.dependencies), default=-1)
    return Plan(
        team="t",
        description="",
        file="team.yaml",
        digest="d",
        inputs={},
        steps=tuple(s._replace(height=heights[s.id], level=levels[s.id]) for s in steps),
        limits=limits or Limits(),
        env=(),
        env_files=(),
        secrets=(),
        inherit_env=(),
        outputs=(),
        files={},
        selected=None,
        waits=(),
        critical_path=(),
    )
