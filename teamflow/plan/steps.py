"""One step from one agent and one of its instances: settings copied, texts rendered, the rest deferred.

Knows nothing of other agents: edges, levels and what others refer to are handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from teamflow.core.named import NamedTuple
from teamflow.core.permissions import NO_MEANS, Means
from teamflow.core.plan import (
    COMMAND,
    NO_CAPS,
    NO_GUARDS,
    PROMPT,
    Ask,
    Command,
    Edge,
    EngineDefinition,
    Expansion,
    Fallback,
    Json,
    Loop,
    OutputFile,
    Outputs,
    Retry,
    Step,
    Text,
    Tree,
)
from teamflow.core.work import CLONE, WORKTREE
from teamflow.plan.chains import chain_of
from teamflow.plan.instances import Instance
from teamflow.plan.key import definition_key, is_deferred
from teamflow.plan.texts import StepTexts
from teamflow.plan.words import permissions_in_words
from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import (
    AskWork,
    CommandWork,
    FileOutput,
    PromptWork,
    ResolvedAgent,
    SchemaOutput,
    TargetChoice,
)


class Place(NamedTuple):
    """Where an agent's steps stand in the plan; the same for all its instances."""

    text_used: bool
    reworked: bool
    level: int
    height: int
    waits: tuple[tuple[str, str], ...]
    expansion: Expansion | None


class Ties(NamedTuple):
    """What a step has to do with others, as in `Step`."""

    edges: tuple[Edge, ...]
    refers: tuple[str, ...]
    needs_text: tuple[str, ...]
    taken: tuple[str, ...]


class Common(NamedTuple):
    """What all steps of an agent share, made once."""

    agent: ResolvedAgent
    engine: str
    model: str | None
    instructions: str
    script: Json
    permissions: str
    means: Means
    custom: EngineDefinition | None
    fallbacks: tuple[Fallback, ...]
    inherit_env: tuple[str, ...]
    target: str
    workspace: str
    retry: Retry
    verify: tuple[Command, ...]
    schemas: Mapping[str, Json]


def common(agent: ResolvedAgent, loaded: LoadedTeam, *, workspace: str) -> Common:
    """The settings of `agent` in the plan's words. `workspace`: where it works, as in `Step`."""
    work, retry = agent.work, agent.retry
    chain = chain_of(agent, loaded)
    first = chain[0] if chain else None
    custom = first.custom if first else None
    return Common(
        agent=agent,
        engine=first.name if first else agent.kind,
        model=first.model if first else None,
        instructions=work.instructions if isinstance(work, PromptWork) else "",
        script=work.script.value if isinstance(work, PromptWork) and work.script else None,
        permissions=permissions_in_words(agent, chain),
        means=_means(work) if isinstance(work, PromptWork) else NO_MEANS,
        custom=custom,
        fallbacks=tuple(Fallback(other.name, other.model, other.custom) for other in chain[1:]),
        inherit_env=custom.inherit_env if custom else (),
        target=target_in_words(agent.target),
        workspace=workspace,
        retry=Retry(retry.attempts, retry.backoff, retry.delay, retry.max_delay),
        verify=tuple(Command(line) for line in agent.verify),
        schemas={
            name: dict(output.schema) for name, output in agent.outputs.items() if isinstance(output, SchemaOutput)
        },
    )


def _means(work: PromptWork) -> Means:
    return Means(work.permissions, work.mcp_servers, work.isolate, work.base_url)


def target_in_words(target: TargetChoice) -> str:
    """A target's name, or the labels that it must carry: `[gpu, big]`."""
    return target.name if target.name is not None else f"[{', '.join(target.labels)}]"


def make_step(shared: Common, instance: Instance, step_id: str, place: Place, ties: Ties, texts: StepTexts) -> Step:
    """The step, with its key."""
    agent, settled = shared.agent, True if shared.agent.condition is None else texts.condition(shared.agent.condition)
    step = Step(
        id=step_id,
        agent=agent.name,
        kind=agent.kind,
        engine=shared.engine,
        model=shared.model,
        command=_command(agent, texts),
        prompt=_prompt(agent, texts),
        instructions=shared.instructions,
        script=shared.script,
        edges=ties.edges,
        condition=agent.condition if settled is None else None,
        skip=f"if: {agent.condition}" if settled is False else None,
        matrix=instance.matrix,
        env=tuple([(name, texts.text("env", value)) for name, value in agent.env.items()]),
        secrets=agent.secrets,
        inherit_env=shared.inherit_env,
        target=shared.target,
        workspace=shared.workspace,
        workdir=texts.settled_path("workdir", agent.workdir) if agent.workdir else "",
        permissions=shared.permissions,
        setup=agent.workspace.setup,
        verify=shared.verify,
        outputs=_outputs(shared, texts),
        reads=None if agent.reads is None else _paths(agent.reads, "reads", texts),
        writes=_paths(agent.writes or (), "writes", texts),
        cache=_has_key(agent),
        key="",
        needs_text=ties.needs_text,
        text_used=place.text_used,
        timeout=agent.timeout,
        idle_timeout=agent.idle_timeout,
        grace=agent.grace,
        retry=shared.retry,
        isolation=None if agent.isolation == "default" else agent.isolation,
        continue_on_error=agent.continue_on_error,
        level=place.level,
        height=place.height,
        waits=place.waits,
        refers=ties.refers,
        taken=ties.taken,
        ask=Ask(agent.work.options, agent.work.default) if isinstance(agent.work, AskWork) else None,
        loop=None if agent.loop is None else Loop(agent.loop.until, agent.loop.max, agent.loop.rework),
        expansion=place.expansion,
        max_failures=agent.max_failures,
        skip_if_verified=agent.skip_if_verified,
        escalates=agent.on_failure == "escalate",
        custom=shared.custom,
        fallbacks=shared.fallbacks,
        guards=agent.guards if agent.guards != NO_GUARDS else None,
        budget=agent.budget if agent.budget != NO_CAPS else None,
        reworked=place.reworked,
        any_time=agent.cache and _can_be_put_back(agent),
        tree=_tree(shared, texts) if shared.workspace in (WORKTREE, CLONE) else None,
        means=shared.means,
    )
    return step._replace(key=definition_key(step), deferred=is_deferred(step))


def _tree(shared: Common, texts: StepTexts) -> Tree:
    given = shared.agent.workspace
    copy = _paths(given.copy, "workspace", texts)
    repo = texts.text("workspace", given.repo) if given.repo is not None else None
    return Tree(copy=copy, keep=given.keep, sparse=given.sparse, repo=repo, diff=shared.agent.diff)


def _can_be_put_back(agent: ResolvedAgent) -> bool:
    """Whether nothing is declared to be written but files that the cache keeps."""
    kept = {output.path for output in agent.outputs.values() if not isinstance(output, SchemaOutput)}
    return kept.issuperset(agent.writes or ())


def _has_key(agent: ResolvedAgent) -> bool:
    return agent.kind in (COMMAND, PROMPT) and (agent.cache or agent.reads is not None)


def _prompt(agent: ResolvedAgent, texts: StepTexts) -> Text | None:
    match agent.work:
        case PromptWork(text=text):
            return texts.text("prompt", text)
        case AskWork(question=question):
            return texts.text("ask", question)
        case CommandWork():
            return None


def _command(agent: ResolvedAgent, texts: StepTexts) -> Command | None:
    match agent.work:
        case CommandWork(command=str(shell)):
            return Command(shell)
        case CommandWork(command=words):
            return Command(None, tuple([texts.text("command", word) for word in words]))
        case _:
            return None


def _paths(sources: Sequence[str], key: str, texts: StepTexts) -> tuple[Text, ...]:
    return tuple([texts.path(key, source) for source in sources])


_NO_OUTPUTS = Outputs()


def _outputs(shared: Common, texts: StepTexts) -> Outputs:
    declared = shared.agent.outputs
    if not declared:
        return _NO_OUTPUTS
    files = [
        OutputFile(name, texts.path("outputs", output.path))
        for name, output in declared.items()
        if isinstance(output, FileOutput)
    ]
    return Outputs(tuple(files), shared.schemas)
