"""The run-level part of a plan: limits, environment and secrets of the team, as plain data."""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.plan import Command, Deferred, Json, Limits, Plan, SecretSource, Step
from teamflow.plan.texts import static_env
from teamflow.team.areas import run_waits
from teamflow.team.loaded import LoadedTeam
from teamflow.team.model import Team
from teamflow.team.resolved import ResolvedLimits
from teamflow.team.template import is_template


def assemble(loaded: LoadedTeam, *, inputs: Mapping[str, Json], steps: tuple[Step, ...]) -> Plan:
    """The plan around `steps`; what depends on the selection, and the digest, are left empty."""
    team = loaded.team
    return Plan(
        team=loaded.name,
        description=team.description or "",
        file=loaded.file,
        digest="",
        inputs=dict(inputs),
        steps=steps,
        limits=_limits(loaded.limits),
        env=tuple(static_env(team_env(loaded), inputs).items()),
        env_files=tuple(team.env_file or ()),
        secrets=secret_sources(team),
        inherit_env=tuple(team.inherit_env or ()),
        outputs=(),
        files=dict(loaded.files),
        selected=None,
        waits=run_waits(loaded),
        critical_path=(),
        hooks=_hooks(team),
        engines=loaded.engines,
    )


def team_env(loaded: LoadedTeam) -> dict[str, str]:
    """The team's own variables, as templates."""
    return {name: str(value) for name, value in (loaded.team.env or {}).items()}


def _hooks(team: Team) -> tuple[tuple[str, Command], ...]:
    if team.hooks is None:
        return ()
    given = ((name, getattr(team.hooks, name)) for name in type(team.hooks).model_fields)
    return tuple((name, _hook(command)) for name, command in given if command is not None)


def _hook(command: str | tuple[str, ...]) -> Command:
    """The words of a list are rendered when it is started: `run` is known only then."""
    if isinstance(command, str):
        return Command(command)
    return Command(None, tuple(Deferred(word) if is_template(word) else word for word in command))


def _limits(limits: ResolvedLimits) -> Limits:
    return Limits(
        max_parallel=limits.max_parallel,
        engines=dict(limits.engines),
        timeout=limits.timeout,
        orphan_after=limits.orphan_after,
        log_size=limits.log_size,
        max_steps=limits.max_steps,
        on_usage_limit=limits.on_usage_limit,
        max_wait=limits.max_wait,
        budget=limits.budget,
        day=limits.day,
        on_overlap=limits.on_overlap,
    )


def secret_sources(team: Team) -> tuple[SecretSource, ...]:
    """Where the values of the team's secrets come from."""
    found = []
    for name, source in (team.secrets or {}).items():
        if source.env is not None:
            found.append(SecretSource(name, "env", source.env))
        elif source.file is not None:
            found.append(SecretSource(name, "file", source.file))
    return tuple(found)
