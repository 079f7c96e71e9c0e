"""What a team from outside would run, for somebody who is to say whether it may. Pure.

Decides what matters to that: every command, engine and server with all its words, and what it gets of this machine.
Nothing of it can steer the terminal, and what is cut says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from teamflow.core.plan import Command, Deferred, Json, Plan, Step
from teamflow.core.shell import shown
from teamflow.views.sanitize import cell
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
        yield f"engine {cell(name)}: runs {_quoted(shown(definition.command))}"
    for step in plan.steps:
        yield from _step(step)
    if plan.inherit_env:
        yield f"every step gets your variables {_cut(', '.join(plan.inherit_env))}"
    for secret in plan.secrets:
        yield f"secret {cell(secret.name)}: from {cell(secret.kind)} {_cut(secret.where)}"


def _step(step: Step) -> Iterator[str]:
    """By agent: steps of one agent that do the same give the same lines."""
    agent = cell(step.agent)
    if step.command is not None:
        yield f"{agent}: runs {_command(step.command)}"
    elif step.ask is not None:
        yield f"{agent}: asks a person"
    else:
        may = f" ({cell(step.permissions)})" if step.permissions else ""
        yield f"{agent}: {cell(', else '.join(step.engines))}{may}"
    for name, server in step.means.servers.items():
        yield f"{agent}: MCP server {cell(name)}: {_server(server)}"
    if step.setup:
        yield f"{agent}: sets up with {_quoted(step.setup)}"
    for command in step.verify:
        yield f"{agent}: checks with {_command(command)}"
    if step.secrets:
        yield f"{agent}: gets the secrets {_cut(', '.join(step.secrets))}"


def _server(server: Json) -> str:
    if not isinstance(server, dict):
        return ""
    args = server.get("args")
    words = [server.get("command"), *(args if isinstance(args, list | tuple) else ())]
    return f"runs {_quoted(shown([str(word) for word in words]))}" if words[0] else f"at {_cut(str(server.get('url')))}"


def _command(command: Command) -> str:
    if command.shell is not None:
        return _quoted(command.shell)
    return _quoted(shown([word.template if isinstance(word, Deferred) else word for word in command.argv]))


def _quoted(text: str) -> str:
    return f"`{_cut(text)}`"


def _cut(text: str) -> str:
    """On one line, and of bearable length; what is left out is counted."""
    line = cell(text.strip().replace("\n", " ⏎ "))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}… and {len(line) - _LONGEST} characters more"
