"""The plan: what would run, as plain data. Made by `plan/`, stored with the run, read by everything after.

NamedTuples, not dataclasses: a plan of thousands of steps is loaded from a marshal cache on every start, and
this is several times faster (docs/decisions/0003). Every value is a scalar, a tuple, a dict or a list of those.
Decides nothing. Durations are seconds, sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from teamflow.core.chain import EngineDefinition as EngineDefinition
from teamflow.core.chain import Fallback as Fallback
from teamflow.core.chain import account_of, is_program
from teamflow.core.limited import account
from teamflow.core.named import NamedTuple
from teamflow.core.permissions import NO_MEANS, Means

LONGEST_DURATION: Final = 3650 * 86_400.0
"""Seconds: ten years. Moments that lie farther off have no date."""

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


class Deferred(NamedTuple):
    """A template that names something known only once dependencies have ended; rendered at the attempt."""

    template: str


Text: TypeAlias = str | Deferred

COMMAND: Final = "command"
PROMPT: Final = "prompt"
ASK: Final = "ask"


APART: Final = "apart"
"""Of an edge that a run has added: what the other step comes to does not matter, only that it does not run."""


class Edge(NamedTuple):
    """One dependency of a step. `when`: succeeded | failed | finished | passed, or APART.

    `why` is what `plan` prints.
    """

    on: str
    when: str
    why: str


class Retry(NamedTuple):
    """`attempts` is the total; delays in seconds; backoff: exponential | linear | fixed."""

    attempts: int = 1
    backoff: str = "exponential"
    delay: float = 1.0
    max_delay: float = 300.0


class OutputFile(NamedTuple):
    """An output that is a file below the workspace root."""

    name: str
    path: Text


class Outputs(NamedTuple):
    """What a step must hand over: files, and a JSON Schema per named value (empty: none)."""

    files: tuple[OutputFile, ...] = ()
    schemas: Mapping[str, Json] = {}


class Command(NamedTuple):
    """A process to start: `shell` runs under `sh -c`; else `argv`. Exactly one is set."""

    shell: str | None
    argv: tuple[Text, ...] = ()


class Ask(NamedTuple):
    """What a step asks a person, beside its text. No options: an approval, which has no default."""

    options: tuple[str, ...] = ()
    default: str | None = None
    """The answer when nobody has answered within the step's `timeout`."""


class Loop(NamedTuple):
    """Rounds of a step: until `until` (an expression) holds, at most `max`; each reopens the agent `rework`."""

    until: str
    max: int
    rework: str


class Expansion(NamedTuple):
    """What a step stands for whose instances only a run can name: a matrix over results of other steps.

    `axes`: (name, list of values or the source of an expression that gives one). `pairs_with`: the step of this kind
    that it has one instance for each instance of; then there are no axes.
    """

    axes: tuple[tuple[str, Json], ...] = ()
    pairs_with: str | None = None
    whole: bool = False
    """Whether its texts name all instances of the one that it is paired with: each of its own then depends on all."""
    for_matrix: tuple[str, ...] = ()
    """Dependencies that nothing but the matrix names: its instances are none of their dependents."""
    condition: str | None = None
    """`if`, where it names nothing of an instance: it is asked once, before the matrix has a value."""
    most: int | None = None
    """How many instances there can be, as far as the plan tells."""
    only: tuple[str, ...] | None = None
    """Names of the instances that are selected; None: all."""


class Caps(NamedTuple):
    """At most so many US dollars and tokens (read and written together); None: no limit."""

    usd: float | None = None
    tokens: float | None = None


NO_CAPS: Final = Caps()


class Guards(NamedTuple):
    """When work goes round in circles. 0 and None: not looked at. `no_progress` in seconds."""

    same_failure: int = 0
    no_progress: float | None = None
    turns: int | None = None
    calls: int | None = None
    ping_pong: int = 0
    same_findings: int = 0


NO_GUARDS: Final = Guards()


FORBIDDEN: Final = ("deleted_tests", "new_dependency", "binary")
"""What `diff.forbid` knows."""


class DiffPolicy(NamedTuple):
    """What the changes of a step may not be. `max_lines`: added and deleted ones together. `forbid`: of FORBIDDEN."""

    max_lines: int | None = None
    forbid: tuple[str, ...] = ()


class Tree(NamedTuple):
    """How a workspace that teamflow makes is made ready, judged, and taken away."""

    copy: tuple[Text, ...] = ()
    keep: str = "on_failure"
    """always | on_failure | never"""
    sparse: bool = False
    """Only what `reads` and `writes` name is checked out."""
    repo: Text | None = None
    diff: DiffPolicy | None = None


class Step(NamedTuple):
    """One planned instance of an agent. Fields that `run` does not act on yet are in `waits`."""

    id: str
    agent: str
    kind: str
    engine: str
    """`command` for commands, else the engine's name."""
    model: str | None
    command: Command | None
    prompt: Text | None
    instructions: str
    script: Json
    """What `engine: scripted` plays: a list of actions; None for others."""
    edges: tuple[Edge, ...]
    condition: str | None
    """`if`, when its value needs results of dependencies; a static one is settled by the planner."""
    skip: str | None
    """The reason for which the planner already knows that this step is skipped by its own `if`."""
    matrix: Mapping[str, Json]
    env: tuple[tuple[str, Text], ...]
    secrets: tuple[str, ...]
    inherit_env: tuple[str, ...]
    target: str
    workspace: str
    """project | worktree | clone | dependency, as in `core/work`."""
    workdir: Text
    """Relative to the workspace root; `` for the root itself."""
    permissions: str
    """In words, as `plan` shows them."""
    setup: str | None
    verify: tuple[Command, ...]
    outputs: Outputs
    reads: tuple[Text, ...] | None
    """Globs; None when not declared."""
    writes: tuple[Text, ...]
    cache: bool
    """Whether this step's key is looked up and stored (`cache` or `reads`)."""
    key: str
    """Digest of all of the definition that is static; the rest is added when the step is ready."""
    needs_text: tuple[str, ...]
    """Dependencies whose `text` this step refers to (their text is then part of its key)."""
    text_used: bool
    """Whether some other step or the team's outputs refer to this step's `text` or schema outputs."""
    timeout: float | None
    idle_timeout: float | None
    grace: float
    retry: Retry
    isolation: str | None
    continue_on_error: bool
    level: int
    height: int
    """Longest path to a sink, in steps: the scheduling priority (critical path first)."""
    waits: tuple[tuple[str, str], ...]
    """(key, area) of this step's keys that a later version will run; `run` refuses them."""
    refers: tuple[str, ...] = ()
    """Steps whose results its deferred parts or its `if` name: what rendering them needs."""
    taken: tuple[str, ...] = ()
    """Dependencies outside the selection; their results are those of the newest run, and they are no edges."""
    deferred: bool = False
    """Whether some of the definition is rendered only at the attempt, so that `key` is not all of it."""
    ask: Ask | None = None
    """Of steps of kind `ask`; the question itself is `prompt`."""
    loop: Loop | None = None
    expansion: Expansion | None = None
    """This step is none that runs: it is expanded into its instances once what it depends on has ended."""
    parent: str | None = None
    """The step whose expansion added this one."""
    max_failures: int | None = None
    """After so many failed instances of its agent no further one starts."""
    skip_if_verified: bool = False
    reworked: bool = False
    """Whether some loop may open it again: what it leaves is then digested, to see rounds that change nothing."""
    custom: EngineDefinition | None = None
    """What `engine` is, where the team file defines it."""
    any_time: bool = False
    """Whether the cache may give it a result of any earlier time (`cache`); else it is as the last one left it."""
    escalates: bool = False
    """Whether somebody is asked what is to follow when it has failed for good."""
    fallbacks: tuple[Fallback, ...] = ()
    """Engines that may take over, in this order."""
    budget: Caps | None = None
    """Of all its attempts, until somebody has it done again."""
    guards: Guards | None = None
    tree: Tree | None = None
    """None: it works in the project directory, or in what its dependencies have left, as that is."""
    resolves: str = ""
    """The step for which it mends a merge of dependencies that conflicts; a merge that is clean starts nothing."""
    means: Means = NO_MEANS

    @property
    def engines(self) -> tuple[str, ...]:
        """Names of its engine and of those that may take over."""
        return (self.engine, *(other.engine for other in self.fallbacks))

    @property
    def base_urls(self) -> tuple[str, ...]:
        """Where these ask their models, in the same order; empty: at the engine's own server."""
        defined = (self.custom, *(other.custom for other in self.fallbacks))
        return tuple((one.base_url if one is not None else "") or self.means.base_url for one in defined)

    @property
    def accounts(self) -> tuple[str, ...]:
        """What limits of these engines count for, in the same order."""
        if self.custom is None and not self.fallbacks:
            return (account(self.engine, self.means.base_url),)
        chain = ((self.engine, self.custom), *((other.engine, other.custom) for other in self.fallbacks))
        return tuple(account_of(*one, at) for one, at in zip(chain, self.base_urls, strict=True))

    def account_of(self, engine: str) -> str:
        """What a limit counts for that an attempt by this engine has met; also by one that was in its chain before."""
        found = dict(zip(self.engines, self.accounts, strict=True))
        return found.get(engine) or account(engine, self.means.base_url)

    def by(self, fallback: int | None) -> Step:
        """The step as an attempt with that fallback (from 1) does it; None: with its own engine. A variant's own server
        and variables go before those of the step, and before its secrets."""
        step = self
        if fallback is not None and fallback <= len(self.fallbacks):
            engine, model, custom = self.fallbacks[fallback - 1]
            inherited = custom.inherit_env if custom is not None else ()
            step = self._replace(engine=engine, model=model, custom=custom, inherit_env=inherited)
        custom = step.custom
        if custom is None or is_program(custom):
            return step
        env = {**dict(step.env), **custom.env}
        means = step.means._replace(base_url=custom.base_url or step.means.base_url)
        secrets = tuple(name for name in step.secrets if name not in custom.env)
        return step._replace(env=tuple(env.items()), secrets=secrets, means=means)

    @property
    def prints_text(self) -> bool:
        """Whether stdout is for people as it stands, and no protocol."""
        custom = self.custom
        return self.kind == COMMAND or (custom is not None and is_program(custom) and custom.output == "text")

    @property
    def dependencies(self) -> tuple[str, ...]:
        return tuple(edge.on for edge in self.edges)

    @property
    def counted_edges(self) -> tuple[Edge, ...]:
        """The edges that matter to what it comes to: of a step that is paired, its partner's list and nothing else."""
        partner = self.expansion.pairs_with if self.expansion is not None else None
        if partner is not None:
            return tuple(edge for edge in self.edges if edge.on == partner)
        if self.parent is None:
            return self.edges
        return tuple(edge for edge in self.edges if edge.when != APART)


class Limits(NamedTuple):
    max_parallel: int | None = None
    """None: the number of cores."""
    engines: Mapping[str, int] = {}
    timeout: float | None = None
    orphan_after: float | None = 3600.0
    """None: never."""
    log_size: int | None = 2 * 1024**3
    max_steps: int | None = None
    """How many steps a run may add to its plan while it runs; None: no limit."""
    on_usage_limit: str | None = None
    """wait | next | stop; None: the next engine where there is one, else wait if somebody is there, else stop."""
    max_wait: float = 8 * 3600.0
    """Seconds: a usage limit whose end is farther off is not waited for."""
    budget: Caps = NO_CAPS
    """Of the run."""
    day: Caps = NO_CAPS
    """Of all runs of the project on one day (UTC)."""
    on_overlap: str = "warn"
    """warn | pause: what becomes of the later of two steps whose workspaces conflict."""


class SecretSource(NamedTuple):
    """Where a secret's value comes from. kind: env | file | value_file (a value of an env_file)."""

    name: str
    kind: str
    where: str


class Plan(NamedTuple):
    """Steps in topological order. `digest` names the plan: equal digests mean equal plans."""

    team: str
    description: str
    file: str
    """The team file, relative to the project where it lies below it."""
    digest: str
    inputs: Mapping[str, Json]
    steps: tuple[Step, ...]
    limits: Limits
    env: tuple[tuple[str, str], ...]
    env_files: tuple[str, ...]
    secrets: tuple[SecretSource, ...]
    inherit_env: tuple[str, ...]
    outputs: tuple[tuple[str, str], ...]
    """(name, expression) of the team's outputs."""
    files: Mapping[str, str]
    """Every defining file and its sha256: what makes a saved plan stale. Relative to the project; those from outside
    are absolute or begin with `~/`. "" for one that was looked for and is not there."""
    selected: tuple[str, ...] | None
    """The step selection (STEP…, --from, --until) this plan was made for; None: all."""
    waits: tuple[tuple[str, str], ...]
    """(key, area) of run-level keys that a later version will act on; `run` refuses them."""
    critical_path: tuple[str, ...]
    empty: tuple[str, ...] = ()
    """Agents whose matrix gave no instances: they have no step and count as succeeded."""
    hooks: tuple[tuple[str, Command], ...] = ()
    """(event, command) of the team's hooks."""
    engines: Mapping[str, EngineDefinition] = {}
    """Those that the team file defines."""

    def by_id(self) -> dict[str, Step]:
        return {step.id: step for step in self.steps}

    def hook(self, event: str) -> Command | None:
        """What the team has declared for this event."""
        return next((command for name, command in self.hooks if name == event), None)
