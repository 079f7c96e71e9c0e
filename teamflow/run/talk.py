"""What goes to and fro between one attempt and its session: all that the agent prints is fed, in order, and whatever
the session or a person has to say to it is numbered and sent once.

Every input is kept beside the log (`in.log`) with the place in the output at which it was decided. A runner that comes
later feeds both in the same order into a fresh session: what stands there is not sent again, what does not is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from teamflow.core.invocation import Asked, Called, EngineEvent, Refused, Reply, Withdrawn
from teamflow.core.permissions import Verdict, Wish
from teamflow.ports import Input, Session

MESSAGE: Final = "message"
REPLY: Final = "reply"
INTERRUPT: Final = "interrupt"
ANSWER: Final = "answer "
"""What inputs are, in their note; behind the last stands the request."""

Send = Callable[[Input], None]


class Talk:
    """Belongs to one thread at a time. `past`: the inputs of earlier runners."""

    def __init__(self, session: Session, send: Send, past: Sequence[Input] = ()) -> None:
        self.session = session
        self.open: dict[str, Wish] = {}
        """What the agent waits for leave for, by request, in the order in which it asked."""
        self.over = False
        """Whether it was told that nothing more comes."""
        self.fed = 0
        """Bytes of the attempt's log so far: set to where the agent's begin before the first is fed."""
        self.messages = messages_in(past)
        """How many messages it was handed."""
        self._send: Send | None = send
        self._past = past
        self._next = 0
        """The number of the next input."""
        self._took = 0
        """How many of `past` the session knows of."""
        self._decided: list[EngineEvent] = []
        """What followed from an answer, and is told with what is printed next: so whoever adopts it tells it, too."""
        self._unheard: str | None = None
        """What it could not be told when that was asked last."""

    def feed(self, data: bytes) -> list[EngineEvent]:
        """What the next bytes of output come to, for others to see; the session's replies are sent."""
        events, self._decided = self._decided, []
        for given in self._before(self.fed + len(data)):
            part, data = data[: given.offset - self.fed], data[given.offset - self.fed :]  # type: ignore[operator]
            events += self._feed(part)
            events += self._retake(given)
        return events + self._feed(data)

    @property
    def sent(self) -> int:
        """How many inputs there were."""
        return self._next

    def begin(self) -> list[EngineEvent]:
        """What was written before anything was printed."""
        return [event for given in self._before(self.fed) for event in self._retake(given)]

    def tell(self, text: str) -> bool:
        """Whether the agent hears this now."""
        return self._say(self.session.tell(text), MESSAGE)

    def can_tell(self, text: str) -> bool:
        can = not self.over and self.session.tell(text) is not None
        self._unheard = None if can else text
        return can

    def listens(self) -> bool:
        """Whether it could be told now what it could not be told before."""
        return self._unheard is not None and self.can_tell(self._unheard)

    def answer(self, request: str, verdict: Verdict) -> bool:
        return request in self.open and self._say(self.session.answer(request, verdict), f"{ANSWER}{request}")

    def interrupt(self) -> bool:
        return self._say(self.session.interrupt(), INTERRUPT)

    def silence(self) -> None:
        """The process has ended: nothing more is sent."""
        self._send = None

    # -- within

    def _before(self, end: int) -> Iterator[Input]:
        """Inputs of earlier runners that were decided before byte `end` was read, in order."""
        while self._took < len(self._past):
            given = self._past[self._took]
            if (given.offset or 0) > end:
                return
            self._took += 1
            yield given._replace(offset=max(given.offset or 0, self.fed))

    def _retake(self, given: Input) -> list[EngineEvent]:
        if given.n < self._next:
            return []  # The session has made it again.
        self._next = given.n + 1
        self.over = self.over or given.end
        if given.note.startswith(ANSWER):
            self.open.pop(given.note.removeprefix(ANSWER), None)
        return self._outward(self.session.took(given.data))

    def _feed(self, data: bytes) -> list[EngineEvent]:
        self.fed += len(data)
        return self._outward(self.session.feed(data)) if data else []

    def _outward(self, events: Sequence[EngineEvent]) -> list[EngineEvent]:
        seen: list[EngineEvent] = []
        for event in events:
            match event:
                case Reply(data=data, end=end):
                    self._write(data, REPLY, end=end)
                    continue
                case Asked(request=request, wish=wish):
                    self.open[request] = wish
                case Withdrawn(request=request):
                    self.open.pop(request, None)
                case _:
                    pass
            seen.append(event)
        return seen

    def _say(self, data: str | None, note: str) -> bool:
        if data is None or self.over or self._send is None:
            return False
        if note.startswith(ANSWER):
            self.open.pop(note.removeprefix(ANSWER), None)
        self.messages += note == MESSAGE
        self._write(data, note)
        self._decided += (
            event for event in self._outward(self.session.took(data)) if isinstance(event, Called | Refused)
        )
        return True

    def _write(self, data: str, note: str, *, end: bool = False) -> None:
        number, self._next = self._next, self._next + 1
        self.over = self.over or end
        if number >= len(self._past) and self._send is not None:
            self._send(Input(number, data, note, end, self.fed))


def read_inputs(path: str) -> tuple[Input, ...]:
    """What a keeper has noted in an attempt's `in.log`; a line that is cut off was handed to nobody."""
    try:
        with open(path, "rb") as file:
            lines = file.read().split(b"\n")[:-1]
    except OSError:
        return ()
    found: list[Input] = []
    for line in lines:
        try:
            noted = json.loads(line)
        except ValueError:
            break  # Damaged by a power cut: the process is gone, too.
        if not isinstance(noted, dict):
            break
        found.append(_noted(noted))
    return tuple(found)


def _noted(line: dict[str, object]) -> Input:
    offset, number = line.get("offset"), line.get("n")
    return Input(
        # The keeper counts from 1, the port from 0.
        number - 1 if isinstance(number, int) else 0,
        str(line.get("data") or ""),
        str(line.get("note") or ""),
        line.get("eof") is True,
        offset if isinstance(offset, int) else None,
    )


def messages_in(inputs: Sequence[Input]) -> int:
    """How many of them are messages."""
    return sum(1 for given in inputs if given.note == MESSAGE)
