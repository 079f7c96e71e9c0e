"""The engines that a team defines, in the plan's words: one spelling for what may be written in several ways.

Decides nothing about validity: that is for `team/check_engines.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.model_server import root
from teamflow.core.placeholders import PROMPT, PROMPT_FILE, takes_model
from teamflow.core.plan import EngineDefinition
from teamflow.team import model_engines
from teamflow.team.model import Team

_WAYS: Mapping[str, tuple[str, ...]] = {
    "stdin": (),
    "argument": (f"{{{{ {PROMPT} }}}}",),
    "file": (f"{{{{ {PROMPT_FILE} }}}}",),
}
"""What `prompt` and `long_prompt` mean where one word says it."""


def engine_definitions(team: Team) -> dict[str, EngineDefinition]:
    """Every engine under `engines`, by name."""
    return {name: _definition(given) for name, given in (team.engines or {}).items()}


def prompt_words(given: str | tuple[str, ...]) -> tuple[str, ...]:
    """The words that carry the prompt; none for stdin."""
    return _WAYS[given] if isinstance(given, str) else given


def can_take_model(given: model_engines.EngineDefinition | None) -> bool:
    """Whether a model can be named for an engine; None: for one that is built in."""
    # An agent that speaks ACP is asked when it runs.
    return given is None or given.engine is not None or given.output == "acp" or takes_model(_definition(given))


def _definition(given: model_engines.EngineDefinition) -> EngineDefinition:
    if given.engine is not None:
        return EngineDefinition(
            command=(),
            env=_env(given),
            inherit_env=given.inherit_env or (),
            engine=given.engine,
            base_url=root(given.base_url or ""),
            asks_for=given.model if isinstance(given.model, str) else None,
        )
    usage = given.usage.model_dump(exclude_none=True) if given.usage is not None else {}
    return EngineDefinition(
        command=given.command or (),
        prompt=prompt_words(given.prompt or "stdin"),
        long_prompt=None if given.long_prompt is None else prompt_words(given.long_prompt),
        output=given.output or "text",
        message=given.message,
        error=given.error,
        session=given.session,
        calls=given.calls,
        usage=usage,
        resume=given.resume or (),
        model=given.model if isinstance(given.model, tuple) else (),
        env=_env(given),
        inherit_env=given.inherit_env or (),
        failures=tuple((failure, pattern) for failure, patterns in given.failures or () for pattern in patterns or ()),
    )


def _env(given: model_engines.EngineDefinition) -> dict[str, str]:
    return {name: str(value) for name, value in (given.env or {}).items()}
