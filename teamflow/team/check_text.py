"""Checks of texts: templates and expressions that can be read, names that exist, no template where a shell reads.

Decides which names stand where. What a reference to another agent may say is in `check_reference`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from teamflow.team.check_reference import check_reference, declared_type, report_dash
from teamflow.team.model import Agent
from teamflow.team.scope import Scope
from teamflow.team.source import Path
from teamflow.team.template import (
    Compiled,
    TemplateError,
    compile_expression,
    compile_template,
    is_template,
)

BEFORE = frozenset(("inputs", "matrix", "agents", "run", "step", "env", "secrets"))
"""What a step's texts may name before it has run."""

AFTER = BEFORE | {"outputs", "text"}
MATRIX = frozenset(("inputs", "agents", "run", "env"))
ENV = BEFORE - {"env"}
TEAM_ENV = frozenset(("inputs", "run", "step"))
TEAM_OUTPUT = frozenset(("inputs", "agents", "run"))
HOOK = frozenset(("inputs", "run"))


@dataclass(frozen=True, slots=True)
class Owner:
    """Where a text stands: the names it may use, and the agent it belongs to, if it is one agent's alone."""

    names: frozenset[str]
    name: str | None = None
    agent: Agent | None = None


PR_OWNER = Owner(AFTER | {"feedback"})

_ATTEMPT = re.compile(r"\{\{(?!-?\s*(?:\.|\$|[a-z]+ +[.$]))|\{%.*%\}", re.S)
"""A template, but not `{{.Names}}` or `{{json .}}`, which other programs' formats look like."""
_SHELLS = frozenset(("sh", "ash", "bash", "dash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh"))
_SCRIPT = re.compile(r"-[A-Za-z]*c[A-Za-z]*\Z")
_ENV_HINT = 'Pass the value by env and write "$NAME".'
_SHELL_HINT = 'Pass the value by env and write "$NAME", or make the command a list.'
_SHELL_MESSAGE = "a shell would read the result of this template as code"


def check_template(scope: Scope, text: str, path: Path, owner: Owner) -> None:
    """A text with `{{ }}` must be readable and name what exists."""
    if "{" not in text or not is_template(text):
        return
    try:
        compiled = scope.read(text, compile_template)
    except TemplateError as error:
        _unreadable(scope, error, text, path)
        return
    if compiled is not None:
        _check_references(scope, compiled, text, path, owner)


def check_expression(scope: Scope, text: str, path: Path, owner: Owner, *, wanted: str | None = None) -> None:
    """A bare expression, whose value must have the JSON type `wanted` as far as that is known."""
    try:
        compiled = scope.read(text, compile_expression)
    except TemplateError as error:
        _unreadable(scope, error, text, path)
        return
    if compiled is None:
        return
    if _check_references(scope, compiled, text, path, owner) and wanted is not None:
        found = compiled.json_type or declared_type(scope, compiled, owner.agent)
        if found is not None and found != wanted:
            words = {"boolean": "true or false", "array": "a list"}
            hint = "Compare it, as in inputs.x == 'y'." if wanted == "boolean" else None
            message = f"this must be {words.get(wanted, wanted)}, but it is of type {found}"
            scope.error("expression-type", message, path, hint=hint)


def _unreadable(scope: Scope, error: TemplateError, text: str, path: Path) -> None:
    line = f" (line {error.line} of the text)" if error.line and "\n" in text.strip() else ""
    scope.error("bad-template", f"{error}{line}", path)


def _check_references(scope: Scope, compiled: Compiled, text: str, path: Path, owner: Owner) -> bool:
    good = True
    if "agents" in owner.names and report_dash(scope, compiled, text, path):
        return False
    for reference in compiled.references:
        root = reference.path[0]
        if root not in owner.names:
            known = ", ".join(sorted(owner.names))
            hint = scope.suggest(root, owner.names, otherwise=_root_hint(root, known))
            scope.error("unknown-name", f'"{root}" is not known here', path, hint=hint)
            good = False
        else:
            good = check_reference(scope, reference, path, owner.name, owner.agent) and good
    return good


def _root_hint(root: str, known: str) -> str:
    if root in AFTER:
        return f"{root} is there only {'after the step has run' if root in ('outputs', 'text') else 'elsewhere'}."
    return f"Names here: {known}."


def check_shell(scope: Scope, text: str, path: Path, *, hint: str = _ENV_HINT) -> None:
    """A text that a shell runs holds no template."""
    if "{" in text and _ATTEMPT.search(text):
        scope.error("template-in-shell", _SHELL_MESSAGE, path, hint=hint)


def check_command(scope: Scope, command: str | tuple[str, ...] | None, path: Path, owner: Owner | None) -> None:
    """A command: a string is a shell's, a list is an argv whose words are templates."""
    if isinstance(command, str):
        check_shell(scope, command, path, hint=_SHELL_HINT)
    elif command is not None:
        script = script_of(command)
        for index, word in enumerate(command):
            if index == script and "{" in word and is_template(word):
                scope.error("template-in-shell", _SHELL_MESSAGE, (*path, index), hint=_ENV_HINT)
            elif owner is not None:
                check_template(scope, word, (*path, index), owner)


def script_of(argv: tuple[str, ...]) -> int | None:
    """The index of the word that a shell in `argv` would read as its script."""
    shell = next((index for index, word in enumerate(argv) if word.rsplit("/", 1)[-1] in _SHELLS), None)
    if shell is None:
        return None
    for index in range(shell + 1, len(argv) - 1):
        if _SCRIPT.match(argv[index]):
            return index + 1
        if not argv[index].startswith(("-", "+")):
            return None
    return None


def check_env(scope: Scope, env: Mapping[str, str | int], path: Path, owner: Owner) -> None:
    """The values of an environment are templates."""
    for name, value in env.items():
        if isinstance(value, str):
            check_template(scope, value, (*path, name), owner)
