"""What a team from outside would run, for somebody who is to say whether it may. Pure.

Decides what matters to that: every command, engine and server with all its words, and what it gets of this machine.
Nothing of it can steer the terminal, and what is cut says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from teamflow.core.plan import Command, Deferred, Json, Plan, Step, Text
from teamflow.core.repos import redacted
from teamflow.core.shell import shown
from teamflow.views.diagnostics import safe
from teamflow.views.words import plural

_LINES: Final = 60
_LONGEST: Final = 600
_FILES: Final = 20


def trust_text(plan: Plan, files: Sequence[str]) -> str:
    """The files from outside, and what the plan would do, as lines without a last newline."""
    named = [f"  {_cut(file)}" for file in files[:_FILES]]
    if len(files) > _FILES:
        named.append(f"  and {plural(len(files) - _FILES, 'file')} more")
    lines = list(dict.fromkeys(_what(plan)))
    told = [f"  {line}" for line in lines[:_LINES]]
    if len(lines) > _LINES:
        told.append(f"  and {plural(len(lines) - _LINES, 'line')} more, which `teamflow plan` shows")
    return "\n".join(["from outside of this project:", *named, "what it would do:", *told])


def _what(plan: Plan) -> Iterator[str]:
    for event, command in plan.hooks:
        yield f"hook {event}: runs {_command(command)}"
    for name, definition in plan.engines.items():
        words = (*definition.command, *definition.model, *definition.resume, *definition.prompt)
        server = f" at {_cut(definition.base_url)}" if definition.base_url else ""
        does = f"{safe(definition.engine)}{server}" if definition.engine else f"runs {_quoted(shown(words))}"
        gets = f" gets your variables {_cut(', '.join(definition.inherit_env))}" if definition.inherit_env else ""
        yield f"engine {safe(name)}: {does}{_variables(definition.env.items())}{gets}"
    for step in plan.steps:
        yield from _step(step)
    if plan.inherit_env:
        yield f"every step gets your variables {_cut(', '.join(plan.inherit_env))}"
    for secret in plan.secrets:
        yield f"secret {safe(secret.name)}: from {safe(secret.kind)} {_cut(secret.where)}"


def _step(step: Step) -> Iterator[str]:
    """By agent: steps of one agent that do the same give the same lines."""
    agent = safe(step.agent)
    yield from _work(step, agent)
    for name, server in step.means.servers.items():
        yield f"{agent}: MCP server {safe(name)}: {_server(server)}"
    if step.env:
        yield f"{agent}:{_variables((name, _text(value)) for name, value in step.env)}"
    if step.tree is not None and step.tree.repo is not None:
        yield f"{agent}: clones {_quoted(redacted(_text(step.tree.repo)))}"
    if step.setup:
        yield f"{agent}: sets up with {_quoted(step.setup)}"
    for command in step.verify:
        yield f"{agent}: checks with {_command(command)}"
    if step.secrets:
        yield f"{agent}: gets the secrets {_cut(', '.join(step.secrets))}"


def _work(step: Step, agent: str) -> Iterator[str]:
    """What it runs, or is asked."""
    if step.command is not None:
        yield f"{agent}: runs {_command(step.command)}"
    elif step.ask is not None:
        yield f"{agent}: asks a person"
    else:
        may = f" ({safe(step.permissions)})" if step.permissions else ""
        yield f"{agent}: {safe(', else '.join(step.engines))}{may}"
        if step.script is not None:
            yield f"{agent}: plays {_cut(json.dumps(step.script, ensure_ascii=False))}"
        elif step.prompt is not None:
            yield f"{agent}: is asked {_quoted(_text(step.prompt))}"


def _variables(env: Iterable[tuple[str, str]]) -> str:
    """In front of it a blank; empty where there are none."""
    words = ", ".join(f"{name}={value}" for name, value in env)
    return f" sets {_cut(words)}" if words else ""


def _server(server: Json) -> str:
    if not isinstance(server, dict):
        return ""
    args = server.get("args")
    words = [server.get("command"), *(args if isinstance(args, list | tuple) else ())]
    return f"runs {_quoted(shown([str(word) for word in words]))}" if words[0] else f"at {_cut(str(server.get('url')))}"


def _command(command: Command) -> str:
    if command.shell is not None:
        return _quoted(command.shell)
    return _quoted(shown([_text(word) for word in command.argv]))


def _text(text: Text) -> str:
    return text.template if isinstance(text, Deferred) else text


def _quoted(text: str) -> str:
    return f"`{_cut(text)}`"


def _cut(text: str) -> str:
    """On one line, and of bearable length; what is left out is counted."""
    line = safe(text.strip().replace("\n", " ⏎ "))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}… and {len(line) - _LONGEST} characters more"
