"""Checks of what an agent is: exactly one of prompt, command and ask, and only keys that mean something with it."""

from __future__ import annotations

from teamflow.core.script import check_script, shown_path
from teamflow.team.declared import KINDS
from teamflow.team.model import Agent
from teamflow.team.scope import Scope
from teamflow.team.source import Path

_PROMPT_ONLY = ("engine", "model", "script", "permissions", "mcp_servers", "subagents", "instructions")
_ASK_ONLY = ("options", "default")
_PROCESS_ONLY = (
    "retry", "verify", "skip_if_verified", "idle_timeout", "grace", "outputs", "workspace", "workdir",
    "isolation", "reads", "writes", "cache", "target", "loop", "secrets",
)  # fmt: skip
MEANINGLESS = {
    "prompt": frozenset(_ASK_ONLY),
    "command": frozenset((*_PROMPT_ONLY, *_ASK_ONLY)),
    "ask": frozenset((*_PROMPT_ONLY, *_PROCESS_ONLY)),
}
"""Kind → keys that an agent of it cannot have; from personas and `defaults` they do not reach it."""


def check_kind(scope: Scope, name: str, agent: Agent, path: Path) -> None:
    own = [kind for kind in KINDS if getattr(agent, kind) is not None]
    if len(own) > 1:
        scope.error("two-kinds", f'"{name}" has {" and ".join(own)}, it needs one of them', (*path, own[1]), key=True)
        return
    said = own or _inherited_kinds(scope, agent)
    if len(said) > 1:
        message = f'"{name}" gets {" and ".join(said)} from its persona or defaults, it needs one of them'
        scope.error("two-kinds", message, path, key=True)
        return
    kind = said[0] if said else None
    if kind is None and (scope.is_damaged("personas") or scope.is_damaged("defaults")):
        return
    if kind is None:
        hint = "Give it one of: prompt (an agent CLI), command (a process), ask (a person)."
        scope.error("no-kind", f'"{name}" does not say what to do', path, hint=hint, key=True)
        return
    for key in agent.model_fields_set & MEANINGLESS[kind]:
        scope.error(
            "key-without-meaning", f'"{key}" means nothing with {kind}', (*path, key), hint="Remove it.", key=True
        )
    if kind == "prompt":
        _check_script(scope, agent, path)
    elif kind == "ask":
        _check_answers(scope, agent, path)


def _inherited_kinds(scope: Scope, agent: Agent) -> list[str]:
    """What the persona says, else `defaults`: one kind, or several by mistake."""
    for layer in scope.layers(agent)[1:]:
        said = [kind for kind in KINDS if getattr(layer, kind) is not None]
        if said:
            return said
    return []


def _check_script(scope: Scope, agent: Agent, path: Path) -> None:
    if agent.script is None and agent.engine is None and agent.persona is None and scope.team.defaults is None:
        return
    engine = scope.setting(agent, "engine")
    first = engine[0] if isinstance(engine, tuple) and engine else ""
    script = scope.setting(agent, "script")
    scripted = first.partition("/")[0] == "scripted"
    if scripted and script is None:
        scope.error("no-script", "engine: scripted needs a script to play", path, hint="Write script: FILE.", key=True)
    elif agent.script is not None and not scripted:
        hint = "Write engine: scripted beside it."
        scope.error("key-without-meaning", "script is for engine: scripted", (*path, "script"), hint=hint, key=True)
    elif scripted and isinstance(script, str):
        _check_actions(scope, script, (*path, "script") if agent.script is not None else path)


def _check_actions(scope: Scope, script: str, path: Path) -> None:
    """Whether the script can be played; each file is complained about where it is first named."""
    if script not in scope.loaded.scripts or script in scope.checked_scripts:
        return
    scope.checked_scripts.add(script)
    for complaint in check_script(scope.loaded.scripts[script]):
        message = f"{script}{shown_path(complaint.path)}: {complaint.message}"
        scope.error("bad-script", message, path, hint=complaint.hint)


def _check_answers(scope: Scope, agent: Agent, path: Path) -> None:
    options = scope.setting(agent, "options")
    if agent.default is None:
        return
    if not isinstance(options, tuple):
        hint = "Give it options, or leave the default out."
        scope.error("bad-answer", "an approval has no default answer", (*path, "default"), hint=hint)
    elif agent.default not in options:
        scope.error("bad-answer", "the default is not among the options", (*path, "default"))
