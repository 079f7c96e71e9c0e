"""An engine by configuration: a one-shot program that the team file defines under `engines`.

Decides what it is told (instructions, prompt, wanted outputs, notice, in one text) and by which way. What its output
means is in `custom_output.py`. Refuses to know any program: what is particular about one stands in its definition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from teamflow.core.invocation import Brief, EngineEvent, Exit, Invocation
from teamflow.core.outcome import Failed, FailureClass, Outcome
from teamflow.core.placeholders import MODEL, PROMPT, PROMPT_FILE, SESSION, begins_with, fill, placeholders, takes_model
from teamflow.core.plan import EngineDefinition
from teamflow.engines.command import CommandSession
from teamflow.engines.custom_output import JsonSession
from teamflow.engines.deaf import Deaf
from teamflow.engines.exits import size
from teamflow.engines.failures import classified
from teamflow.engines.results import request
from teamflow.ports import Capabilities, Session

LONGEST_ARGUMENT: Final = 8 << 10
"""Bytes of a prompt that may be an argument. The kernel takes more, but `ps` shows it to everybody on the machine."""


class CustomEngine:
    """`ports.Engine` for one definition."""

    def __init__(self, name: str, definition: EngineDefinition) -> None:
        self.name = name
        self._definition = definition
        self.capabilities = Capabilities(
            resume=bool(definition.resume),
            cost="usd" in definition.usage,
            protocol=definition.output != "text",
            tail=bool(definition.failures),
        )

    def invoke(self, brief: Brief) -> Invocation | Failed:
        if brief.model is not None and not takes_model(self._definition):
            reason = f"the engine {self.name} takes no model: give its definition model, or name none ({brief.model})"
            return Failed(FailureClass.START, reason)
        text = _encodable(told(brief))
        words = self._way(text)
        if isinstance(words, Failed):
            return words
        values = {PROMPT: text, PROMPT_FILE: f"{brief.stem}.prompt"}
        argv = list(self._definition.command)
        if brief.model is not None:
            values[MODEL] = brief.model
            argv += self._definition.model
        if brief.session is not None and self._definition.resume:
            values[SESSION] = brief.session
            argv += self._definition.resume
        env = {
            name: fill(value, values)
            for name, value in self._definition.env.items()
            if all(held in values for held in placeholders(value))
        }
        by_file = any(PROMPT_FILE in placeholders(word) for word in words)
        return Invocation(
            (*(fill(word, values) for word in argv), *_carried(words, values, last=argv[-1])),
            env=env,
            stdin=None if words else text,
            protocol=self.capabilities.protocol,
            files=((values[PROMPT_FILE], text),) if by_file else (),
        )

    def session(self, brief: Brief) -> Session:
        text = CommandSession(brief)
        inner: Session = JsonSession(self._definition, brief) if self.capabilities.protocol else text
        return Explained(inner, self._definition.failures) if self._definition.failures else inner

    def _way(self, text: str) -> tuple[str, ...] | Failed:
        """The words that carry this prompt; none for stdin."""
        words = self._definition.prompt
        if not any(PROMPT in placeholders(word) for word in words):
            return words
        length = len(text.encode("utf-8", "surrogateescape"))
        if length <= LONGEST_ARGUMENT and "\0" not in text:
            return words
        if self._definition.long_prompt is not None:
            return self._definition.long_prompt
        fault = "holds a NUL" if "\0" in text else f"has {length} bytes, more than {size(LONGEST_ARGUMENT)}"
        remedy = f"give the engine {self.name} long_prompt: stdin (or file), or prompt: stdin"
        return Failed(FailureClass.START, f"the prompt cannot be an argument, it {fault}: {remedy}")


class Explained(Deaf):
    """A session whose failures are told apart by what is printed about them."""

    def __init__(self, inner: Session, patterns: Sequence[tuple[str, str]]) -> None:
        self._inner = inner
        self._patterns = patterns

    def feed(self, data: bytes) -> Sequence[EngineEvent]:
        return self._inner.feed(data)

    def close(self, end: Exit) -> Outcome:
        outcome = self._inner.close(end)
        return classified(outcome, self._patterns, end) if isinstance(outcome, Failed) else outcome


def told(brief: Brief) -> str:
    """All that an attempt is told, as one text."""
    wanted = request(brief.schemas) if brief.schemas else ""
    # A notice about outputs that did not fit says what is wanted already.
    parts = (brief.instructions.strip(), brief.prompt, wanted if wanted not in brief.notice else "", brief.notice)
    return "\n\n".join(part for part in (*parts, *brief.messages) if part)


def _carried(words: Sequence[str], values: Mapping[str, str], *, last: str) -> Iterator[str]:
    """The words with the prompt in them; `last` is the word before. A prompt never becomes an option."""
    for word in words:
        filled = fill(word, values)
        exposed = filled.startswith("-") and begins_with(word, PROMPT) and last != "--"
        yield "\n" + filled if exposed else filled
        last = word


def _encodable(text: str) -> str:
    """Text that stands for bytes: halves of surrogate pairs do not."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text
