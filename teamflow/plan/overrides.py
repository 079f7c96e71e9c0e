"""Settings of the command line over those of the file: `--set agents.build.model=opus`.

Decides which keys of an agent can be set this way and how their values are spelled. An override is an error, never
ignored, when its agent, its key or its value is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from teamflow.core.diagnostics import Diagnostics, did_you_mean
from teamflow.core.model_server import root, trouble
from teamflow.core.plan import COMMAND, EngineDefinition
from teamflow.team.resolved import EngineChoice, PromptWork, ResolvedAgent
from teamflow.team.scalars import parse_duration


def override(
    agents: Mapping[str, ResolvedAgent],
    overrides: Mapping[str, str],
    found: Diagnostics,
    *,
    engines: Collection[str] = (),
    defined: Mapping[str, EngineDefinition] = MappingProxyType({}),
) -> Mapping[str, ResolvedAgent]:
    """`agents` with `overrides` (`agents.NAME.KEY` → value) applied in order. `engines`: the names of those that
    the team does not define itself (`defined`); none: nobody knows them here."""
    if not overrides:
        return agents
    out = dict(agents)
    for path, value in overrides.items():
        word, _, rest = path.partition(".")
        name, _, key = rest.rpartition(".")
        if word != "agents" or not name:
            found.error("bad-override", f'"{path}" cannot be set', hint="write agents.NAME.KEY=VALUE")
        elif name not in out:
            found.error("bad-override", f'there is no agent "{name}" to set {key} of', hint=did_you_mean(name, out))
        elif key not in _SETTERS:
            hint = did_you_mean(key, _SETTERS) or f"can be set: {', '.join(_SETTERS)}"
            found.error("bad-override", f'"{key}" of an agent cannot be set on the command line', hint=hint)
        else:
            try:
                out[name] = _SETTERS[key](out[name], value)
                if key == "engine" and engines:
                    _check_engines(out[name], path, (defined, engines), found)
            except ValueError as error:
                # One with credentials is not repeated.
                said = path if key == "base_url" and "@" in value else f"{path}={value}"
                found.error("bad-override", f"{said}: {error}")
    _report_unheard(out, overrides, found, defined)
    return out


def _report_unheard(
    agents: Mapping[str, ResolvedAgent],
    overrides: Mapping[str, str],
    found: Diagnostics,
    defined: Mapping[str, EngineDefinition],
) -> None:
    """A server of an agent whose engines all have their own would change nothing."""
    for name, agent in agents.items():
        path, work = f"agents.{name}.base_url", agent.work
        if path not in overrides or not isinstance(work, PromptWork):
            continue
        own = [choice.name for choice in work.engines if choice.name in defined and defined[choice.name].base_url]
        if len(own) == len(work.engines):
            hint = "set the engine as well, or change engines in the file"
            found.error("bad-override", f"{path}: {own[0]} has a server of its own", hint=hint)


def _engine(agent: ResolvedAgent, value: str) -> ResolvedAgent:
    work = _prompt_work(agent)
    chain = []
    for text in value.split(","):
        name, slash, model = text.strip().partition("/")
        if not name or (slash and not model):
            raise ValueError("write an engine, or engine/model")
        chain.append(EngineChoice(name, model or None))
    return replace(agent, work=replace(work, engines=tuple(chain)))


def _check_engines(agent: ResolvedAgent, path: str, there: Sequence[Collection[str]], found: Diagnostics) -> None:
    for choice in agent.work.engines if isinstance(agent.work, PromptWork) else ():
        if choice.name == COMMAND or not any(choice.name in names for names in there):
            known = [name for names in there for name in names if name != COMMAND]
            hint = did_you_mean(choice.name, known) or f"Engines: {', '.join(known)}."
            found.error("bad-override", f'{path}: there is no engine "{choice.name}"', hint=hint)


def _model(agent: ResolvedAgent, value: str) -> ResolvedAgent:
    work = _prompt_work(agent)
    if not value:
        raise ValueError("a model has a name")
    first, *others = work.engines
    return replace(agent, work=replace(work, engines=(EngineChoice(first.name, value), *others)))


def _base_url(agent: ResolvedAgent, value: str) -> ResolvedAgent:
    """Empty: the engine's own server."""
    wrong = trouble(value) if value else None
    if wrong is not None:
        raise ValueError(f"this {wrong.message}")
    return replace(agent, work=replace(_prompt_work(agent), base_url=root(value)))


def _prompt_work(agent: ResolvedAgent) -> PromptWork:
    if not isinstance(agent.work, PromptWork):
        raise ValueError(f"{agent.name} has no prompt, so it has no engine and no model")
    return agent.work


def _timeout(agent: ResolvedAgent, value: str) -> ResolvedAgent:
    return replace(agent, timeout=parse_duration(value))


def _idle_timeout(agent: ResolvedAgent, value: str) -> ResolvedAgent:
    return replace(agent, idle_timeout=parse_duration(value))


def _continue(agent: ResolvedAgent, value: str) -> ResolvedAgent:
    return replace(agent, continue_on_error=_boolean(value))


def _cache(agent: ResolvedAgent, value: str) -> ResolvedAgent:
    return replace(agent, cache=_boolean(value))


def _boolean(value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError("this is true or false")
    return value == "true"


_SETTERS: Final[Mapping[str, Callable[[ResolvedAgent, str], ResolvedAgent]]] = {
    "engine": _engine,
    "model": _model,
    "base_url": _base_url,
    "timeout": _timeout,
    "idle_timeout": _idle_timeout,
    "continue_on_error": _continue,
    "cache": _cache,
}
