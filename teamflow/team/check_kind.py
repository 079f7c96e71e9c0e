"""Checks of what an agent is: exactly one of prompt, command and ask, and only keys that mean something with it."""

from __future__ import annotations

from teamflow.team.declared import KINDS
from teamflow.team.model import Agent
from teamflow.team.scope import Scope
from teamflow.team.source import Path
from teamflow.team.template import is_template

_PROMPT_ONLY = (
    "engine",
    "model",
    "base_url",
    "script",
    "permissions",
    "mcp_servers",
    "isolate",
    "subagents",
    "instructions",
    "budget",
)
_ASK_ONLY = ("options", "default")
_PROCESS_ONLY = (
    "retry", "verify", "skip_if_verified", "idle_timeout", "grace", "outputs", "workspace", "diff", "workdir",
    "isolation", "reads", "writes", "cache", "target", "loop", "secrets", "guards", "on_conflict",
)  # fmt: skip
MEANINGLESS = {
    "prompt": frozenset(_ASK_ONLY),
    "command": frozenset((*_PROMPT_ONLY, *_ASK_ONLY)),
    "ask": frozenset((*_PROMPT_ONLY, *_PROCESS_ONLY, "env")),
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
    # Imported here: most teams play no scripts.
    from teamflow.core.script import check_script, shown_path

    if script not in scope.loaded.scripts or script in scope.checked_scripts:
        return
    scope.checked_scripts.add(script)
    for complaint in check_script(scope.loaded.scripts[script]):
        message = f"{script}{shown_path(complaint.path)}: {complaint.message}"
        scope.error("bad-script", message, path, hint=complaint.hint)


def _check_answers(scope: Scope, agent: Agent, path: Path) -> None:
    options, default = scope.setting(agent, "options"), scope.setting(agent, "default")
    if default is None:
        return
    at: Path = (*path, "default") if agent.default is not None else path
    if not isinstance(options, tuple):
        hint = "Give it options, or leave the default out."
        scope.error("bad-answer", "an approval has no default answer", at, hint=hint)
    elif default not in options:
        meant = scope.suggest(str(default), map(str, options), otherwise="Name one of the options.")
        scope.error("bad-answer", "the default is not among the options", at, hint=meant)
    elif scope.setting(agent, "timeout") is None:
        message = "the default is the answer when the timeout has passed, and there is no timeout"
        scope.error("bad-answer", message, at, hint="Say how long to wait: timeout: 2h.")


def check_options(scope: Scope, options: tuple[str, ...], path: Path) -> None:
    """Options are typed by people and compared as they are."""
    if len(options) < 2:
        hint = "Name at least two, or leave options out: then it is an approval."
        scope.error("bad-answer", "a question needs at least two options", path, hint=hint)
    for number, option in enumerate(options):
        at: Path = (*path, number)
        if option in options[:number]:
            scope.error("bad-answer", f'the option "{option}" stands twice', at, hint="Remove it.")
        elif is_template(option):
            scope.error("bad-answer", "an option is plain text, not a template", at, hint="Write out what it is.")
        elif option != option.strip() or not option.isprintable() or not option:
            message = "an option is one line, without blanks around it"
            scope.error("bad-answer", message, at, hint="People have to type it: keep it short.")
