"""What `plan` says of values that this machine lacks: secrets, without which `run` refuses, and variables that MCP
servers refer to, without which their steps fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from teamflow.core.plan import Plan


def unset_notes(plan: Plan, *, root: str, environ: Mapping[str, str]) -> list[str]:
    """Sentences; none of them holds a value."""
    return [*_secrets(plan, root=root, environ=environ), *_variables(plan, root=root, environ=environ)]


def _secrets(plan: Plan, *, root: str, environ: Mapping[str, str]) -> Iterator[str]:
    if any(step.secrets for step in plan.steps):
        from teamflow.app.secrets import gather_secrets

        for problem in gather_secrets(plan, root=root, environ=environ).problems:
            yield f"{problem}: run will not start without it"


def _variables(plan: Plan, *, root: str, environ: Mapping[str, str]) -> Iterator[str]:
    if any(step.means.servers for step in plan.steps):
        from teamflow.app.secrets import gather_secrets
        from teamflow.plan.variables import unset

        there = {**environ, **gather_secrets(plan, root=root, environ=environ).env_files}
        for step, server, variable in unset(plan, there):
            yield f"the MCP server {server} of {step.agent} refers to {variable}, which is not set here"
