"""Settles every setting: agent > persona > `defaults` > built in, maps merged one level.

Decides precedence and the built-in values (`BUILT_IN`), nothing about validity: an agent whose kind cannot
be told (none or two of prompt, command, ask) is left out, the checks have complained about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from teamflow.core.model_server import root
from teamflow.core.plan import NO_CAPS, NO_GUARDS, Caps, Guards, Json
from teamflow.team.declared import ITEM, is_file_output, json_schema, layers_of
from teamflow.team.layers import Layers
from teamflow.team.model import (
    Agent,
    Budget,
    FileReference,
    PrPolicy,
    Retry,
    TargetLabels,
    Team,
)
from teamflow.team.model import Guards as GuardKeys
from teamflow.team.model_types import Env
from teamflow.team.resolved import (
    AskWork,
    CommandWork,
    FileOutput,
    LoopPolicy,
    Matrix,
    Output,
    PromptWork,
    ResolvedAgent,
    ResolvedLimits,
    RetryPolicy,
    SchemaOutput,
    Script,
    TargetChoice,
    Work,
)
from teamflow.team.where import diff, is_alone, permissions, workspace


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """What holds where the file says nothing. Times in seconds, sizes in bytes."""

    engine: str = "claude"
    attempts_of_prompt: int = 2
    attempts_of_others: int = 1
    retry_delay: float = 10.0
    retry_max_delay: float = 300.0
    grace: float = 10.0
    orphan_after: float = 3600.0
    log_size: int = 2 * 2**30
    max_wait: float = 8 * 3600.0
    on_overlap: Literal["warn", "pause"] = "warn"


BUILT_IN = BuiltIn()

USUAL_GUARDS = Guards(same_failure=3, ping_pong=10, same_findings=3)
"""Of agents with a prompt."""

PrSetting: TypeAlias = PrPolicy | str | bool | None


def _texts(value: tuple[str, ...] | None) -> tuple[str, ...]:
    return value or ()


_NO_ENV: dict[str, str] = {}


def _env(values: Mapping[str, str | int]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()} if values else _NO_ENV


def _retry(layers: Layers, *, prompt: bool) -> RetryPolicy:
    given = layers.part("retry", Retry)
    if given is None:
        return _RETRY_OF_PROMPT if prompt else _RETRY_OF_OTHERS
    built_in = BUILT_IN.attempts_of_prompt if prompt else BUILT_IN.attempts_of_others
    delay = BUILT_IN.retry_delay if given.delay is None else given.delay
    longest = BUILT_IN.retry_max_delay if given.max_delay is None else given.max_delay
    return RetryPolicy(given.attempts or built_in, given.backoff or "exponential", delay, longest)


def _guards(layers: Layers, work: Work) -> Guards:
    if isinstance(work, AskWork):
        return NO_GUARDS
    usual = USUAL_GUARDS if isinstance(work, PromptWork) else NO_GUARDS
    given = layers.part("guards", GuardKeys)
    if given is None:
        return usual
    found = usual._replace(**given.model_dump(exclude_none=True))
    return found._replace(no_progress=found.no_progress or None, turns=found.turns or None, calls=found.calls or None)


_RETRY_OF_PROMPT, _RETRY_OF_OTHERS = (
    RetryPolicy(attempts, "exponential", BUILT_IN.retry_delay, BUILT_IN.retry_max_delay)
    for attempts in (BUILT_IN.attempts_of_prompt, BUILT_IN.attempts_of_others)
)


def caps(given: Budget | None) -> Caps:
    return Caps(given.usd, given.tokens) if given else NO_CAPS


def _matrix(value: object, agents: Mapping[str, Agent]) -> Matrix | None:
    match value:
        case None:
            return None
        case str() if value in agents:
            return Matrix(pairs_with=value)
        case str():
            return Matrix({ITEM: value})
        case list():
            return Matrix({ITEM: tuple(value)})
        case dict():
            return Matrix({key: tuple(axis) if isinstance(axis, list) else axis for key, axis in value.items()})
    raise AssertionError(f"not a matrix: {value!r}")


def _outputs(declared: Mapping[str, Any]) -> dict[str, Output]:
    return {
        name: FileOutput(str(value["file"])) if is_file_output(value) else SchemaOutput(json_schema(value))
        for name, value in declared.items()
    }


def _target(layers: Layers) -> TargetChoice:
    value = layers.get("target")
    if value is None:
        return _LOCAL
    if isinstance(value, TargetLabels):
        return TargetChoice(None, value.labels)
    return TargetChoice(value)


_LOCAL = TargetChoice("local")


def pr_policy(team: Team, value: PrSetting) -> dict[str, Json] | None:
    """The policy behind `pr:` with its `extends` chain merged; unknown names and cycles end the chain."""
    policies = team.pr_policies or {}
    match value:
        case None | False:
            return None
        case True:
            current = policies.get("default")
        case str():
            current = policies.get(value)
        case _:
            current = value
    merged: dict[str, Json] = {}
    seen: set[int] = set()
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        own = current.model_dump(by_alias=True, exclude_none=True, exclude={"extends"})
        merged = {**own, **merged}
        current = policies.get(current.extends) if current.extends else None
    return merged


def _work(layers: Layers, texts: Mapping[str, str], scripts: Mapping[str, Json]) -> Work | None:
    layer = layers.work_layer()
    if layer is None:
        return None
    if "command" in layer:
        return CommandWork(layer["command"])
    if "ask" in layer:
        return AskWork(layer["ask"], _texts(layers.get("options")), layers.get("default"))
    prompt, script = layer["prompt"], layers.get("script")
    return PromptWork(
        text=texts.get(prompt.file, "") if isinstance(prompt, FileReference) else prompt,
        engines=layers.engines(BUILT_IN.engine),
        instructions=layers.get("instructions") or "",
        permissions=permissions(layers),
        script=Script(script, scripts.get(script)) if script else None,
        mcp_servers={name: server.model_dump(exclude_none=True) for name, server in layers.maps("mcp_servers").items()},
        subagents=_texts(layers.get("subagents")),
        isolate=layers.get("isolate") or False,
        base_url=root(layers.get("base_url") or ""),
    )


def resolve_agent(
    team: Team, name: str, *, texts: Mapping[str, str], scripts: Mapping[str, Json]
) -> ResolvedAgent | None:
    """`name` with everything settled, or None when it does not say what to do.

    `texts` and `scripts` hold what prompt and script files contain, by the path in the model.
    """
    agent = team.agents[name]
    layers = Layers(layers_of(team, agent))
    work = _work(layers, texts, scripts)
    if work is None:
        return None
    pr = layers.part("pr", PrPolicy) or layers.get("pr")
    team_env: Env = team.env or {}
    loop = layers.get("loop")
    alone = not isinstance(work, AskWork) and is_alone(layers, prompt=isinstance(work, PromptWork))
    return ResolvedAgent(
        name=name,
        work=work,
        description=layers.get("description") or "",
        depends_on=layers.get("depends_on") or {},
        matrix=_matrix(layers.get("matrix"), team.agents),
        condition=layers.get("if_"),
        reads=layers.get("reads"),
        writes=layers.get("writes"),
        cache=layers.get("cache") or False,
        env={} if isinstance(work, AskWork) else _env({**team_env, **layers.maps("env")}),
        secrets=_texts(layers.get("secrets")),
        timeout=layers.get("timeout"),
        idle_timeout=layers.get("idle_timeout"),
        grace=_or(layers.get("grace"), BUILT_IN.grace),
        retry=_retry(layers, prompt=isinstance(work, PromptWork)),
        verify=_texts(layers.get("verify")),
        outputs=_outputs(layers.maps("outputs")),
        loop=LoopPolicy(loop.until, loop.max, loop.rework) if loop and not isinstance(work, AskWork) else None,
        workspace=workspace(layers, work, alone=alone),
        diff=diff(layers, alone=alone),
        workdir=layers.get("workdir"),
        isolation=layers.get("isolation") or "default",
        target=_target(layers),
        continue_on_error=layers.get("continue_on_error") or False,
        skip_if_verified=bool(layers.get("skip_if_verified") and layers.get("verify")),
        on_failure=layers.get("on_failure") or "stop",
        budget=caps(layers.part("budget", Budget)) if isinstance(work, PromptWork) else NO_CAPS,
        guards=_guards(layers, work),
        max_failures=layers.get("max_failures"),
        persona=layers.get("persona"),
        startable=layers.get("start") is None,
        pr=pr_policy(team, pr),
        on_conflict=None if isinstance(work, AskWork) or layers.get("start") else layers.get("on_conflict"),
    )


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def resolve(
    team: Team, *, texts: Mapping[str, str] | None = None, scripts: Mapping[str, Json] | None = None
) -> dict[str, ResolvedAgent]:
    """Every agent that says what to do, in the order of the file, with its settings merged.

    `texts`, `scripts`: what prompt and script files contain, by the path that the model holds.
    """
    found = ((name, resolve_agent(team, name, texts=texts or {}, scripts=scripts or {})) for name in team.agents)
    return {name: agent for name, agent in found if agent is not None}


def resolve_limits(team: Team) -> ResolvedLimits:
    """The run's limits with what is built in; None where nothing limits."""
    given = team.limits
    if given is None:
        longest, orphan_after = BUILT_IN.max_wait, BUILT_IN.orphan_after
        log_size, on_overlap = BUILT_IN.log_size, BUILT_IN.on_overlap
        return ResolvedLimits(None, {}, NO_CAPS, NO_CAPS, None, None, None, longest, orphan_after, log_size, on_overlap)
    orphan = given.orphan_after
    return ResolvedLimits(
        max_parallel=given.max_parallel,
        engines=given.engines or {},
        budget=caps(given.budget),
        day=caps(given.budget.day if given.budget is not None else None),
        timeout=given.timeout,
        max_steps=given.max_steps,
        on_usage_limit=given.on_usage_limit,
        max_wait=BUILT_IN.max_wait if given.max_wait is None else given.max_wait,
        orphan_after=None if orphan == "never" else BUILT_IN.orphan_after if orphan is None else orphan,
        log_size=given.log_size or BUILT_IN.log_size,
        on_overlap=given.on_overlap or BUILT_IN.on_overlap,
    )
