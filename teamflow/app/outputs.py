"""What steps printed, read out of their logs: by byte offset, redacted, and readable where an engine speaks a protocol.

A log may grow, be truncated by the process that writes it, or be gone. Nothing is held in memory as a whole. Text is
redacted but not yet clean for a terminal: that is `views/sanitize.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from teamflow.core.attempts import AttemptState
from teamflow.core.capabilities import Capabilities
from teamflow.core.invocation import Brief, Said
from teamflow.core.outcome import Failed, Outcome, Succeeded
from teamflow.core.plan import COMMAND
from teamflow.core.redact import Redactor
from teamflow.core.shown import shown
from teamflow.core.state import StepState
from teamflow.run.logs import TEXT_LIMIT, read_tail, read_text, separate_err

if TYPE_CHECKING:
    from teamflow.app.inspect import Inspected
    from teamflow.core.plan import EngineDefinition
    from teamflow.ports import Engine, Input, Session

CHUNK: Final = 256 * 1024
LONGEST_LINE: Final = 1024 * 1024
"""Bytes of a protocol line that is read as one; a longer one is shown as it is."""

TAIL: Final = 32 * 1024

_MESSAGES: Final = (b'{"type"', b'{"jsonrpc"', b'{"id"', b'{"method"', b'{"result"', b'{"error"')
"""How lines of the engines' protocols begin."""

_TOLD: Final = ("model", "base_url", "home", "roots")
"""What of a brief is looked up as it was."""

ACP: Final = "acp"
_OF_COMMANDS: Final = Capabilities()

MARGIN: Final = 8 * 1024
"""Bytes read before a tail and left out after redaction: a secret that the cut goes through lies in them."""

_OPENING: Final = 64 * 1024
_FURTHEST: Final = 4 * 1024 * 1024
"""Bytes of a log in which the last word of an agent is looked for."""

TRUNCATED: Final = b"\n[teamflow: the log was truncated; what follows is from its new beginning]\n"


class LogReader:
    """One file from a byte offset on. A file that is not there (yet) is empty."""

    def __init__(self, path: str, *, offset: int = 0) -> None:
        self.path = path
        self.offset = offset

    def read(self, most: int = CHUNK) -> tuple[bytes, bool]:
        """(bytes, truncated): the next piece, empty at the end; whether the file has shrunk below the offset."""
        try:
            # Most looks at a live log find nothing, and a look costs a fifth of opening the file.
            if os.stat(self.path).st_size == self.offset:
                return b"", False
            with open(self.path, "rb", buffering=0) as file:
                truncated = os.fstat(file.fileno()).st_size < self.offset
                if truncated:
                    self.offset = 0
                data = os.pread(file.fileno(), most, self.offset)
        except FileNotFoundError:
            return b"", False
        self.offset += len(data)
        return data, truncated


class Readable:
    """An engine's protocol lines as what the agent says and does; every other line as it is (setup, verify, rubbish).

    `redact` is for lines that are cut; all the rest is still to be redacted. `inputs` is where is noted what people
    have answered and told it, by the place in its output: what follows depends on that, too."""

    def __init__(self, session: Session, *, redact: Callable[[str], str] = str, inputs: str | None = None) -> None:
        self._session = session
        self._redact = redact
        self._inputs = _Inputs(inputs)
        self._rest = b""
        self._at = 0
        self.said = False
        """Whether the agent has told anything to people; what it does is no word of its own."""

    def skip_to(self, at: int) -> None:
        """What is fed next stands at byte `at` of the log."""
        self._at = at

    def feed(self, data: bytes) -> bytes:
        *whole, self._rest = (self._rest + data).split(b"\n")
        out = b"".join(self._line(line + b"\n") for line in whole)
        if len(self._rest) > LONGEST_LINE:
            out += self._rest
            self._at += len(self._rest)
            self._rest = b""
        return out

    def close(self) -> bytes:
        rest, self._rest = self._rest, b""
        return self._line(rest) if rest else b""

    def _line(self, line: bytes) -> bytes:
        at, self._at = self._at, self._at + len(line)
        if not line.startswith(_MESSAGES):
            return line
        events = [event for text in self._inputs.until(at) for event in self._session.took(text)]
        events += self._session.feed(line)
        self.said = self.said or any(isinstance(event, Said) for event in events)
        lines = (shown(event, redact=self._redact) for event in events)
        return b"".join(text.encode("utf-8", "replace") + b"\n" for text in lines if text)


class _Inputs:
    """What people have said to an agent, from the file in which that is noted; its session's own replies are not."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._seen = -1
        self._left: list[Input] = []
        self._taken = 0

    def until(self, at: int) -> list[str]:
        """What is new of that which was said before byte `at` of the log was read."""
        size = 0 if self._path is None else _size(self._path)
        if size != self._seen and self._path is not None:
            from teamflow.run.talk import REPLY, read_inputs

            said = [given for given in read_inputs(self._path) if given.note != REPLY]
            self._seen, self._left = size, said[self._taken :]
        new = list(takewhile(lambda given: (given.offset or 0) <= at, self._left))
        self._taken += len(new)
        del self._left[: len(new)]
        return [given.data for given in new]


class AttemptOutput:
    """The output of one attempt, stdout's log and, where there is one, stderr's: pieces of redacted bytes.

    `offset` is that of the log; an attempt that is read from an offset leaves the other file out. `behind`: the last
    `read` left something for the next one.
    """

    def __init__(
        self, inspected: Inspected, known: StepState, attempt: AttemptState, *, offset: int = 0, raw: bool = False
    ) -> None:
        """`raw`: also of an engine that speaks a protocol the lines as they came."""
        header, step_id = inspected.header, known.step.id
        self.step_id = step_id
        self.number = attempt.number
        self._whole = not offset
        self._log = LogReader(header.log(step_id, attempt.number), offset=offset)
        log = self._log.path
        self._readable = None if raw else _readable(known, attempt, header.root, inspected.redactor, log)
        if self._readable is not None and offset:
            self._readable.feed(_begin(log, offset))
            self._readable.skip_to(offset)
        self._look = inspected.look_at_secrets
        self._redacted = inspected.redactor.stream()
        self._err = LogReader(header.err(step_id, attempt.number)) if not offset and has_err(known, attempt) else None
        self._err_redacted = inspected.redactor.stream()
        self.behind = False

    @property
    def offset(self) -> int:
        """Bytes of the log read so far."""
        return self._log.offset

    def read(self) -> list[bytes]:
        """What was added since; of each file a chunk at most, so that who prints without end keeps nobody waiting."""
        self.behind = False
        pieces = self._piece(self._log, self._main)
        return pieces if self._err is None else pieces + self._piece(self._err, self._err_redacted.feed)

    def close(self, outcome: Outcome | None = None) -> Iterator[bytes]:
        """What is left in the pipes, when nothing more will come. `outcome`: what the attempt came to; where an agent
        has answered by its outputs alone, they are its last word, as they were while it ran."""
        self.behind = True
        while self.behind:
            yield from self.read()
        if self._readable is not None:
            yield self._redacted.feed(self._readable.close())
            if self._whole and isinstance(outcome, Succeeded) and outcome.text and not self._readable.said:
                yield self._redacted.feed(outcome.text.encode("utf-8", "replace") + b"\n")
        yield self._redacted.flush()
        yield self._err_redacted.flush()

    def _main(self, data: bytes) -> bytes:
        return self._redacted.feed(data if self._readable is None else self._readable.feed(data))

    def _piece(self, reader: LogReader, feed: Callable[[bytes], bytes]) -> list[bytes]:
        data, truncated = reader.read()
        if not data:
            return [TRUNCATED] if truncated else []
        self._look()
        self.behind = self.behind or len(data) == CHUNK
        return [TRUNCATED, feed(data)] if truncated else [feed(data)]


def has_err(known: StepState, attempt: AttemptState) -> bool:
    """Whether stderr of an attempt is a file of its own; so it may be with an engine that this version lacks."""
    can = _capabilities(known, attempt)
    return separate_err(known.step.by(attempt.fallback), protocol=can is None or can.protocol)


def is_chatty(known: StepState, attempt: AttemptState) -> bool:
    """Whether what it prints as errors is for people only where it has failed."""
    can = _capabilities(known, attempt)
    return can is not None and can.chatty


def _capabilities(known: StepState, attempt: AttemptState) -> Capabilities | None:
    """What the attempt's engine can do; None for one that this version lacks."""
    if _name(known, attempt) == COMMAND:
        return _OF_COMMANDS
    engine = _engine(known, attempt)
    return None if engine is None else engine.capabilities


def _name(known: StepState, attempt: AttemptState) -> str:
    return attempt.engine or known.step.engine


def _engine(known: StepState, attempt: AttemptState) -> Engine | None:
    """The engine of an attempt, as far as it is known: one that is another since was perhaps of the team file."""
    # Imported here: who looks at commands needs no engine.
    from teamflow.engines.registry import custom_engine, engine
    from teamflow.engines.registry import known as known_engine

    name = _name(known, attempt)
    definition = _definition(known, attempt)
    if definition is not None:
        return custom_engine(name, definition)
    return engine(name) if known_engine(name) else None


def _definition(known: StepState, attempt: AttemptState) -> EngineDefinition | None:
    """Where the engine of an attempt is one of the team file."""
    name, step = _name(known, attempt), known.step
    chain = ((one.engine, one.custom) for one in (step.by(attempt.fallback), step))
    others = ((one.engine, one.custom) for one in step.fallbacks)
    return next((custom for engine, custom in (*chain, *others) if engine == name), None)


def _readable(known: StepState, attempt: AttemptState, root: str, redactor: Redactor, log: str) -> Readable | None:
    """A translator for an engine that speaks a protocol; None for commands and for engines this version lacks. `root`:
    the project, where the attempt has no workspace of its own.

    Its session is begun as that of the attempt was: what an agent tells depends on what it was asked.
    What a program prints whose JSON the team file describes is for people as it is.
    """
    if _name(known, attempt) == COMMAND:
        return None
    definition = _definition(known, attempt)
    readable = definition is None or definition.engine or definition.output == ACP
    engine = _engine(known, attempt) if readable else None
    if engine is None or not engine.capabilities.protocol:
        return None
    from teamflow.run.brief import session_of
    from teamflow.run.recorder import ENDING, read_brief

    step, stem = known.step, log.removesuffix(".log")
    # The step may have been started anew since, with another model.
    told: dict[str, Any] = {name: value for name, value in read_brief(f"{stem}{ENDING}").items() if name in _TOLD}
    brief = Brief(
        step=step.id,
        attempt=attempt.number,
        cause=attempt.cause,
        cwd=root if attempt.ready is None else attempt.ready.path,
        session=session_of(known, attempt),
        model=step.by(attempt.fallback).model,
        permissions=step.permissions,
        grants=step.means.grants,
        servers=step.means.servers,
        base_url=step.means.base_url,
        home=root if step.means.isolate else "",
    )._replace(**told)
    return Readable(engine.session(brief), redact=redactor.text, inputs=f"{stem}.in.log")


def tail_of(inspected: Inspected, step_id: str, attempt: int, *, most: int = TAIL) -> str:
    """The end of an attempt's output as redacted text, from the beginning of a line; '' where there is none."""
    known = inspected.state.steps[step_id]
    header = inspected.header
    return attempt_tail(
        known,
        known.attempts[attempt - 1],
        header.log(step_id, attempt),
        header.err(step_id, attempt),
        inspected.redactor,
        root=header.root,
        most=most,
    )


def attempt_tail(
    known: StepState, attempt: AttemptState, log: str, err: str, redactor: Redactor, *, root: str, most: int = TAIL
) -> str:
    """As `tail_of`, for who has no run from the store: `log` and `err` are paths, and so is `root`, the project."""
    raw = _told_last(partial(_readable, known, attempt, root, redactor, log), log, redactor, most=most)
    if is_chatty(known, attempt) and not isinstance(attempt.outcome, Failed):
        return raw
    errors = read_tail(err, redact=redactor.text, limit=most)
    # Where stderr is a file of its own it most likely says why.
    return raw.rstrip("\n") + "\n" + errors if raw.strip() and errors else raw or errors


def _told_last(begin: Callable[[], Readable | None], log: str, redactor: Redactor, *, most: int) -> str:
    """The end of a log in words. What a tool has printed may be the most of it: then what was said lies further back.
    A session is known by what stands at its beginning."""
    limit = most + MARGIN
    while (readable := begin()) is not None:
        size = _size(log)
        readable.feed(_begin(log, size - limit))
        data = _whole_lines(log, size - limit)
        readable.skip_to(max(0, size - len(data)))
        text = redactor.text((readable.feed(data) + readable.close()).decode("utf-8", "replace"))
        if text.strip() or limit >= min(size, _FURTHEST):
            return _end(text, most)
        limit *= 8
    return read_tail(log, redact=redactor.text, limit=most)


def _begin(log: str, before: int) -> bytes:
    """Whole lines of the beginning of a log, of which nothing is read twice."""
    if before <= 0:
        return b""
    data = LogReader(log).read(min(before, _OPENING))[0]
    return data[: data.rfind(b"\n") + 1]


def _whole_lines(log: str, start: int) -> bytes:
    """From byte `start` on: of a line that begins before there is nothing, for half a message is none."""
    reader, parts = LogReader(log, offset=max(0, start)), []
    while data := reader.read()[0]:
        parts.append(data)
    data = b"".join(parts)
    return data if start <= 0 else data[data.find(b"\n") + 1 :] if b"\n" in data else b""


def _size(log: str) -> int:
    try:
        return os.stat(log).st_size
    except FileNotFoundError:
        return 0


def _end(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    text = text[-most:]
    return text[text.find("\n") + 1 :]


def text_of(inspected: Inspected, step_id: str, attempt: int) -> str | None:
    """The final text of a succeeded command whose text nobody asked for; None where the log holds more than that."""
    step = inspected.state.steps[step_id].step
    if step.kind != "command" or step.setup is not None or step.verify:
        return None
    log = inspected.header.log(step_id, attempt)
    return read_text(log, redact=inspected.redactor.text, limit=TEXT_LIMIT)
