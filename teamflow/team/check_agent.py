"""Checks of one agent, or of the keys that a persona or `defaults` give to agents.

Decides what each key may hold beyond its type, and which keys go together. One table of handlers per key, so
that an agent costs what it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from teamflow.core.ids import NAME
from teamflow.team import check_text
from teamflow.team.check_kind import check_kind, check_options
from teamflow.team.check_team import check_engine, check_model, check_names, check_policy, check_variables, shown
from teamflow.team.check_text import AFTER, BEFORE, ENV, MATRIX, Owner
from teamflow.team.declared import is_file_output
from teamflow.team.files import leaves_root
from teamflow.team.json_schema import check_declaration
from teamflow.team.model import Agent, FileReference, Loop, McpServer, Permissions, PrPolicy, TargetLabels, Workspace
from teamflow.team.scope import Scope
from teamflow.team.source import Path
from teamflow.team.template import is_template

_NO_PERSONA = "Declare it under personas, or write personas/NAME.md beside the team file, or .claude/agents/NAME.md."


class Subject:
    """The keys under check: whose they are (`name` and `agent` None for a persona or defaults) and where."""

    __slots__ = ("agent", "name", "names", "path")

    def __init__(self, path: Path, name: str | None, agent: Agent | None, names: frozenset[str]) -> None:
        self.path = path
        self.name = name
        self.agent = agent
        self.names = names

    def owner(self, names: frozenset[str] | None = None) -> Owner:
        return Owner(self.names if names is None else names, self.name, self.agent)


def check_agent(scope: Scope, name: str, agent: Agent, *, damaged: bool = False) -> None:
    """Complains about everything that is wrong with one agent; of a damaged one, only key by key."""
    path: Path = ("agents", name)
    check_keys(scope, agent, path, owner=name)
    if not damaged:
        check_kind(scope, name, agent, path)
        check_model(scope, agent, path)
        _check_relations(scope, agent, path)


def check_keys(scope: Scope, keys: Agent, path: Path, *, owner: str | None) -> None:
    """Checks every key that `keys` writes. `owner`: the agent's name, None for a persona or defaults."""
    agent = keys if owner is not None else None
    extra = frozenset(("feedback", "task"))
    names = BEFORE | extra if agent is None or agent.start is not None else BEFORE | _extra(scope, owner)
    subject = Subject(path, owner, agent, names)
    for key in keys.model_fields_set:
        handler = _HANDLERS.get(key)
        if handler is not None:
            value = getattr(keys, key)
            if value is not None:
                handler(scope, value, subject)


def _check_relations(scope: Scope, keys: Agent, path: Path) -> None:
    """Keys that mean something only beside another."""
    if scope.setting(keys, "skip_if_verified"):
        _check_verified(scope, keys, path)
    if keys.max_failures is not None and scope.setting(keys, "matrix") is None:
        scope.error("key-without-meaning", "max_failures needs a matrix", (*path, "max_failures"), key=True)
    if keys.diff is not None or keys.workspace is not None:
        # Imported here: most agents leave where they work to teamflow.
        from teamflow.team.check_workspace import check_alone

        check_alone(scope, keys, path)


def _check_verified(scope: Scope, keys: Agent, path: Path) -> None:
    own: Path = (*path, "skip_if_verified")
    if not scope.setting(keys, "verify"):
        if keys.skip_if_verified:
            hint = "Give the agent verify:, or remove the key."
            scope.error("key-without-meaning", "skip_if_verified needs verify", own, hint=hint)
        return
    values = [name for name, declared in scope.merged(keys, "outputs").items() if not is_file_output(declared)]
    if values:
        message = f"skip_if_verified may start nothing, so nobody would give the output {shown(values[0])}"
        hint = "Hand on files, {file: path}, or let another agent give it."
        scope.error("key-without-meaning", message, own, hint=hint)


def _extra(scope: Scope, name: str | None) -> frozenset[str]:
    """`feedback` stands where a loop or a pull request may send something back, `task` where it is a sub-agent."""
    extra = scope.extra_names
    return extra if name is None else extra - ({"task"} if name not in scope.helpers else set())


def _check_prompt(scope: Scope, value: object, subject: Subject) -> None:
    path: Path = (*subject.path, "prompt")
    if isinstance(value, FileReference):
        text = scope.loaded.texts.get(value.file)
        if text is not None:
            check_text.check_template(scope, text, (*path, "file"), subject.owner())
    elif isinstance(value, str):
        check_text.check_template(scope, value, path, subject.owner())


def _check_command(scope: Scope, value: object, subject: Subject) -> None:
    if isinstance(value, (str, tuple)):
        check_text.check_command(scope, value, (*subject.path, "command"), subject.owner())


def _check_ask(scope: Scope, value: object, subject: Subject) -> None:
    check_text.check_template(scope, str(value), (*subject.path, "ask"), subject.owner())


def _check_options(scope: Scope, value: object, subject: Subject) -> None:
    if isinstance(value, tuple):
        check_options(scope, value, (*subject.path, "options"))


def _check_persona(scope: Scope, value: object, subject: Subject) -> None:
    known = scope.team.personas or {}
    path: Path = (*subject.path, "persona")
    if subject.path[0] == "personas":
        scope.error("key-without-meaning", "a persona has no persona", path, hint="Write the keys here.", key=True)
    elif value not in known:
        names = (*known, *scope.loaded.nameable)
        hint = scope.suggest(str(value), names, otherwise=_NO_PERSONA)
        scope.error("unknown-persona", f'there is no persona "{shown(str(value))}"', path, hint=hint)


def _check_engine(scope: Scope, value: object, subject: Subject) -> None:
    if isinstance(value, tuple):
        if not value:
            scope.error("wrong-value", "name at least one engine", (*subject.path, "engine"))
        for index, engine in enumerate(value):
            path: Path = (*subject.path, "engine", index)
            check_engine(scope, engine, path)


def _check_base_url(scope: Scope, value: object, subject: Subject) -> None:
    # Imported here: few agents have it.
    from teamflow.team.check_url import check_base_url

    check_base_url(scope, str(value), (*subject.path, "base_url"))


def _check_depends_on(scope: Scope, value: object, subject: Subject) -> None:
    agents = scope.team.agents
    if not isinstance(value, Mapping):
        return
    for index, name in enumerate(value):
        other = agents.get(name)
        if other is not None and name != subject.name and other.start is None:
            continue
        path: Path = (*subject.path, "depends_on", name)
        if not scope.places.has(path):
            path = (*subject.path, "depends_on", index)
        if other is None:
            notes = "Keys that begin with x- are notes, not agents."
            hint = notes if name.startswith("x-") else scope.suggest(name, agents)
            scope.error("unknown-agent", f'there is no agent "{shown(name)}"', path, hint=hint, key=True)
        elif name == subject.name:
            scope.error("self-dependency", f'"{name}" cannot depend on itself', path, key=True)
        else:
            scope.error("no-step", f'"{name}" is no step (start: never)', path, key=True)


def _check_matrix(scope: Scope, value: object, subject: Subject) -> None:
    path: Path = (*subject.path, "matrix")
    if isinstance(value, str):
        if NAME.match(value) and value not in MATRIX:
            _check_pairing(scope, value, path, subject)
        else:
            check_text.check_expression(scope, value, path, subject.owner(MATRIX), wanted="array")
    elif isinstance(value, dict):
        check_names(scope, value, path)
        if not value:
            scope.error("bad-matrix", "a matrix needs at least one key", path, hint="matrix: {task: [one, two]}")
        for key, axis in value.items():
            if isinstance(axis, str):
                check_text.check_expression(scope, axis, (*path, key), subject.owner(MATRIX), wanted="array")


def _check_pairing(scope: Scope, name: str, path: Path, subject: Subject) -> None:
    other = scope.team.agents.get(name)
    if name == subject.name:
        scope.error("self-dependency", f'"{name}" cannot pair with itself', path)
    elif other is None:
        hint = scope.suggest(name, scope.team.agents, otherwise="Write a list, a map, or an expression like inputs.x.")
        scope.error("unknown-agent", f'there is no agent "{shown(name)}" to pair with', path, hint=hint)
    elif other.start is not None:
        scope.error("no-step", f'"{name}" is no step (start: never), so it has no instances to pair with', path)
    elif scope.setting(other, "matrix") is None:
        hint = f"Use depends_on: [{name}]."
        scope.error("bad-matrix", f'"{name}" has no matrix to pair with', path, hint=hint)


def _check_if(scope: Scope, value: object, subject: Subject) -> None:
    check_text.check_expression(scope, str(value), (*subject.path, "if"), subject.owner(), wanted="boolean")


def _check_loop(scope: Scope, value: object, subject: Subject) -> None:
    if not isinstance(value, Loop):
        return
    path: Path = (*subject.path, "loop")
    names = subject.names | AFTER
    check_text.check_expression(scope, value.until, (*path, "until"), subject.owner(names), wanted="boolean")
    if value.rework == subject.name:
        scope.error("self-dependency", "a loop reworks an earlier agent, not itself", (*path, "rework"))
    elif (other := scope.team.agents.get(value.rework)) is None:
        hint = scope.suggest(value.rework, scope.team.agents)
        scope.error("unknown-agent", f'there is no agent "{shown(value.rework)}"', (*path, "rework"), hint=hint)
    elif other.start is not None:
        scope.error("no-step", f'"{value.rework}" is no step (start: never)', (*path, "rework"))


def _paths(key: str) -> Handler:
    """A check that the paths or globs of `key` stay inside the workspace."""

    def check(scope: Scope, value: object, subject: Subject) -> None:
        if isinstance(value, tuple):
            for index, pattern in enumerate(value):
                path: Path = (*subject.path, key, index)
                check_path(scope, pattern, path if scope.places.has(path) else path[:-1], subject.owner())

    return check


def check_path(scope: Scope, text: str, path: Path, owner: Owner) -> None:
    """A path or glob below the workspace; where it is a template, as much of it as can be seen."""
    if "{" in text and is_template(text):
        check_text.check_template(scope, text, path, owner)
        outside = text.startswith(("/", "~")) or ".." in text.replace("\\", "/").split("/")
    else:
        outside = leaves_root(text)
    if outside:
        hint = "Paths are relative to the workspace of the step."
        scope.error("path-outside", f'"{shown(text)}" leads out of the workspace', path, hint=hint)


def _check_env(scope: Scope, value: object, subject: Subject) -> None:
    if isinstance(value, dict):
        path: Path = (*subject.path, "env")
        check_variables(scope, value, path)
        check_text.check_env(scope, value, path, subject.owner(subject.names & ENV | (subject.names - BEFORE)))


def _check_secrets(scope: Scope, value: object, subject: Subject) -> None:
    known = scope.team.secrets or {}
    for index, name in enumerate(value if isinstance(value, tuple) else ()):
        if name not in known:
            path: Path = (*subject.path, "secrets", index)
            hint = scope.suggest(name, known, otherwise="Declare it under secrets.")
            scope.error("unknown-secret", f'there is no secret "{shown(name)}"', path, hint=hint)


def _positive(key: str) -> Handler:
    def check(scope: Scope, value: object, subject: Subject) -> None:
        if value == 0:
            scope.error("wrong-value", f"{key} must be longer than nothing", (*subject.path, key))

    return check


def _check_verify(scope: Scope, value: object, subject: Subject) -> None:
    for index, command in enumerate(value if isinstance(value, tuple) else ()):
        check_text.check_shell(scope, command, (*subject.path, "verify", index))


def _check_outputs(scope: Scope, value: object, subject: Subject) -> None:
    if not isinstance(value, dict):
        return
    path: Path = (*subject.path, "outputs")
    check_names(scope, value, path)
    for name, declared in value.items():
        if is_file_output(declared):
            check_path(scope, declared["file"], (*path, name, "file"), subject.owner())
        else:
            check_declaration(scope, declared, (*path, name), default=False)


def _check_workspace(scope: Scope, value: object, subject: Subject) -> None:
    if not isinstance(value, Workspace):
        return
    path: Path = (*subject.path, "workspace")
    if value.setup is not None:
        check_text.check_shell(scope, value.setup, (*path, "setup"))
    if value.repo is not None and value.mode not in (None, "clone"):
        hint = "A repo is cloned: write mode: clone, or leave mode out."
        scope.error("wrong-value", f"mode: {value.mode} does not go with repo", (*path, "mode"), hint=hint)
    if value.repo is not None:
        # Imported here: few teams clone.
        from teamflow.team.check_workspace import check_repo

        check_repo(scope, value.repo, (*path, "repo"), subject.owner())
    for index, name in enumerate(value.copy_ or ()):
        check_path(scope, name, (*path, "copy", index), subject.owner())


def _check_on_conflict(scope: Scope, value: object, subject: Subject) -> None:
    # Imported here: few teams have it.
    from teamflow.team.check_conflict import check_resolver

    check_resolver(scope, str(value), subject.path, agent=subject.agent)


def _check_workdir(scope: Scope, value: object, subject: Subject) -> None:
    check_path(scope, str(value), (*subject.path, "workdir"), subject.owner())


def _check_permissions(scope: Scope, value: object, subject: Subject) -> None:
    if isinstance(value, Permissions):
        # Imported here: few teams have lists.
        from teamflow.team.check_permissions import check_lists

        check_lists(scope, value, (*subject.path, "permissions"))


def _check_mcp_servers(scope: Scope, value: object, subject: Subject) -> None:
    for name, server in value.items() if isinstance(value, dict) else ():
        if isinstance(server, McpServer) and (server.command is None) == (server.url is None):
            path: Path = (*subject.path, "mcp_servers", name)
            scope.error("bad-mcp-server", f'the server "{shown(name)}" needs command or url', path, key=True)


def _check_subagents(scope: Scope, value: object, subject: Subject) -> None:
    known = {**scope.team.agents, **(scope.team.personas or {})}
    for index, name in enumerate(value if isinstance(value, tuple) else ()):
        if name not in known:
            path: Path = (*subject.path, "subagents", index)
            hint = scope.suggest(name, known)
            scope.error("unknown-agent", f'there is no agent or persona "{shown(name)}"', path, hint=hint)


def _check_target(scope: Scope, value: object, subject: Subject) -> None:
    path: Path = (*subject.path, "target")
    if isinstance(value, TargetLabels):
        targets = (scope.team.targets or {}).values()
        if not any(set(value.labels) <= set(target.labels or ()) for target in targets):
            message = f"no target has the labels {', '.join(value.labels)}"
            scope.error("unknown-target", message, path, hint="Give a target these labels under targets.")
    elif value not in scope.targets:
        hint = scope.suggest(str(value), scope.targets, otherwise=f"Targets: {', '.join(sorted(scope.targets))}.")
        scope.error("unknown-target", f'there is no target "{shown(str(value))}"', path, hint=hint)


def _check_pr(scope: Scope, value: object, subject: Subject) -> None:
    path: Path = (*subject.path, "pr")
    known = scope.team.pr_policies or {}
    if isinstance(value, PrPolicy):
        check_policy(scope, value, path)
    elif value is True and "default" not in known:
        remedy = "Declare default under pr_policies, or name a policy."
        scope.error("unknown-policy", "pr: true means the policy default, which is not there", path, hint=remedy)
    elif isinstance(value, str) and value not in known:
        hint = scope.suggest(value, known, otherwise="Declare it under pr_policies.")
        scope.error("unknown-policy", f'there is no policy "{shown(value)}"', path, hint=hint)


Handler: TypeAlias = Callable[[Scope, object, Subject], None]

_HANDLERS: Mapping[str, Handler] = {
    "prompt": _check_prompt,
    "command": _check_command,
    "ask": _check_ask,
    "options": _check_options,
    "persona": _check_persona,
    "engine": _check_engine,
    "base_url": _check_base_url,
    "depends_on": _check_depends_on,
    "matrix": _check_matrix,
    "if_": _check_if,
    "loop": _check_loop,
    "reads": _paths("reads"),
    "writes": _paths("writes"),
    "env": _check_env,
    "secrets": _check_secrets,
    "timeout": _positive("timeout"),
    "idle_timeout": _positive("idle_timeout"),
    "on_conflict": _check_on_conflict,
    "verify": _check_verify,
    "outputs": _check_outputs,
    "workspace": _check_workspace,
    "workdir": _check_workdir,
    "permissions": _check_permissions,
    "mcp_servers": _check_mcp_servers,
    "subagents": _check_subagents,
    "target": _check_target,
    "pr": _check_pr,
}
