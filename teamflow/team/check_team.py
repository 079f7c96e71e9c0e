"""Checks of what stands beside the agents: names, inputs, secrets, targets, policies, engines, hooks, outputs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from teamflow.core.ids import NAME
from teamflow.core.shell import excerpt
from teamflow.team import check_text
from teamflow.team.check_text import HOOK, TEAM_ENV, TEAM_OUTPUT, Owner
from teamflow.team.json_schema import check_declaration
from teamflow.team.model import Agent, PrPolicy, Target
from teamflow.team.scope import PROTOCOL, Scope
from teamflow.team.source import Path

LONGEST_NAME = 64
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def check(scope: Scope) -> None:
    team = scope.team
    for section in ("agents", "personas", "targets", "pr_policies", "engines", "inputs", "outputs"):
        check_names(scope, getattr(team, section) or (), (section,))
    if not team.agents:
        scope.error("no-agents", "this team has no agents", ("agents",), hint="Declare one under agents:.", key=True)
    for name, declared in (team.inputs or {}).items():
        check_declaration(scope, declared, ("inputs", name), default=True)
    check_variables(scope, team.env or (), ("env",))
    check_text.check_env(scope, team.env or {}, ("env",), Owner(TEAM_ENV))
    _check_secrets(scope)
    for name, target in (team.targets or {}).items():
        _check_target(scope, name, target)
    for name in team.limits.engines or () if team.limits else ():
        check_engine(scope, name, ("limits", "engines", name), key=True)
    for name, policy in (team.pr_policies or {}).items():
        check_policy(scope, policy, ("pr_policies", name))
    _check_policy_cycles(scope)
    for event, hook in team.hooks or () if team.hooks else ():
        check_text.check_command(scope, hook, ("hooks", event), Owner(HOOK))
    for name, expression in (team.outputs or {}).items():
        check_text.check_expression(scope, expression, ("outputs", name), Owner(TEAM_OUTPUT))


def check_names(scope: Scope, names: Iterable[str], path: Path) -> None:
    """Names must be words that can stand in ids, paths and expressions."""
    for name in names:
        if not NAME.match(name) or len(name) > LONGEST_NAME:
            better = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")[:LONGEST_NAME]
            rule = f"A name has small letters, digits, _ and -, begins with a letter or _, at most {LONGEST_NAME}."
            hint = f'{rule} For instance "{better}".' if NAME.match(better) else rule
            scope.error("bad-name", f'"{shown(name)}" cannot be a name', (*path, name), hint=hint, key=True)


def shown(text: str) -> str:
    """A text of a file for a message: short and with nothing that steers a terminal."""
    escaped = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text[:60])
    return escaped if len(text) <= 60 else escaped + "…"


def check_variables(scope: Scope, names: Iterable[str], path: Path) -> None:
    """Names of environment variables."""
    for name in names:
        if not VARIABLE.match(name):
            hint = "A variable has letters, digits and _, and does not begin with a digit."
            scope.error("bad-name", f'"{shown(name)}" cannot be a variable', (*path, name), hint=hint, key=True)


def check_engine(scope: Scope, text: str, path: Path, *, key: bool = False) -> None:
    """`engine` or `engine/model`: the engine must be built in or defined."""
    name, slash, model = text.partition("/")
    if name == PROTOCOL:
        define = "Name the agent: engines: {my-agent: {command: [my-agent, acp], output: acp}}, then engine: my-agent."
        scope.error("unknown-engine", "acp is a protocol that agents speak, and no agent", path, hint=define, key=key)
    elif name not in scope.engines and not _is_brought(scope, name, path, key=key):
        return
    elif slash and (not model or key):
        scope.error("unknown-engine", f'"{shown(text)}" names no engine and model', path, hint="Write engine/model.")
    elif model and not _takes_model(scope, name):
        no_model(scope, name, path)


def _is_brought(scope: Scope, name: str, path: Path, *, key: bool) -> bool:
    """Whether another package brings a sound engine of that name; complains if not."""
    if name in scope.brought:
        problem = scope.others.problem(name)
        if problem:
            message = f'the engine "{shown(name)}" cannot be used: {excerpt(problem, width=200)}'
            scope.error("unknown-engine", message, path, hint="Mend, update or remove the package.", key=key)
        return not problem
    known = scope.engines | scope.brought
    names = f"Engines: {', '.join(sorted(known))}. A model stands behind its engine: claude/opus."
    hint = scope.suggest(name, known, otherwise=names)
    scope.error("unknown-engine", f'there is no engine "{shown(name)}"', path, hint=hint, key=key)
    return False


def check_model(scope: Scope, agent: Agent, path: Path) -> None:
    """A model that `model` names needs an engine that takes one; `engine/model` is checked with the engine."""
    if not scope.team.engines:
        return
    model: str | None = None
    for layer in scope.layers(agent):
        model = model or layer.model
        if layer.engine is None:
            continue
        for text in layer.engine:
            name, _, own = text.partition("/")
            where = (*path, "model") if agent.model is not None else path
            if model and not own and not _takes_model(scope, name):
                no_model(scope, name, where, key=agent.model is None)
            elif model and not own and (asked := _asks_for(scope, name)):
                message = f'model does not reach the engine "{shown(name)}", which asks for {shown(asked)}'
                hint = f"Write it behind the engine that it is for: engine: NAME/{shown(model)}."
                scope.error("engine-model", message, where, hint=hint, key=agent.model is None)
        return


def _asks_for(scope: Scope, engine: str) -> str:
    """The model that a variant brings; empty: none, or it is no variant."""
    definition = (scope.team.engines or {}).get(engine)
    model = definition.model if definition is not None and definition.engine is not None else None
    return model if isinstance(model, str) else ""


def _takes_model(scope: Scope, engine: str) -> bool:
    definition = (scope.team.engines or {}).get(engine)
    if definition is None:
        return True
    from teamflow.team.engines import can_take_model

    return can_take_model(definition)


def no_model(scope: Scope, engine: str, path: Path, *, key: bool = False) -> None:
    """Complains that an engine of the team's own has no use for a model."""
    hint = 'Write model: [--model, "{{ model }}"] in its definition, or name no model.'
    scope.error("engine-model", f'the engine "{shown(engine)}" takes no model', path, hint=hint, key=key)


def _check_secrets(scope: Scope) -> None:
    secrets = scope.team.secrets or {}
    check_variables(scope, secrets, ("secrets",))
    for name, secret in secrets.items():
        if (secret.env is None) == (secret.file is None):
            hint = "Write {env: VARIABLE} or {file: path}."
            scope.error("bad-secret", f'the secret "{name}" needs env or file', ("secrets", name), hint=hint, key=True)
        elif secret.env is not None and not VARIABLE.match(secret.env):
            scope.error("bad-name", f'"{shown(secret.env)}" cannot be a variable', ("secrets", name, "env"))


def _check_target(scope: Scope, name: str, target: Target) -> None:
    path: Path = ("targets", name)
    if name == "local" and target.ssh is not None:
        scope.error("bad-target", '"local" is this machine', (*path, "ssh"), hint="Give the target another name.")
    if name != "local" and target.ssh is None:
        scope.error("bad-target", f'the target "{name}" needs ssh', path, hint="Write ssh: HOST.", key=True)
    if target.bootstrap is not None:
        check_text.check_shell(scope, target.bootstrap, (*path, "bootstrap"))


def check_policy(scope: Scope, policy: PrPolicy, path: Path) -> None:
    """Names that a policy uses; its templates are checked with the agent that opens the pull request."""
    known: Mapping[str, object] = scope.team.pr_policies or {}
    if policy.extends is not None and policy.extends not in known:
        hint = scope.suggest(policy.extends, known, otherwise=_declared("pr_policies", known))
        scope.error("unknown-policy", f'there is no policy "{shown(policy.extends)}"', (*path, "extends"), hint=hint)
    if policy.feedback is not None and policy.feedback.agent not in scope.team.agents:
        agent = policy.feedback.agent
        hint = scope.suggest(agent, scope.team.agents)
        scope.error("unknown-agent", f'there is no agent "{shown(agent)}"', (*path, "feedback", "agent"), hint=hint)
    for key in ("base", "branch", "title", "body"):
        text = getattr(policy, key)
        if text is not None:
            check_text.check_template(scope, text, (*path, key), check_text.PR_OWNER)


def _declared(section: str, known: Iterable[str]) -> str:
    names = ", ".join(sorted(known))
    return f"{section} has {names}." if names else f"Declare it under {section}."


def _check_policy_cycles(scope: Scope) -> None:
    policies = scope.team.pr_policies or {}
    done: set[str] = set()
    for start in policies:
        chain: list[str] = []
        name: str | None = start
        while name is not None and name in policies and name not in done:
            if name in chain:
                around = " extends ".join([*chain[chain.index(name) :], name])
                path: Path = ("pr_policies", chain[-1], "extends")
                scope.error("policy-cycle", f"policies extend each other: {around}", path)
                break
            chain.append(name)
            name = policies[name].extends
        done.update(chain)
