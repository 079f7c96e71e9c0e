"""Which tool of which CLI does what a step means: found by the names and parameters that the call itself offers.

Refuses to know the dialects. `resolve` raises BadScript when no offered tool fits.
"""

from __future__ import annotations

import json
import posixpath
import re
from typing import Any, Final

from tests.fakes.models.script import BadScript, Call, Edit, Read, Run, Step, Tool, Write
from tests.fakes.models.wire import Ask, Made, Offered

_NAMES: Final[dict[type, tuple[str, ...]]] = {
    Run: ("Bash", "bash", "run_shell_command", "exec_command", "shell_command", "shell"),
    Write: ("Write", "write", "write_file", "create"),
    Edit: ("Edit", "edit", "replace"),
    Read: ("Read", "read", "read_file", "view"),
}
"""What claude, opencode and copilot, gemini, and codex call them."""

_PARAMETERS: Final = {
    "command": ("command", "cmd"),
    "path": ("file_path", "filePath", "path"),
    "content": ("content", "file_text"),
    "old": ("old_string", "oldString", "old_str"),
    "new": ("new_string", "newString", "new_str"),
}

_SPOKEN: Final = ("description", "instruction")
"""Parameters in which the model says what it is doing; given where they must be."""

_STRUCTURED: Final = "StructuredOutput"
"""The tool by which claude takes an answer to `--json-schema`."""

_DIRECTORY: Final = re.compile(
    r"""(?: Primary\ working\ directory:\ | Current\ working\ directory:\ | Working\ directory:\ | <cwd> |
          Workspace\ Directories:\*\*\\n\ \ -\ )([^\\"<]+)""",
    re.VERBOSE,
)
"""Where each CLI tells its model the directory, in the text of a JSON document."""


def resolve(step: Step, ask: Ask, *, unique: str) -> tuple[str, tuple[Made, ...]]:
    """The text and the calls of the answer. `unique` goes into the ids of the calls."""
    if step.structured:
        if _STRUCTURED in ask.tools:
            return "", (Made(f"{unique}_0", _STRUCTURED, step.answer),)
        return json.dumps(step.answer), ()
    calls = tuple(_made(one, ask, id=f"{unique}_{index}") for index, one in enumerate(step.calls))
    return step.text, calls


def _made(call: Call, ask: Ask, *, id: str) -> Made:
    if isinstance(call, Tool):
        return _named(call, ask, id=id)
    given = {name: _absolute(value, ask) if name == "path" else value for name, value in vars(call).items()}
    name = next((one for one in _NAMES[type(call)] if one in ask.tools), "")
    if name:
        return Made(id, name, _arguments(call, given, ask.tools[name]))
    if isinstance(call, Write | Edit) and ask.dialect == "responses":
        return _patch(call, given, ask, id=id)
    if isinstance(call, Read) and ask.dialect == "responses":
        return _made(Run(f"cat '{given['path']}'"), ask, id=id)
    raise BadScript(f"none of the offered tools does {call}: {', '.join(ask.tools) or 'there are none'}")


def _named(call: Tool, ask: Ask, *, id: str) -> Made:
    offered = ask.tools.get(call.name)
    if offered is None:
        raise BadScript(f"no tool is named {call.name!r}; offered are {', '.join(ask.tools) or 'none'}")
    return Made(id, offered.name or call.name, call.arguments, offered.namespace)


def _arguments(call: Call, given: dict[str, str], offered: Offered) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in given.items():
        parameter = next((one for one in _PARAMETERS[name] if one in offered.parameters), "")
        if not parameter:
            raise BadScript(f"the tool for {call} has no parameter for its {name}: {', '.join(offered.parameters)}")
        made[parameter] = value
    made |= {name: f"scripted: {type(call).__name__}" for name in _SPOKEN if name in offered.required}
    return made


def _patch(call: Write | Edit, given: dict[str, str], ask: Ask, *, id: str) -> Made:
    """Codex has no tool per file: it takes a patch, as a tool of its own or as a command that it knows."""
    if isinstance(call, Write):
        body = "".join(f"+{line}\n" for line in given["content"].splitlines())
        part = f"*** Add File: {given['path']}\n{body}"
    else:
        old = "".join(f"-{line}\n" for line in given["old"].splitlines())
        new = "".join(f"+{line}\n" for line in given["new"].splitlines())
        part = f"*** Update File: {given['path']}\n@@\n{old}{new}"
    patch = f"*** Begin Patch\n{part}*** End Patch\n"
    offered = ask.tools.get("apply_patch")
    if offered:
        return Made(id, "apply_patch", patch if offered.custom else {"input": patch})
    return _made(Run(f"apply_patch <<'PATCH'\n{patch}PATCH\n"), ask, id=id)


def _absolute(path: str, ask: Ask) -> str:
    if posixpath.isabs(path):
        return path
    told = _DIRECTORY.findall(ask.whole)
    if not told:
        raise BadScript(f"the path {path!r} is relative, and the CLI told no directory")
    # Codex tells a new one when it changes; the others have one, before all that the user says.
    return posixpath.join(told[-1 if ask.dialect == "responses" else 0].strip(), path)
