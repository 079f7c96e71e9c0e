"""The team file as typed, frozen values: one class per concept, exactly the keys of the file.

Decides shapes and spelling, nothing across keys: names, references and rules between keys are for
`team/check.py`, merged settings for `team/resolve.py`. Field descriptions feed the JSON Schema and the
key table of `docs/team-file.md`. `x-` keys and YAML are gone before a tree comes here.

Resolved settings: an agent's value for a key is its own, else its persona's, else that of `defaults`, else
built in (`team/resolve.py` has the one table). Maps merge one level; `resolve(team)` gives `ResolvedAgent`s.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, Strict

from teamflow.team.model_engines import EngineDefinition
from teamflow.team.model_types import (
    Argv,
    Axis,
    Count,
    Declaration,
    DependsOn,
    Duration,
    Env,
    JsonLike,
    Model,
    OneOrMany,
    Positive,
    Size,
    Text,
    Texts,
)


class FileReference(Model):
    file: Text = Field(description="A file, relative to the file that names it, inside the project.")


class SecretSource(Model):
    """Exactly one of `env` and `file` (checked in `check`)."""

    env: Text | None = Field(None, description="The variable of your own environment that holds the secret.")
    file: Text | None = Field(None, description="The file that holds it, `~` allowed; a last newline is dropped.")


class Budget(Model):
    usd: float | None = Field(None, gt=0, description="At most so many US dollars.")
    tokens: Count | None = Field(None, gt=0, description="At most so many tokens, read and written.")


class RunBudget(Budget):
    day: Budget | None = Field(None, description="What all runs of the project may spend on one day (UTC).")


class Limits(Model):
    max_parallel: Positive | None = Field(None, description="At most so many steps at once; default: the cores.")
    engines: dict[str, Positive] | None = Field(None, description="At most so many steps at once per engine.")
    budget: RunBudget | None = Field(None, description="What the run may spend.")
    timeout: Duration | None = Field(
        None, description="How long the run may take; counts only while steps run and a runner lives."
    )
    max_steps: Positive | None = Field(None, description="How many steps a run may add to itself while it runs.")
    on_usage_limit: Literal["wait", "next", "stop"] | None = Field(
        None, description="What to do when an engine's usage limit is reached: wait, next engine, stop."
    )
    max_wait: Duration | None = Field(None, description="The longest wait for a usage limit.")
    orphan_after: Duration | Literal["never"] | None = Field(
        None, description="How long a keeper waits for a runner before it pauses its agents."
    )
    log_size: Size | None = Field(None, description="The largest log of one phase; beyond it the phase ends.")
    on_overlap: Literal["warn", "pause"] | None = Field(
        None, description="What to do when worktrees in use conflict: tell, or pause the later of the two steps."
    )


class Permissions(Model):
    run: Texts | None = Field(
        None, description="Commands that it may run, by their first words; others are asked for or denied."
    )
    edit: Texts | None = Field(None, description="Globs of the files that it may edit.")
    net: Literal["allow", "deny"] | None = Field(None, description="Whether it may use the network.")
    ask: Literal["queue", "deny"] | None = Field(
        None, description="What becomes of other wishes: queued for a person, or denied."
    )


class Retry(Model):
    attempts: Positive | None = Field(
        None,
        description="The total number of attempts, but for repairs of outputs: 2 for `prompt`, else 1, unless given.",
    )
    backoff: Literal["exponential", "linear", "fixed"] | None = Field(
        None, description="How the delay grows from attempt to attempt."
    )
    delay: Duration | None = Field(None, description="The delay before the second attempt.")
    max_delay: Duration | None = Field(None, description="The longest delay.")


class Guards(Model):
    """0 turns one off."""

    same_failure: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Ask after so many attempts in a row that fail in the same way; 3 for `prompt`."
    )
    no_progress: Duration | None = Field(
        None, description="Ask after so long without output, a changed file, a new message or a new tool call."
    )
    turns: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Ask when an attempt begins a message more than these."
    )
    calls: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Ask when an attempt begins a tool call more than these."
    )
    ping_pong: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Ask when it and another agent have told each other so much in turn; 10 for `prompt`."
    )
    same_findings: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Ask after so many rounds of its loop with the same findings; 3 for `prompt`."
    )


class Diff(Model):
    max_lines: Positive | None = Field(None, description="At most so many lines, added and deleted ones together.")
    forbid: Annotated[tuple[Literal["deleted_tests", "new_dependency", "binary"], ...], Strict(strict=False)] | None = (
        Field(None, description="What the changes must not have: deleted tests, new dependencies, binary files.")
    )


class Workspace(Model):
    mode: Literal["shared", "worktree", "clone"] | None = Field(
        None,
        description="`shared` is the project directory; a worktree or clone is made for the step alone.",
    )
    repo: Text | None = Field(None, description="A repository to clone; implies `mode: clone`.")
    setup: Text | None = Field(
        None, description="A shell command that makes the workspace ready, before the first attempt's work."
    )
    copy_: OneOrMany | None = Field(
        None, alias="copy", description="Files of the project to copy into a workspace of its own."
    )
    sparse: bool | None = Field(
        None, description="Check out only what `reads` and `writes` name, in a workspace of its own."
    )
    keep: Literal["always", "on_failure", "never"] | None = Field(
        None, description="When a workspace of its own outlives the step."
    )


class Loop(Model):
    until: Text = Field(description="Expression; true ends the loop.")
    max: Positive = Field(description="At most so many rounds.")
    rework: Text = Field(description="The agent whose step is opened again in each round.")


class TargetLabels(Model):
    labels: Texts = Field(description="Any target that carries all of these labels.")


class Feedback(Model):
    watch: Annotated[tuple[Literal["reviews", "comments", "checks"], ...], Strict(strict=False)] | None = Field(
        None, description="What to react to on the pull request."
    )
    agent: Text = Field(description="The agent that answers it.")
    max_rounds: Positive | None = Field(None, description="At most so many answers.")


class PrPolicy(Model):
    extends: Text | None = Field(None, description="The policy whose keys hold where this one has none.")
    base: Text | None = Field(None, description="The branch to merge into.")
    branch: Text | None = Field(None, description="The branch to push; a template.")
    title: Text | None = Field(None, description="The title; a template.")
    body: Text | None = Field(None, description="The description; a template.")
    draft: bool | None = Field(None, description="Open it as a draft.")
    labels: Texts | None = Field(None, description="Labels to put on it.")
    reviewers: Texts | None = Field(None, description="People to ask for a review.")
    feedback: Feedback | None = Field(None, description="How reviews and checks come back to an agent.")


class McpServer(Model):
    type: Literal["stdio", "http", "sse"] | None = Field(None, description="How to talk to it.")
    command: Text | None = Field(None, description="The program of a stdio server.")
    args: Annotated[tuple[str, ...], Strict(strict=False)] | None = Field(None, description="Its arguments.")
    env: Env | None = Field(None, description="Its environment.")
    url: Text | None = Field(None, description="The address of an http or sse server.")
    headers: dict[str, str] | None = Field(None, description="Headers to send.")


class Agent(Model):
    """Every key that an agent may have; all may also stand in `defaults` and in a persona."""

    prompt: Text | FileReference | None = Field(
        None, description="What an agent is asked to do: a template, or `{file: path}`."
    )
    command: Text | Argv | None = Field(
        None, description="A process: a string runs under `sh -c`, a list is an argv of templates."
    )
    ask: Text | None = Field(None, description="A question to a person; a template.")
    options: Texts | None = Field(None, description="The answers to choose from; without it, `ask` is an approval.")
    default: Text | None = Field(None, description="The answer when the question times out.")
    description: str | None = Field(None, description="What it is for, shown to people and to other agents.")
    instructions: Text | None = Field(
        None, description="Who the agent is: standing text given to it beside the prompt; no template."
    )
    persona: Text | None = Field(None, description="The persona whose keys hold where the agent has none of its own.")
    engine: OneOrMany | None = Field(None, description="`engine` or `engine/model`; a list is a fallback chain.")
    model: Text | None = Field(None, description="The model, where `engine` names none.")
    base_url: Text | None = Field(
        None, description="The root of the server that answers as its model, like `http://127.0.0.1:11434`."
    )
    script: Text | None = Field(
        None, description="The YAML script that `engine: scripted` plays, relative to the file naming it."
    )
    permissions: Literal["read", "edit", "full"] | Permissions | None = Field(
        None, description="`read`, `edit` (default), `full`, or a map of what it may run, edit, reach, ask."
    )
    mcp_servers: dict[str, McpServer] | None = Field(
        None, description="MCP servers that the agent may use, in the shape of `.mcp.json`."
    )
    subagents: Texts | None = Field(None, description="Personas or agents that it may start in the background.")
    start: Literal["never"] | None = Field(
        None, description="`never`: no step of its own, only a sub-agent or a resolver."
    )
    depends_on: DependsOn | None = Field(
        None, description="Agents that come first: a list, or a map to succeeded, failed, finished, passed."
    )
    matrix: Text | list[JsonLike] | dict[str, Axis] | None = Field(
        None,
        description="One step per value: a map of lists or expressions, a list, an expression, or an agent "
        "to pair with.",
    )
    max_failures: Positive | None = Field(None, description="Start no further instances after so many failed.")
    if_: Text | None = Field(None, alias="if", description="Expression; false skips the step.")
    reads: OneOrMany | None = Field(None, description="Globs of the files that its result depends on.")
    writes: OneOrMany | None = Field(
        None, description="Globs of the files that it changes; steps that may run at once share none."
    )
    cache: bool | None = Field(None, description="Not started again while nothing that it depends on changed.")
    env: Env | None = Field(None, description="Variables of its environment; values are templates.")
    secrets: OneOrMany | None = Field(None, description="Secrets of the team that it gets as variables.")
    timeout: Duration | None = Field(None, description="How long one attempt may take.")
    idle_timeout: Duration | None = Field(
        None, description="How long it may go without output and without changing a file."
    )
    grace: Duration | None = Field(
        None, description="How long it has to end by itself after being told to, before it is killed."
    )
    retry: Retry | None = Field(None, description="How often and when to try again.")
    verify: OneOrMany | None = Field(
        None, description="Shell commands that must succeed after it; failures go into the next attempt."
    )
    skip_if_verified: bool | None = Field(None, description="Run `verify` first: when green, nothing is started.")
    outputs: dict[str, Declaration] | None = Field(
        None, description="What it hands on: a JSON Schema, a bare type, or `{file: path}`."
    )
    loop: Loop | None = Field(None, description="Repeat an earlier agent until an expression holds.")
    on_failure: Literal["stop", "escalate"] | None = Field(
        None, description="`escalate` asks the parent or the user instead of failing."
    )
    continue_on_error: bool | None = Field(None, description="Its failure does not make the run fail.")
    guards: Guards | None = Field(None, description="When to stop work that goes round in circles, and ask.")
    budget: Budget | None = Field(None, description="What each step of it may spend, in all its attempts.")
    workspace: Workspace | None = Field(None, description="Where it works, and how that is made ready.")
    diff: Diff | None = Field(None, description="What its changes may not be, in a workspace of its own.")
    on_conflict: Text | None = Field(
        None, description="The agent (`start: never`) that mends what its dependencies left, where that does not merge."
    )
    workdir: Text | None = Field(None, description="The directory to start in, relative to the workspace root.")
    isolate: bool | None = Field(
        None, description="Start the agent without your own settings, memory files and sessions of its CLI."
    )
    isolation: Literal["pidns"] | None = Field(
        None, description="`pidns`: a process namespace of its own, so that nothing it starts survives it."
    )
    target: Text | TargetLabels | None = Field(
        None, description="Where it runs: a target's name, or labels that the target must carry."
    )
    pr: bool | Text | PrPolicy | None = Field(
        None, description="Open a pull request: `true` for the policy `default`, a policy's name, or a map."
    )


class Persona(Agent):
    """Who an agent is; every agent key may stand here as its default."""

    file: Text | None = Field(
        None, description="Markdown with YAML front matter: the body is `instructions`, the rest are keys."
    )


class Target(Model):
    ssh: Text | None = Field(None, description="A Host of `~/.ssh/config`, or `user@host:port`.")
    work_root: Text | None = Field(None, description="The directory on the target that teamflow works in.")
    capacity: Positive | None = Field(None, description="At most so many steps at once there.")
    labels: Texts | None = Field(None, description="Words that agents ask for with `target: {labels: …}`.")
    bootstrap: Text | None = Field(None, description="A shell command that makes the target ready, once.")


class Hooks(Model):
    """Shell commands (a string) or argvs (a list) around a run; data comes in TEAMFLOW_* variables."""

    before_run: Text | Argv | None = Field(None, description="Before the first step of a run starts.")
    after_run: Text | Argv | None = Field(None, description="After the run has ended.")
    before_step: Text | Argv | None = Field(None, description="Before a step starts.")
    after_step: Text | Argv | None = Field(None, description="After a step has ended.")
    succeeded: Text | Argv | None = Field(None, description="After a step or the run has succeeded.")
    failed: Text | Argv | None = Field(None, description="After a step or the run has failed.")
    needs_user: Text | Argv | None = Field(None, description="When something waits for a person.")


class Team(Model):
    """The whole file, includes merged."""

    version: Literal[1] | None = Field(None, description="The version of this format.")
    name: Text | None = Field(None, description="The team's name; default: the file's name.")
    description: str | None = Field(None, description="What the team is for.")
    include: OneOrMany | None = Field(
        None, description="Files whose keys hold where this one has none; maps merge by key."
    )
    env: Env | None = Field(None, description="Variables of every step; values are templates.")
    env_file: OneOrMany | None = Field(
        None, description="Files of `NAME=value` lines for every step; their values count as secrets."
    )
    inherit_env: OneOrMany | None = Field(
        None, description="Names or globs of your own variables that steps on this machine get as well."
    )
    secrets: dict[str, SecretSource] | None = Field(
        None, description="Values that only steps which ask get, and that are redacted everywhere."
    )
    inputs: dict[str, Declaration] | None = Field(
        None, description="What the team is told at the start: JSON Schema, or a bare type."
    )
    defaults: Agent | None = Field(None, description="Keys that hold for every agent with none of its own.")
    limits: Limits | None = Field(None, description="What a run may use.")
    personas: dict[str, Persona] | None = Field(None, description="Who agents are, by name.")
    targets: dict[str, Target] | None = Field(None, description="Where steps run, by name; `local` is always there.")
    pr_policies: dict[str, PrPolicy] | None = Field(
        None, description="What may leave the machine as a pull request, and how."
    )
    engines: dict[str, EngineDefinition] | None = Field(None, description="Engines that are not built in, by name.")
    agents: dict[str, Agent] = Field(description="The nodes of the graph, by name.")
    outputs: dict[str, Text] | None = Field(None, description="Results of the whole team: expressions.")
    hooks: Hooks | None = Field(None, description="Commands of your own around the run.")


AgentMap = Mapping[str, Agent]
