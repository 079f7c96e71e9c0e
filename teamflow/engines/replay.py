"""Stands in for an engine and plays what was recorded of it: its own session reads the recorded bytes.

The process is `_replay_player.py`; nothing of the engine's CLI is started, and nothing of its login is inherited. What
a session says is compared with what it said then: one that says less is told so, as a failure. Answers of people are
given again by the run itself, messages and interrupts here, where they were given then.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from os.path import abspath, dirname, join
from typing import Any, Final

from teamflow.core.invocation import Asked, Brief, EngineEvent, Exit, Invocation, Reply, Withdrawn
from teamflow.core.outcome import Failed, FailureClass, Outcome
from teamflow.core.permissions import Verdict
from teamflow.core.plan import Json
from teamflow.core.takes import BRIEF_FIELDS, Missing, Recording, Take, Told
from teamflow.engines.faults import Fault, faulty
from teamflow.engines.scripted import ScriptedEngine
from teamflow.ports import Engine, Session

PLAYER: Final = join(dirname(abspath(__file__)), "_replay_player.py")
STOP: Final = "\x18replay: stop\n"
"""What the player is told when it need not wait any more. No engine says that."""
TROUBLE: Final = 97
"""The exit code of a player that cannot go on; what it says last says why."""

_ANSWER: Final = "answer "
_REPLY: Final = "reply"


class ReplayEngine:
    """`place` gives which of the recorded attempts it is, from 1."""

    def __init__(
        self,
        inner: Engine,
        recording: Recording,
        *,
        place: Callable[[Brief], int] = lambda brief: brief.attempt,
    ) -> None:
        self._inner = inner
        self._recording = recording
        self._place = place
        self.name = inner.name
        protocol = inner.capabilities.protocol or recording.staged
        self.capabilities = inner.capabilities._replace(login=(), program=(), mcp=frozenset(), protocol=protocol)

    def invoke(self, brief: Brief) -> Invocation | Failed:
        take = self._take(brief)
        if isinstance(take, Failed):
            return take
        if take.script is not None:
            given = ScriptedEngine().invoke(brief._replace(script=take.script))
            return given if isinstance(given, Failed) else given._replace(env={})
        if isinstance(take.result, Failed):
            return take.result
        task = json.dumps(_task(take)) + "\n"
        return Invocation(
            (sys.executable, "-I", "-S", PLAYER),
            stdin=task,
            protocol=self._inner.capabilities.protocol,
            files=((f"{brief.stem}.replay", task),),
            listens=bool(take.told) or self._inner.capabilities.protocol,
        )

    def session(self, brief: Brief) -> Session:
        take = self._take(brief)
        if isinstance(take, Failed):
            return Unplayed(take)
        if take.script is not None:
            return ScriptedEngine().session(brief._replace(script=take.script))
        inner = self._inner.session(recorded_brief(brief, take))
        heeds = self._inner.capabilities.protocol
        return ReplaySession(inner, take, heeds=heeds)

    def _take(self, brief: Brief) -> Take | Failed:
        place = self._place(brief)
        take = self._recording.take(brief.step, place)
        fault = self._recording.fault(brief.step, place)
        if fault is not None:
            found = faulty(brief, take if isinstance(take, Take) else None, Fault(fault))
            return Failed(FailureClass.FATAL, found) if isinstance(found, str) else found
        if isinstance(take, Missing):
            return Failed(FailureClass.FATAL, f"replay: {take.reason}")
        if take.engine and take.engine != self.name:
            reason = f"replay: attempt {take.attempt} of {take.step} was recorded with {take.engine}, not {self.name}"
            return Failed(FailureClass.FATAL, reason)
        return take


def recorded_brief(brief: Brief, take: Take) -> Brief:
    """The brief as it was then, as far as that is known: the session knows its own words again by it."""
    known: dict[str, Any] = {name: value for name, value in take.brief.items() if name in BRIEF_FIELDS}
    known |= {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
    return brief._replace(**known)


def _task(take: Take) -> dict[str, Json]:
    return {
        "log": take.log,
        "start": take.start,
        "end": take.end,
        "err": take.err,
        "err_end": take.err_end,
        "waits": [[told.offset, told.lines, told.note] for told in take.told],
        "code": take.exit.code,
        "signal": take.exit.signal if take.exit.cause is None else None,
        "patch": take.patch,
        "wrote": [[each.path, each.text] for each in take.wrote],
        "stop": STOP,
        "trouble": TROUBLE,
    }


def _is_early(told: Told) -> bool:
    """Whether it was told something before anything was read of it."""
    return told.offset <= 0 and bool(told.note) and told.note != _REPLY and not told.note.startswith(_ANSWER)


class Unplayed:
    """Of an attempt for which nothing was recorded."""

    def __init__(self, failed: Failed) -> None:
        self._failed = failed

    def feed(self, data: bytes) -> Sequence[EngineEvent]:
        return ()

    def close(self, end: Exit) -> Outcome:
        return self._failed

    def tell(self, text: str) -> str | None:
        return None

    def answer(self, request: str, verdict: Verdict) -> str | None:
        return None

    def interrupt(self) -> str | None:
        return None

    def took(self, data: str) -> Sequence[EngineEvent]:
        return ()


class ReplaySession:
    """The engine's session over recorded bytes: of the log, as any session, only what its process prints. So positions
    count from there."""

    def __init__(self, inner: Session, take: Take, *, heeds: bool) -> None:
        """`heeds`: whether the inner session reads output at all."""
        self._inner = inner
        self._take = take
        self._heeds = heeds
        self._at = 0
        self._next = 0
        """Which of the recorded inputs comes next."""
        self._said = 0
        self._then = 0
        """Lines that the session has said by itself, and had said then."""
        self._asked: set[str] = set()
        self._open: set[str] = set()
        self._texts: dict[str, str] = {}
        """Which request an answer is for."""
        self._last = b""
        """What the player says itself, behind what was recorded."""
        self.trouble = ""

    def feed(self, data: bytes) -> Sequence[EngineEvent]:
        events: list[EngineEvent] = []
        while not self._at and self._next < len(self._take.told) and _is_early(self._take.told[self._next]):
            events += self._meet(self._next)
            self._next += 1
        while data and not self.trouble:
            limit = self._limit()
            if limit is None:
                self._last = (self._last + data)[:4096]
                break
            part, data = data[: limit - self._at], data[limit - self._at :]
            self._at += len(part)
            events += self._feed(part)
            while not self.trouble and self._next < len(self._take.told):
                told = self._take.told[self._next]
                if max(0, told.offset) > self._at:
                    break
                events += self._meet(self._next)
                self._next += 1
        return events

    def _limit(self) -> int | None:
        """Up to where bytes belong together; None: what was recorded is over."""
        if self._next < len(self._take.told) and self._take.told[self._next].offset > self._at:
            return min(self._take.told[self._next].offset, self._take.size)
        return self._take.size if self._at < self._take.size else None

    def _feed(self, part: bytes) -> Sequence[EngineEvent]:
        return self._heard(self._inner.feed(part)) if self._heeds else ()

    def _heard(self, events: Sequence[EngineEvent]) -> Sequence[EngineEvent]:
        for event in events:
            match event:
                case Reply(data=data):
                    self._said += data.count("\n")
                case Asked(request=request):
                    self._asked.add(request)
                    self._open.add(request)
                case Withdrawn(request=request):
                    self._open.discard(request)
                case _:
                    pass
        return events

    def _meet(self, number: int) -> Sequence[EngineEvent]:
        """What follows from a recorded input, now that its place has come."""
        told = self._take.told[number]
        if told.note.startswith(_ANSWER):
            request = told.note.removeprefix(_ANSWER)
            if request not in self._asked:
                self._then += told.lines  # Somebody had to be asked then; the session may settle it by itself now.
                return self._compared(number)
            return ()
        if told.note and told.note != _REPLY:
            return (Reply(told.data, told.end), *self._heard(self._inner.took(told.data)))
        self._then += told.lines
        return self._compared(number)

    def _compared(self, number: int) -> Sequence[EngineEvent]:
        if self._open or self._said >= self._then:
            return ()
        told, take = self._take.told[number], self._take
        what = told.note or "input"
        self.trouble = (
            f"replay: {take.step}, attempt {take.attempt}: its session says less than it did then: input {number + 1} "
            f"({what}, at byte {told.offset}) does not come"
        )
        return (Reply(STOP),)

    def close(self, end: Exit) -> Outcome:
        if not self.trouble and end.cause is None and (end.code == TROUBLE or self._last):
            said = self._last.decode("utf-8", "replace").strip() or "what was recorded could not be played"
            self.trouble = f"replay: {self._take.step}, attempt {self._take.attempt}: {said}"
        if self.trouble:
            return Failed(FailureClass.FATAL, self.trouble)
        take = self._take
        if take.result is not None:
            return take.result
        if end.cause is None and end.error is None:
            then = take.exit
            end = end._replace(
                code=then.code, signal=then.signal, cause=then.cause, error=then.error, at=then.at or end.at
            )
        return self._inner.close(end)

    def tell(self, text: str) -> str | None:
        """What is played hears nothing new."""
        return None

    def answer(self, request: str, verdict: Verdict) -> str | None:
        """As it was given then, whatever is said now: what is recorded follows from that."""
        text = self._inner.answer(request, verdict)
        given = (told.data for told in self._take.told if told.note == f"{_ANSWER}{request}")
        text = next(given, text) if text is not None else None
        if text is not None:
            self._texts[text] = request
        return text

    def interrupt(self) -> str | None:
        return None

    def took(self, data: str) -> Sequence[EngineEvent]:
        self._open.discard(self._texts.get(data, ""))
        return self._heard(self._inner.took(data))
