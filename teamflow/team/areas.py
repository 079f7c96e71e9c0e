"""Which keys of the team file work, and which wait for a later version: one table, and who uses them.

Decides what `run` refuses: every key that the model has stands here, with WORKS or the area that it waits for; a
test compares the two. Refuses to know about selection: callers name the agents that would run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.team.loaded import LoadedTeam
from teamflow.team.model import Agent, Team
from teamflow.team.resolved import ResolvedAgent

WORKS: Final = "works"

SSH = "SSH targets"
PULL_REQUESTS = "pull requests"
SUB_AGENTS = "sub-agents"

TEAM: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("version", "name", "description", "include", "env", "env_file", "inherit_env", "secrets", "inputs"), WORKS
    ),
    **dict.fromkeys(("secrets.*.env", "secrets.*.file", "defaults", "personas", "agents", "outputs", "limits"), WORKS),
    **dict.fromkeys(("limits.max_parallel", "limits.engines", "limits.timeout", "limits.orphan_after"), WORKS),
    **dict.fromkeys(("limits.log_size", "limits.max_steps", "limits.on_overlap"), WORKS),
    **dict.fromkeys(("limits.budget", "limits.budget.usd", "limits.budget.tokens", "limits.budget.day"), WORKS),
    **dict.fromkeys(("limits.budget.day.usd", "limits.budget.day.tokens"), WORKS),
    **dict.fromkeys(("limits.on_usage_limit", "limits.max_wait"), WORKS),
    **dict.fromkeys(("targets", "targets.*.ssh", "targets.*.work_root", "targets.*.capacity"), SSH),
    **dict.fromkeys(("targets.*.labels", "targets.*.bootstrap"), SSH),
    **dict.fromkeys(("pr_policies", "pr_policies.*.extends", "pr_policies.*.base"), PULL_REQUESTS),
    **dict.fromkeys(("pr_policies.*.branch", "pr_policies.*.title", "pr_policies.*.body"), PULL_REQUESTS),
    **dict.fromkeys(("pr_policies.*.draft", "pr_policies.*.labels", "pr_policies.*.reviewers"), PULL_REQUESTS),
    **dict.fromkeys(("pr_policies.*.feedback", "pr_policies.*.feedback.watch"), PULL_REQUESTS),
    **dict.fromkeys(("pr_policies.*.feedback.agent", "pr_policies.*.feedback.max_rounds"), PULL_REQUESTS),
    **dict.fromkeys(("engines", "engines.*.command", "engines.*.prompt", "engines.*.long_prompt"), WORKS),
    **dict.fromkeys(("engines.*.output", "engines.*.message", "engines.*.error", "engines.*.session"), WORKS),
    **dict.fromkeys(("engines.*.usage", "engines.*.usage.input_tokens", "engines.*.usage.output_tokens"), WORKS),
    **dict.fromkeys(("engines.*.usage.usd", "engines.*.resume", "engines.*.model", "engines.*.env"), WORKS),
    **dict.fromkeys(("engines.*.inherit_env", "engines.*.calls", "engines.*.engine", "engines.*.base_url"), WORKS),
    **dict.fromkeys(("engines.*.failures", "engines.*.failures.usage_exhausted"), WORKS),
    **dict.fromkeys(("engines.*.failures.rate_limit", "engines.*.failures.auth"), WORKS),
    **dict.fromkeys(("engines.*.failures.rejected", "engines.*.failures.fatal"), WORKS),
    "engines.*.failures.transient": WORKS,
    **dict.fromkeys(("hooks", "hooks.before_run", "hooks.after_run", "hooks.before_step", "hooks.after_step"), WORKS),
    **dict.fromkeys(("hooks.succeeded", "hooks.failed", "hooks.needs_user"), WORKS),
}
"""Keys of the team by path; `*` stands for any name. Keys of agents are in AGENT."""

AGENT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("prompt", "prompt.file", "command", "description", "instructions", "persona", "file"), WORKS),
    **dict.fromkeys(("engine", "script", "permissions", "depends_on", "matrix", "if", "reads", "cache"), WORKS),
    "max_failures": WORKS,
    **dict.fromkeys(("env", "secrets", "timeout", "idle_timeout", "grace", "verify", "outputs"), WORKS),
    **dict.fromkeys(("retry", "retry.attempts", "retry.backoff", "retry.delay", "retry.max_delay"), WORKS),
    **dict.fromkeys(("continue_on_error", "workspace", "workspace.mode", "workspace.setup", "workdir"), WORKS),
    **dict.fromkeys(("isolation", "target", "start", "model", "base_url", "writes"), WORKS),
    **dict.fromkeys(("loop", "loop.until", "loop.max", "loop.rework", "skip_if_verified"), WORKS),
    **dict.fromkeys(
        ("workspace.copy", "workspace.keep", "workspace.sparse", "diff", "diff.max_lines", "diff.forbid"), WORKS
    ),
    "on_conflict": WORKS,
    "workspace.repo": WORKS,
    "target.labels": SSH,
    **dict.fromkeys(("mcp_servers", "mcp_servers.*.type", "mcp_servers.*.command"), WORKS),
    **dict.fromkeys(("mcp_servers.*.args", "mcp_servers.*.env", "mcp_servers.*.url"), WORKS),
    **dict.fromkeys(("mcp_servers.*.headers", "permissions.run", "permissions.edit", "permissions.net"), WORKS),
    **dict.fromkeys(("permissions.ask", "isolate"), WORKS),
    "subagents": SUB_AGENTS,
    **dict.fromkeys(("ask", "options", "default"), WORKS),
    "on_failure": WORKS,
    **dict.fromkeys(("budget", "budget.usd", "budget.tokens"), WORKS),
    **dict.fromkeys(("guards", "guards.same_failure", "guards.no_progress", "guards.turns", "guards.calls"), WORKS),
    **dict.fromkeys(("guards.ping_pong", "guards.same_findings"), WORKS),
    "pr": PULL_REQUESTS,
    **{
        f"pr.{key.removeprefix('pr_policies.*.')}": area
        for key, area in TEAM.items()
        if key.startswith("pr_policies.*.")
    },
}
"""Keys of an agent, a persona or `defaults`."""


class Waiting(NamedTuple):
    """A key in use that waits. `agent` None: it concerns the whole run. `path` is that of the model, for spans."""

    path: tuple[str | int, ...]
    area: str
    agent: str | None
    message: str
    """What to tell the user: the key and what it waits for, or what to write instead."""

    @property
    def key(self) -> str:
        """The key as people write it: `limits.budget`, `loop`."""
        parts = self.path[2:] if self.agent is not None and self.path[0] != "defaults" else self.path
        return ".".join(map(str, parts))


def area_of(key: str, *, agent: bool) -> str:
    """WORKS or the area for a key path (`*` for names). Raises KeyError for what is no key."""
    return (AGENT if agent else TEAM)[key]


def waiting(loaded: LoadedTeam, agents: Iterable[str]) -> list[Waiting]:
    """Every key in use that waits: run-level ones always, agents' ones for `agents` (those of the steps to run)."""
    found = list(_run_level(loaded.team))
    for name in agents:
        agent = loaded.resolved.get(name)
        if agent is not None:
            found.extend(_agent_level(loaded, name, agent))
    return found


def run_waits(loaded: LoadedTeam) -> tuple[tuple[str, str], ...]:
    """(key, area) of the run-level keys in use that wait, for the plan."""
    return tuple((item.key, item.area) for item in _run_level(loaded.team))


def agent_waits(loaded: LoadedTeam, agent: ResolvedAgent) -> tuple[tuple[str, str], ...]:
    """(key, area) of one agent's keys in use that wait, for the plan; `agent` as the command line has settled it."""
    found = _agent_level(loaded, agent.name, agent)
    return tuple(dict.fromkeys((item.key, item.area) for item in found))


def _run_level(team: Team) -> Iterator[Waiting]:
    if team.limits is not None:
        for key in sorted(team.limits.model_fields_set):
            area = TEAM[f"limits.{key}"]
            if area != WORKS:
                yield _waits(("limits", key), area, None)


def _waits(path: tuple[str | int, ...], area: str, agent: str | None, message: str | None = None) -> Waiting:
    item = Waiting(path, area, agent, message or "")
    return item if message else item._replace(message=f"{item.key} waits for {area}")


def _agent_level(loaded: LoadedTeam, name: str, agent: ResolvedAgent) -> Iterator[Waiting]:
    for layer, prefix in _layers(loaded.team, name):
        yield from _layer(layer, prefix, name, agent)
    yield from _special(loaded, name, agent)


def _layers(team: Team, name: str) -> Iterator[tuple[Agent, tuple[str, ...]]]:
    agent = team.agents[name]
    yield agent, ("agents", name)
    persona = agent.persona or (team.defaults.persona if team.defaults else None)
    if persona is not None and persona in (team.personas or {}):
        yield (team.personas or {})[persona], ("personas", persona)
    if team.defaults is not None:
        yield team.defaults, ("defaults",)


_OF_PROMPTS = frozenset(("subagents",))
_SPECIAL = frozenset(("permissions", "workspace", "target", "start", "pr"))
"""Keys whose value decides; `_special` looks at what they came to."""


def _layer(layer: Agent, prefix: tuple[str, ...], name: str, agent: ResolvedAgent) -> Iterator[Waiting]:
    for field in sorted(layer.model_fields_set):
        key = field.rstrip("_")
        value = getattr(layer, field)
        if key in _SPECIAL or AGENT[key] == WORKS or value is None or _is_off(key, value):
            continue
        if key in _OF_PROMPTS and agent.kind != "prompt":
            continue
        yield _waits((*prefix, key), AGENT[key], name)


def _is_off(key: str, value: object) -> bool:
    """A value that asks for what happens anyway."""
    return value is False or value in ((), {})


def _special(loaded: LoadedTeam, name: str, agent: ResolvedAgent) -> Iterator[Waiting]:
    own = ("agents", name)
    if not agent.startable and all(other.on_conflict != name for other in loaded.resolved.values()):
        yield _waits((*own, "start"), SUB_AGENTS, name)
    if agent.pr is not None or loaded.team.agents[name].pr:
        yield _waits((*own, "pr"), PULL_REQUESTS, name)
    if agent.target.name != "local":
        yield _waits((*own, "target"), SSH, name)
