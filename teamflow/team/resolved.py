"""What a team means once every setting is settled: the words the planner reads. Plain data, no pydantic.

Decides nothing: `team/resolve.py` fills these in from the file. Templates are still unrendered text here,
because what they name (inputs, a matrix instance) is only known to the planner and the runner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from teamflow.core.permissions import Permissions as Permissions
from teamflow.core.plan import Caps, DiffPolicy, Guards, Json

Kind = Literal["prompt", "command", "ask"]
Condition = Literal["succeeded", "failed", "finished", "passed"]


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """`engine/model` of the file, taken apart; `model` None lets the engine choose."""

    name: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """What `engine: scripted` plays: a file's path relative to the project, and its value as JSON."""

    path: str
    value: Json


@dataclass(frozen=True, slots=True)
class PromptWork:
    """Work for an agent CLI. `text` is a template; `engines` is a fallback chain, never empty."""

    text: str
    engines: tuple[EngineChoice, ...]
    instructions: str
    permissions: Permissions
    script: Script | None
    mcp_servers: Mapping[str, Json]
    subagents: tuple[str, ...]
    isolate: bool = False
    base_url: str = ""
    """Without `/v1`; empty: the engine's own."""


@dataclass(frozen=True, slots=True)
class CommandWork:
    """A process: a string runs under `sh -c` and holds no template, a tuple is an argv of templates."""

    command: str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskWork:
    """A question to a person (template). No options: an approval. `default` answers after the timeout."""

    question: str
    options: tuple[str, ...]
    default: str | None


Work = PromptWork | CommandWork | AskWork


@dataclass(frozen=True, slots=True)
class Matrix:
    """Instances of an agent. Either `pairs_with` (one per instance of that agent) or `axes`.

    An axis is a tuple of values or the source of an expression that gives a list. A bare list or
    expression in the file is the one axis `item`.
    """

    axes: Mapping[str, tuple[Json, ...] | str] = field(default_factory=dict)
    pairs_with: str | None = None


@dataclass(frozen=True, slots=True)
class FileOutput:
    """An output that is a file of the workspace; `path` is a template."""

    path: str


@dataclass(frozen=True, slots=True)
class SchemaOutput:
    """An output that is a JSON value; `schema` is JSON Schema with the shorthand expanded."""

    schema: Mapping[str, Json]


Output = FileOutput | SchemaOutput


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`attempts` is the total; `delay` and `max_delay` are seconds."""

    attempts: int
    backoff: Literal["exponential", "linear", "fixed"]
    delay: float
    max_delay: float


@dataclass(frozen=True, slots=True)
class WorkspacePolicy:
    """Where a step works. `auto`: decided by kind, permissions, dependencies and whether the project is in git.

    `copy`, `sparse`: nothing and False where no workspace will be made for the step alone.
    """

    mode: Literal["auto", "shared", "worktree", "clone"]
    setup: str | None
    copy: tuple[str, ...]
    sparse: bool
    keep: Literal["always", "on_failure", "never"]
    repo: str | None
    declared: bool
    """Whether the file wrote `mode` out."""


@dataclass(frozen=True, slots=True)
class LoopPolicy:
    """`until` is an expression; at most `max` rounds; `rework` is the agent whose step is reopened."""

    until: str
    max: int
    rework: str


@dataclass(frozen=True, slots=True)
class TargetChoice:
    """A target by name, or any that has all labels."""

    name: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResolvedAgent:
    """One agent with all settings merged. Times are seconds; None there means no limit.

    `reads` None: not declared, so every unignored file of the project counts. `env` holds the team's
    environment as well, with this agent's on top; values are templates.
    """

    name: str
    work: Work
    description: str
    depends_on: Mapping[str, Condition]
    matrix: Matrix | None
    condition: str | None
    reads: tuple[str, ...] | None
    writes: tuple[str, ...] | None
    cache: bool
    env: Mapping[str, str]
    secrets: tuple[str, ...]
    timeout: float | None
    idle_timeout: float | None
    grace: float
    retry: RetryPolicy
    verify: tuple[str, ...]
    outputs: Mapping[str, Output]
    loop: LoopPolicy | None
    workspace: WorkspacePolicy
    diff: DiffPolicy | None
    """None where no workspace will be made for the step alone."""
    workdir: str | None
    isolation: Literal["default", "pidns"]
    target: TargetChoice
    continue_on_error: bool
    skip_if_verified: bool
    on_failure: Literal["stop", "escalate"]
    budget: Caps
    guards: Guards
    max_failures: int | None
    persona: str | None
    startable: bool
    """False for `start: never`: only ever a sub-agent or a resolver, never a step of its own."""
    pr: Mapping[str, Json] | None
    """The pull-request policy with its `extends` chain merged; None opens none."""
    on_conflict: str | None = None
    """The agent that mends what its dependencies have left, where that does not merge."""

    @property
    def kind(self) -> Kind:
        match self.work:
            case PromptWork():
                return "prompt"
            case CommandWork():
                return "command"
            case AskWork():
                return "ask"


@dataclass(frozen=True, slots=True)
class ResolvedLimits:
    """Limits of a run. `max_parallel` None: number of cores. Times are seconds, `log_size` bytes.

    `orphan_after` None: a keeper waits for a runner for ever.
    """

    max_parallel: int | None
    engines: Mapping[str, int]
    budget: Caps
    day: Caps
    timeout: float | None
    max_steps: int | None
    on_usage_limit: Literal["wait", "next", "stop"] | None
    max_wait: float
    orphan_after: float | None
    log_size: int
    on_overlap: Literal["warn", "pause"]
