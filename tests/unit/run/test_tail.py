"""A log that grows faster than it is looked at is read to its end before anything is missed in it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from teamflow.core.capabilities import Capabilities
from teamflow.core.invocation import Called, EngineEvent, Exit, Reply, Retrying, Said, SessionOpened, Spent
from teamflow.core.outcome import Failed, FailureClass, Outcome, Succeeded, Usage
from teamflow.core.permissions import Verdict
from teamflow.core.spending import SpendingTold
from teamflow.ports import Input
from teamflow.run.roles import Report
from teamflow.run.stalls import Stalls
from teamflow.run.tail import Tail
from teamflow.run.talk import Talk

MEGABYTES = 24


class Lines:
    """A session of a line per event: `session`, `spent N`, `end N` (the cost, and no more to do), or what it says."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[EngineEvent]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [event for line in lines for event in self._line(line.decode())]

    def _line(self, line: str) -> list[EngineEvent]:
        match line.split():
            case ["session"]:
                return [SessionOpened("s")]
            case ["spent", usd]:
                return [Spent(Usage(usd=float(usd)))]
            case ["end", usd]:
                return [Spent(Usage(usd=float(usd))), Reply("", end=True)]
            case ["call", *words]:
                return [Called("{}", "", " ".join(["run", *words])), Called("todo", "", None)]
            case ["busy"]:
                return [Retrying(FailureClass.TRANSIENT, "overloaded", 8.0)]
            case [*words] if words:
                return [Said(" ".join(words))]
        return []

    def close(self, end: Exit) -> Outcome:
        return Succeeded("")

    def tell(self, text: str) -> str | None:
        return None

    def answer(self, request: str, verdict: Verdict) -> str | None:
        return None

    def interrupt(self) -> str | None:
        return None

    def took(self, data: str) -> list[EngineEvent]:
        return []


class Followed:
    """A tail of a file; what it tells is kept, and `done` is set by the word "done" or by a stall."""

    def __init__(self, path: Path, session: Lines | None = None) -> None:
        self.reported: list[Report] = []
        self.sent: list[Input] = []
        self.done = asyncio.Event()
        self.stall = ""
        self.told: list[str] = []
        self.clock = 0.0
        self.tail = Tail(
            str(path),
            Talk(session or Lines(), self.sent.append),
            step="a",
            attempt=1,
            report=self.reported.append,
            say=lambda _, text: self._hear(text),
            begins=lambda: 0,
            stalls=Stalls(Capabilities(session_within=30.0), begun=0.0),
            stalled=self._stalled,
            now=lambda: self.clock,
        )

    def _hear(self, text: str) -> None:
        self.told.append(text)
        if text == "done":
            self.done.set()

    def _stalled(self, cause: str) -> None:
        self.stall = cause
        self.done.set()

    async def until_done(self) -> None:
        self.tail.follow(asyncio.get_running_loop())
        try:
            await asyncio.wait_for(self.done.wait(), 60)
        finally:
            self.tail.stop()


def test_what_is_not_read_yet_is_not_missed(tmp_path: Path) -> None:
    """The session stands behind a line of megabytes, and its time was over long ago."""
    log = tmp_path / "log"
    log.write_bytes(b"x" * (MEGABYTES * 1024 * 1024) + b"\nsession\ndone\n")

    async def follow() -> str:
        followed = Followed(log)
        followed.clock = 1000.0
        await followed.until_done()
        return followed.stall

    assert asyncio.run(follow()) == ""


def test_what_is_missing_when_all_is_read_is_missed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x\n")

    async def follow() -> str:
        followed = Followed(log)
        followed.clock = 1000.0
        await followed.until_done()
        return followed.stall

    assert asyncio.run(follow()) == "no_session"


def told(followed: Followed) -> list[float | None]:
    return [event.usage.usd for event in followed.reported if isinstance(event, SpendingTold)]


def test_a_cost_that_comes_with_the_end_stops_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"session\nspent 0.1\ndone\n")

    async def follow() -> tuple[list[float | None], float | None]:
        followed = Followed(log)
        await followed.until_done()
        log.write_bytes(log.read_bytes() + b"end 0.5\ndone\n")
        followed.done.clear()
        await followed.until_done()
        assert [given.end for given in followed.sent] == [True]
        assert followed.tail.usage is not None
        return told(followed), followed.tail.usage.usd

    assert asyncio.run(follow()) == ([0.1], 0.5)


def test_what_it_does_is_told_to_people_and_is_no_word_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("call pytest -q\nbusy\n")

    async def finish() -> Followed:
        followed = Followed(path)
        followed.tail.finish(0, path.stat().st_size)
        return followed

    followed = asyncio.run(finish())
    assert followed.told == ["> run pytest -q", "> the model is overloaded, tried again in 8 s"]
    assert not followed.tail.said


class Endless(Lines):
    """As many words come as are read, and one more."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = log
        self.looks = 0

    def feed(self, data: bytes) -> list[EngineEvent]:
        self.looks += 1
        assert self.looks < 100, "it never comes to an end"
        with self._log.open("ab") as file:
            file.write(data + b"more\n")
        return super().feed(data)


def test_who_prints_without_end_does_not_keep_a_second_runner_from_its_work(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"session\n")
    session = Endless(log)
    Followed(log, session).tail.catch_up()
    assert session.looks == 1, "what there was when it came"


class Late(Lines):
    """It was stopped for the time that it took."""

    def close(self, end: Exit) -> Outcome:
        return Failed(FailureClass.TIMEOUT, "too late")


def test_who_took_too_long_says_what_it_waited_for(tmp_path: Path) -> None:
    """A wrong key that a CLI tries for minutes would be a mere timeout; what has passed is no reason."""
    path = tmp_path / "a.log"
    for printed, reason in (
        (b"session\nbusy\n", "too late; the last it told: overloaded"),
        (b"session\nbusy\nhello\n", "too late"),
        (b"session\n", "too late"),
    ):
        path.write_bytes(printed)
        tail = Followed(path, Late()).tail
        tail.finish(0, len(printed))
        assert tail.close(Exit()) == Failed(FailureClass.TIMEOUT, reason)
    tail = Followed(path).tail
    tail.finish(0, 0)
    assert tail.close(Exit()) == Succeeded("")
