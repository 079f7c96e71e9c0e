"""What a scripted model says: a list of steps, one for each model call of an agent.

Decides what a step can be, and how it is written in JSON (for the server as a process of its own). Refuses to know
HTTP, the dialects of the providers and the tools of the CLIs: `Run`, `Write`, `Edit` and `Read` name an intent, and
`tools.py` finds the tool for it among those that the call offers, so that one script plays with every CLI.

A script is wrong loudly: `BadScript` when it is made, and an error of the server (`Models.check`) when it plays.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

FOREVER: Final = -1
"""`times` of a step that answers all further calls."""


class BadScript(Exception):
    """A script that cannot be played, or that did not fit what the agent asked."""


@dataclass(frozen=True)
class Tool:
    """A call by the tool's own name, with its own arguments."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """Run a shell command, by whatever tool the CLI has for it."""

    command: str


@dataclass(frozen=True)
class Write:
    """Write a new file. A relative path is taken from the directory that the CLI told the model."""

    path: str
    content: str


@dataclass(frozen=True)
class Edit:
    """Replace `old` by `new` once in a file; most CLIs want the file to have been read before."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Read:
    """Read a file."""

    path: str


Call = Tool | Run | Write | Edit | Read


@dataclass(frozen=True)
class Usage:
    """Tokens of one answer. `cached` is a part of `input` that came from the provider's cache."""

    input: int = 100
    output: int = 20
    cached: int = 0


@dataclass(frozen=True)
class Fault:
    """A failure by name, a key of `faults.FAULTS`. `retry_after` in seconds, `resets_in` seconds from now.

    `in_stream`: not as a status, but as an error event after a 200 and half an answer.
    """

    name: str
    retry_after: int | None = None
    resets_in: int = 3600
    message: str = ""
    in_stream: bool = False


@dataclass(frozen=True)
class Step:
    """One answer. `gate` holds it until the test opens the gate of that name, at `hold`: `before` the first byte, after
    the `headers`, or in the `middle` of the text. `cut` ends the connection there; `times`: calls that it answers.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    answer: Any = None
    structured: bool = False
    usage: Usage = Usage()
    fault: Fault | None = None
    gate: str = ""
    hold: str = "before"
    cut: bool = False
    times: int = 1

    def __post_init__(self) -> None:
        if self.hold not in ("before", "headers", "middle"):
            raise BadScript(f"a step is held before, headers or middle, not {self.hold!r}")
        if self.times != FOREVER and self.times < 1:
            raise BadScript(f"a step answers at least one call, not {self.times}")
        said = bool(self.text) + bool(self.calls) + self.structured
        if self.fault and (said or self.cut):
            raise BadScript("a step fails or says something, not both")
        if not self.fault and not said:
            raise BadScript("a step that says nothing: give it a text, a call, an answer or a fault")
        if self.structured and (self.text or self.calls):
            raise BadScript("a structured answer has no text and no further calls")

    def on(self, **changes: Any) -> Step:
        """The same step with other `usage`, `gate`, `hold`, `times`, ..."""
        return dataclasses.replace(self, **changes)


def say(text: str, **more: Any) -> Step:
    """Text, and the end of the turn."""
    return Step(text=text, **more)


def call(*calls: Call, text: str = "", **more: Any) -> Step:
    """One or more tool calls in one answer, with a text before them if there is one."""
    return Step(text=text, calls=calls, **more)


def run(command: str, **more: Any) -> Step:
    return call(Run(command), **more)


def write(path: str, content: str, **more: Any) -> Step:
    return call(Write(path, content), **more)


def edit(path: str, old: str, new: str, **more: Any) -> Step:
    return call(Edit(path, old, new), **more)


def read(path: str, **more: Any) -> Step:
    return call(Read(path), **more)


def tool(name: str, /, arguments: dict[str, Any] | None = None, **more: Any) -> Step:
    return call(Tool(name, arguments or {}), **more)


def answer(value: Any, **more: Any) -> Step:
    """The structured output that the agent was asked for: by claude's tool for it, else as JSON text."""
    return Step(answer=value, structured=True, **more)


def fail(
    name: str,
    *,
    retry_after: int | None = None,
    resets_in: int = 3600,
    message: str = "",
    in_stream: bool = False,
    **more: Any,
) -> Step:
    """A failure of the provider: a name in `faults.FAULTS`."""
    fault = Fault(name, retry_after=retry_after, resets_in=resets_in, message=message, in_stream=in_stream)
    return Step(fault=fault, **more)


def cut(text: str = "This answer is cut off before its end", **more: Any) -> Step:
    """A stream whose connection ends in its middle."""
    return Step(text=text, cut=True, **more)


def hang(hold: str = "before", *, gate: str = "hang", **more: Any) -> Step:
    """No bytes at all (`before`), none after the headers, or half an answer (`middle`), until the gate is opened."""
    return Step(text="This answer came late, in two parts", gate=gate, hold=hold, **more)


_KINDS: Final = {kind.__name__.lower(): kind for kind in (Tool, Run, Write, Edit, Read)}


def to_json(steps: Sequence[Step]) -> str:
    return json.dumps([_plain(step) for step in steps])


def _plain(step: Step) -> dict[str, Any]:
    changed = {
        item.name: getattr(step, item.name)
        for item in dataclasses.fields(step)
        if getattr(step, item.name) != item.default
    }
    if step.calls:
        changed["calls"] = [{type(one).__name__.lower(): dataclasses.asdict(one)} for one in step.calls]
    for name in ("usage", "fault"):
        if name in changed:
            changed[name] = dataclasses.asdict(changed[name])
    return changed


def from_json(text: str) -> list[Step]:
    """The steps of a JSON list of objects with the fields of `Step`. Raises BadScript."""
    try:
        rows = json.loads(text)
    except ValueError as problem:
        raise BadScript(f"a script is JSON: {problem}") from None
    if not isinstance(rows, list):
        raise BadScript("a script is a list of steps")
    return [_step(number, row) for number, row in enumerate(rows)]


def _step(number: int, row: Any) -> Step:
    if not isinstance(row, dict):
        raise BadScript(f"step {number} is not an object: {row!r}")
    made = dict(row)
    try:
        if "calls" in made:
            made["calls"] = tuple(_KINDS[kind](**fields) for one in made["calls"] for kind, fields in one.items())
        if "usage" in made:
            made["usage"] = Usage(**made["usage"])
        if "fault" in made:
            made["fault"] = Fault(**made["fault"])
        return Step(**made)
    except (TypeError, KeyError, AttributeError, BadScript) as problem:
        raise BadScript(f"step {number} of the script: {problem}") from None
