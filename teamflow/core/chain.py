"""The engines in a step's chain: what the team file defines of them, and what their limits count for.

Decides nothing about which of them works: that is for `policy/quota.py`. A variant is resolved when the step is
planned; what is left of it for a run is another server, more variables, and a name under which its sessions are nobody
else's.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.limited import account
from teamflow.core.named import NamedTuple


class EngineDefinition(NamedTuple):
    """An engine that the team file defines: a program, or, with `engine`, a variant of one that is built in. The words
    of a program hold placeholders (`core/placeholders.py`); a variant has no words, and its `env` is as it stands.

    `prompt`: the words that carry the prompt; () for stdin. `long_prompt` likewise, for one that is too long for an
    argument; None: there is no way. output: text | json | json-lines | acp. `message` …
    `session` are paths into its JSON.
    """

    command: tuple[str, ...]
    prompt: tuple[str, ...] = ()
    long_prompt: tuple[str, ...] | None = None
    output: str = "text"
    message: str | None = None
    error: str | None = None
    session: str | None = None
    usage: Mapping[str, str] = {}
    """Path by field of `Usage`."""
    resume: tuple[str, ...] = ()
    """Words that are added when a session goes on."""
    model: tuple[str, ...] = ()
    """Words that are added where a model is named."""
    env: Mapping[str, str] = {}
    inherit_env: tuple[str, ...] = ()
    """Variables that its steps have from this machine."""
    calls: str | None = None
    """The path to what stands in its JSON only where it uses a tool."""
    failures: tuple[tuple[str, str], ...] = ()
    """(failure class, regular expression): what a failure is that says so; the first that is found counts."""
    engine: str = ""
    """Of a variant: the built-in engine that does the work."""
    base_url: str = ""
    """Of a variant: who answers as its model, as in `Means`; empty: what the step says."""
    asks_for: str | None = None
    """Of a variant: the model, where none is named."""


class Fallback(NamedTuple):
    """An engine that takes over where those before it in a step's chain are out of reach."""

    engine: str
    model: str | None = None
    custom: EngineDefinition | None = None


def is_program(custom: EngineDefinition) -> bool:
    """Whether it is a program of the team's own, of which nothing is known, and no variant."""
    return not custom.engine


def works_as(name: str, custom: EngineDefinition | None) -> str | None:
    """The built-in engine that does the work of the one by this name; None: a program of the team's own."""
    return name if custom is None else custom.engine or None


def account_of(name: str, custom: EngineDefinition | None, base_url: str) -> str:
    """What a limit of it counts for. `base_url`: where it asks its model. A variant with variables of its own, and no
    server, may have another login; any other has that of its engine."""
    if custom is None or is_program(custom):
        return account(name, base_url)
    apart = not base_url and (custom.env or custom.inherit_env)
    return name if apart else account(custom.engine, base_url)
