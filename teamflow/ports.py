"""The seams: what the loop needs from the world, as Protocols. Implementations and their fakes share contract suites.

Engines translate and perform no I/O; targets, workspaces and the store act and decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from teamflow.core.events import Now, Record
from teamflow.core.invocation import Brief, EngineEvent, Exit, Invocation
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, Outcome
from teamflow.core.plan import Json


class Sources(Protocol):
    """Reads the files that define a team. Paths are relative to the project root."""

    def read(self, path: str) -> bytes:
        """Raises OSError as open() does."""
        ...


class Session(Protocol):
    """Interprets one attempt's output. Deterministic: the same bytes in any chunks give the same events."""

    def feed(self, data: bytes) -> Sequence[EngineEvent]: ...

    def close(self, end: Exit) -> Outcome:
        """What the attempt came to, as far as its output and exit tell."""
        ...


class Capabilities(NamedTuple):
    """What an engine can do; data for the planner. steer: fold | abort | none."""

    resume: bool = False
    schema: bool = False
    cost: bool = False
    steer: str = "none"
    protocol: bool = False
    """Its stdout must be fed to a session; False: the exit code and the log say it all."""
    tail: bool = False
    """`Session.close` is to see the last of what a failed agent printed."""


class Engine(Protocol):
    name: str
    capabilities: Capabilities

    def invoke(self, brief: Brief) -> Invocation | Failed:
        """What to start; Failed when the brief cannot be told to the program at all."""
        ...

    def session(self, brief: Brief) -> Session: ...

    def message(self, brief: Brief, text: str) -> str | None:
        """What to write to the stdin of a live attempt so that it hears this while it works; None: it cannot."""
        ...


class Start(NamedTuple):
    """One phase of an attempt, for a target to start. Seconds and bytes; paths are absolute on the target.

    `note` travels through the journal untouched: it proves the decision after a crash. `base_env` names an
    environment sent before with `Target.environment`.
    """

    step: str
    attempt: int
    phase: str
    invocation: Invocation
    cwd: str
    base_env: str
    env: Mapping[str, str]
    log: str
    err: str | None
    timeout: float | None
    idle: float | None
    idle_paths: tuple[str, ...]
    grace: float
    log_limit: int | None
    isolation: str | None
    note: Mapping[str, Json]


class Started(NamedTuple):
    """Journal entry: a phase's process is there."""

    seq: int
    step: str
    attempt: int
    phase: str
    pid: int
    at: float
    log_offset: int
    note: Mapping[str, Json]


class Exited(NamedTuple):
    """Journal entry: a phase ended, or could not be started (`end.error`).

    One that the target made itself (keeper killed, or deaf to a stop) has the `seq` of the last entry it knows.
    """

    seq: int
    step: str
    attempt: int
    phase: str
    at: float
    end: Exit


class TargetEvents(Protocol):
    """What a target calls back, on the loop's thread."""

    def journal(self, entries: Sequence[Started | Exited]) -> None: ...

    def keeper_lost(self, reason: str) -> None:
        """The keeper is gone and everything it had started has been killed. For people: each phase that ran was
        told before, as `Exited` with cause `lost`. The next start gets a new keeper.
        """
        ...

    def disk_trouble(self, message: str | None) -> None:
        """The journal cannot be written (None: it can again); starts are refused meanwhile."""
        ...


class Target(Protocol):
    """Where processes run. `open` adopts a living keeper or starts one lazily with the first start."""

    async def open(self, events: TargetEvents, *, after: int) -> None:
        """Reads the journal from entry `after` on (calling `journal` at once), then follows it."""
        ...

    def environment(self, name: str, variables: Mapping[str, str]) -> None: ...

    def start(self, request: Start) -> None: ...

    def stop(self, step: str, attempt: int, *, grace: float, cause: str) -> None: ...

    def freeze(self, step: str, attempt: int, *, on: bool) -> None:
        """Halts what runs of an attempt where it is, with its deadlines, or lets it go on. What is being stopped is
        left alone; a stop lets it go on first."""
        ...

    def send(self, step: str, attempt: int, *, n: int, data: str) -> None: ...

    async def close(self) -> None:
        """Lets the keeper go once nothing runs any more."""
        ...


class Store(Protocol):
    """Appends for the holder of the run's lock. Durable in order; `durable` is told the last safe seq."""

    def append(self, records: Iterable[Record]) -> None:
        """Never blocks on the disk."""
        ...

    async def flush(self) -> None:
        """Returns when everything appended so far is durable."""
        ...


class Clock(Protocol):
    def now(self) -> Now: ...
