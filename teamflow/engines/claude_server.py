"""Claude Code with another server than its maker's: settings that lead each of its calls there, and none elsewhere.

Settings, not only variables: those of the user's own settings go before the environment, and a key that lies in them,
or that a login has left, would be sent to that server beside the one that is meant for it. Each was seen with the
version in `claude.CAPABILITIES.tested`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.invocation import Brief
from teamflow.core.plan import Json

PLACEHOLDER: Final = "local"
"""A key for servers that want none: without any it asks for a login."""

_MODELS: Final = (
    "ANTHROPIC_MODEL",
    *(f"ANTHROPIC_DEFAULT_{name}_MODEL" for name in ("OPUS", "SONNET", "HAIKU", "FABLE")),
    "ANTHROPIC_SMALL_FAST_MODEL",
    "CLAUDE_CODE_SUBAGENT_MODEL",
)
"""Who asks for `haiku`, or for what is fast, asks for the one model as well."""
_CLOUDS: Final = ("BEDROCK", "VERTEX", "FOUNDRY", "MANTLE", "ANTHROPIC_AWS", "GATEWAY")
_KEYS: Final = ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY")
_HEADERS: Final = "ANTHROPIC_CUSTOM_HEADERS"


def variables(brief: Brief) -> Mapping[str, str]:
    """What is in its environment and its settings; empty where the server is its maker's."""
    if not brief.base_url:
        return {}
    given = [brief.variables[name] for name in _KEYS if brief.variables.get(name)]
    key = given[0] if given else PLACEHOLDER
    return {
        "ANTHROPIC_BASE_URL": brief.base_url,
        # It sends both, by two headers; one that is empty would be the user's own.
        **{name: brief.variables.get(name) or key for name in _KEYS},
        _HEADERS: brief.variables.get(_HEADERS, ""),
        **(dict.fromkeys(_MODELS, brief.model) if brief.model is not None else {}),
        **{f"CLAUDE_CODE_USE_{cloud}": "" for cloud in _CLOUDS},
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def settings(brief: Brief, *, with_key: bool = True) -> dict[str, Json]:
    """Of its settings; empty where the server is its maker's. `with_key` False: nothing that may hold a key of the team
    file's."""
    env = variables(brief)
    hidden = () if with_key else [name for name in (*_KEYS, _HEADERS) if env.get(name) not in (PLACEHOLDER, "")]
    told = {name: value for name, value in env.items() if name not in hidden}
    return {"env": told, "apiKeyHelper": ""} if env else {}
