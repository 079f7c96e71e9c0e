"""What the JSON that a custom engine prints means: what stands in it at the paths of its definition.

Success needs exit code 0, no reported error, and a message. Of what is found several times, the last counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from teamflow.core.invocation import Brief, Called, EngineEvent, Exit, Said, SessionOpened, Spent
from teamflow.core.json_path import JsonPath, find, parse_path
from teamflow.core.outcome import Failed, FailureClass, Outcome, Succeeded, Usage
from teamflow.core.plan import EngineDefinition, Json
from teamflow.core.shell import excerpt
from teamflow.engines.deaf import Deaf
from teamflow.engines.document import last_document
from teamflow.engines.exits import outcome_of, size, with_cost
from teamflow.engines.lines import JsonLines

LONGEST_JSON: Final = 16 << 20
"""Bytes of an output that is read as one JSON value."""

_LONGEST_REASON: Final = 200
_MOST_TOKENS: Final = 2**53
_MOST_USD: Final = 1e9
_SESSION: Final = re.compile(r"[^\s\x00-\x1f\x7f-][^\x00-\x1f\x7f]{0,255}")
"""A session's id: one that began with a dash would be an option."""


class JsonSession(Deaf):
    """Looks for message, error, session and usage in one JSON value, or in JSON objects line by line."""

    def __init__(self, definition: EngineDefinition, brief: Brief) -> None:
        self._brief = brief
        self._where = definition.message or ""
        self._to_message = _path(definition.message)
        self._to_error = _path(definition.error)
        self._to_session = _path(definition.session)
        self._to_call = _path(definition.calls)
        self._to_usage = {name: parse_path(path) for name, path in definition.usage.items()}
        self._reader = _Whole() if definition.output == "json" else _Lines()
        self._message: str | None = None
        self._error: Json = None
        self._session = brief.session
        self._usage: Usage | None = None

    def feed(self, data: bytes) -> Sequence[EngineEvent]:
        return [event for value in self._reader.feed(data) for event in self._look(value)]

    def close(self, end: Exit) -> Outcome:
        for value in self._reader.finish():
            list(self._look(value))
        return with_cost(self._outcome(end), usage=self._usage, session=self._session)

    def _look(self, value: Json) -> Iterator[EngineEvent]:
        message = _at(self._to_message, value)
        if message is not None:
            self._message = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
            yield Said(self._message)
        call = _at(self._to_call, value)
        if call:
            yield Called(json.dumps(call, sort_keys=True), words=call if isinstance(call, str) else "")
        error = _at(self._to_error, value)
        self._error = self._error if error is None else error
        session = _session_id(_at(self._to_session, value))
        if session is not None and session != self._session:
            self._session = session
            yield SessionOpened(session)
        usage = _usage(self._to_usage, value, before=self._usage)
        if usage is not None and usage != self._usage:
            self._usage = usage
            yield Spent(usage)

    def _outcome(self, end: Exit) -> Outcome:
        by_exit = outcome_of(end, self._brief)
        if end.error is not None or end.cause is not None or end.signal is not None:
            return by_exit
        if self._error:
            reported = excerpt(_words(self._error) or self._message or "it says no more", width=_LONGEST_REASON)
            return Failed(FailureClass.EXIT, f"the agent reported an error: {reported}", exit_code=end.code)
        if not isinstance(by_exit, Succeeded):
            return by_exit
        if self._reader.too_long:
            reason = f"the agent printed more than the {size(LONGEST_JSON)} that are read as one JSON value"
            return Failed(FailureClass.FATAL, reason, exit_code=end.code)
        if self._message is None:
            problem = self._reader.problem or f"nothing at {self._where} in its JSON"
            return Failed(FailureClass.CRASH, f"the agent ended (exit code 0) with {problem}", exit_code=end.code)
        return Succeeded(text=self._message)


def _path(text: str | None) -> JsonPath:
    """An empty path leads nowhere."""
    return parse_path(text) if text else ()


def _at(path: JsonPath, value: Json) -> Json:
    return find(path, value) if path else None


def _words(error: Json) -> str:
    """What is reported as an error, in words; empty for `true`."""
    match error:
        case str():
            return error
        case {"message": str(message)}:
            return message
        case True:
            return ""
        case _:
            return json.dumps(error, ensure_ascii=False)


def _session_id(value: Json) -> str | None:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return text if isinstance(text, str) and _SESSION.fullmatch(text) else None


def _usage(paths: Mapping[str, JsonPath], value: Json, *, before: Usage | None) -> Usage | None:
    """What was used by this value, over what was known before; figures that cannot be are none."""
    found = {name: _figure(find(path, value)) for name, path in paths.items()}
    if all(figure is None for figure in found.values()):
        return before
    known = before or Usage()
    tokens = [found.get(name) for name in ("input_tokens", "output_tokens")]
    read, wrote = (int(figure) if figure is not None and figure < _MOST_TOKENS else None for figure in tokens)
    usd = found.get("usd")
    return Usage(
        known.input_tokens if read is None else read,
        known.output_tokens if wrote is None else wrote,
        known.usd if usd is None or usd > _MOST_USD else float(usd),
    )


def _figure(value: Json) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


# -- readers: bytes to the values that are looked at -----------------------------------------------------------------


class _Lines:
    """JSON objects line by line."""

    too_long = False

    def __init__(self) -> None:
        self._lines = JsonLines()
        self._count = 0

    @property
    def problem(self) -> str:
        """Why there is nothing to look at; empty: there was something."""
        if self._count:
            return ""
        rubbish = self._lines.rubbish
        return f"no JSON in its output (lines that are something else: {rubbish})" if rubbish else "no output"

    def feed(self, data: bytes) -> Iterator[Json]:
        for value in self._lines.feed(data):
            self._count += 1
            yield value

    def finish(self) -> Iterator[Json]:
        for value in self._lines.finish():
            self._count += 1
            yield value


class _Whole:
    """One JSON value, which is there when all is there."""

    def __init__(self) -> None:
        self.problem = ""
        self.too_long = False
        self._parts: list[bytes] = []
        self._held = 0

    def feed(self, data: bytes) -> Iterator[Json]:
        self._held += len(data)
        self.too_long = self._held > LONGEST_JSON
        if self.too_long:
            self._parts.clear()
        else:
            self._parts.append(data)
        return iter(())

    def finish(self) -> Iterator[Json]:
        document = last_document(b"".join(self._parts).decode("utf-8", "replace"))
        self._parts.clear()
        self.problem = document.problem
        if document.value is not None:
            yield document.value
