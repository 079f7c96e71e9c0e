"""What an agent is given besides its prompt, fitted to the variables of its step: MCP servers, a server of models.

Raises `BriefError` for what cannot be given; the attempt then fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.capabilities import Capabilities
from teamflow.core.invocation import Brief
from teamflow.core.outcome import Failed, FailureClass, Outcome
from teamflow.core.plan import EngineDefinition, Step
from teamflow.core.takes import REPLAY
from teamflow.core.variables import may_inherit
from teamflow.run.brief import BriefError

_OF_MODELS: Final = frozenset(
    (
        *(FailureClass.TRANSIENT, FailureClass.RATE_LIMIT, FailureClass.USAGE_EXHAUSTED, FailureClass.AUTH),
        *(FailureClass.FATAL, FailureClass.IDLE),
    )
)
"""Failures that may be those of a server of models."""


def inheriting(step: Step, can: Capabilities) -> Step:
    """What its engine declares as its login and configuration comes from this machine; where another server is asked,
    nothing of it that is a key: that server is not the one which the key is for."""
    declared = can.settings if step.means.base_url else can.login
    return step._replace(inherit_env=(*step.inherit_env, *declared)) if declared else step


def equipped(
    brief: Brief, environ: Mapping[str, str], can: Capabilities, *, custom: EngineDefinition | None = None
) -> Brief:
    """`environ`: all variables of its process. `can`: what its engine can do. `custom`: what the team file says it
    is."""
    if brief.base_url:
        # Planned it was for engines that can; somebody may have had it relaunched with another.
        if not can.base_url:
            raise BriefError("base_url: its engine cannot be told which server answers as its model")
        if brief.model is None and can.program:
            raise BriefError(f"base_url: which model of {brief.base_url} it is to ask for is not said")
        brief = brief._replace(variables=_meant_for(environ, can, custom))
    if brief.servers and can.mcp:  # nobody starts them for an engine that is given none, or that is only played
        from teamflow.run.serving import served  # few steps have servers

        brief = served(brief, environ)
    return brief


def _meant_for(environ: Mapping[str, str], can: Capabilities, custom: EngineDefinition | None) -> Mapping[str, str]:
    """What may be told to its server. A step with a variant that has one of its own has other engines as well, and in
    its variables perhaps their keys: so it is what the variant itself names."""
    if custom is None or not custom.base_url:
        return environ
    own = (*custom.env, *custom.inherit_env, *can.settings)
    return {name: value for name, value in environ.items() if may_inherit(name, own)}


def asked_at(outcome: Outcome, brief: Brief) -> Outcome:
    """The outcome; a failure that may be that of the server of its models says which one was asked for which."""
    if not isinstance(outcome, Failed) or outcome.failure not in _OF_MODELS or brief.model is None:
        return outcome
    if outcome.reason.startswith(REPLAY):
        return outcome  # nobody was asked
    return outcome._replace(reason=f"{outcome.reason} [{brief.base_url} was asked for {brief.model}]")
