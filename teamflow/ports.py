"""The seams: what the loop needs from the world, as Protocols. Implementations and their fakes share contract suites.

Engines translate and perform no I/O; targets, workspaces and the store act and decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from teamflow.core.capabilities import Capabilities as Capabilities
from teamflow.core.events import Now, Record
from teamflow.core.invocation import Brief, EngineEvent, Exit, Invocation
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Artifact, Failed, Outcome
from teamflow.core.permissions import Verdict
from teamflow.core.plan import Json
from teamflow.core.work import Change, Left, Ready


class Sources(Protocol):
    """Reads the files that define a team. Paths are relative to the project root."""

    def read(self, path: str) -> bytes:
        """Raises OSError as open() does."""
        ...


class Session(Protocol):
    """Interprets one attempt's output, and knows how to talk to it. Deterministic: the same bytes in any chunks give
    the same events, and so do the same bytes with the same `took` at the same places. So a second runner, which feeds
    all that was printed and all that was written into a new session, has the same one.

    `tell`, `answer` and `interrupt` change nothing: they give the text to be written, or None where that cannot be now.
    What of it is written, the session is told by `took`, by this runner or a later one.
    """

    def feed(self, data: bytes) -> Sequence[EngineEvent]: ...

    def close(self, end: Exit) -> Outcome:
        """What the attempt came to, as far as its output and exit tell."""
        ...

    def tell(self, text: str) -> str | None:
        """So that it hears this while it works; None: it has to wait for its next turn."""
        ...

    def answer(self, request: str, verdict: Verdict) -> str | None:
        """To an `Asked` that is open; `verdict` allow | deny. None: nobody waits for it any more."""
        ...

    def interrupt(self) -> str | None:
        """So that it ends its turn; None: only a signal does, or it does nothing."""
        ...

    def took(self, data: str) -> Sequence[EngineEvent]:
        """One of the texts above is on its way to the agent."""
        ...


class Engine(Protocol):
    name: str
    capabilities: Capabilities

    def invoke(self, brief: Brief) -> Invocation | Failed:
        """What to start; Failed when the brief cannot be told to the program at all."""
        ...

    def session(self, brief: Brief) -> Session: ...


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


class Input(NamedTuple):
    """What is written to the stdin of an attempt. `n` counts from 0 within it: one that was taken does nothing when it
    comes again. `note`: what it is; it is kept with it (`in.log`), as is `offset`: how many bytes of the attempt's log
    were read when it was decided (None: all that there are). `end`: stdin is closed behind it."""

    n: int
    data: str
    note: str = ""
    end: bool = False
    offset: int | None = None


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


class Parent(NamedTuple):
    """A commit that a step starts from, and which step left it; `path`: its workspace, where that is still there;
    `repo` as in `Left`."""

    step: str
    commit: str
    path: str = ""
    repo: str = ""


class Order(NamedTuple):
    """Which workspace an attempt needs. Blank fields of a step that goes on (`goes_on`) are as in `before`."""

    step: str
    attempt: int
    parents: tuple[Parent, ...]
    """In the order of the plan, without doubles. Of another repository than the step's own they count for nothing;
    where none is left, it starts from the HEAD of that repository."""
    own: bool
    """A worktree or clone with a branch of its own; False: a detached one, or `takes`."""
    goes_on: bool = False
    """In the workspace of its last attempt as that was left; False: in a clean one, at the starting commit."""
    before: Ready | None = None
    """What its last attempt that had a workspace worked in."""
    takes: str = ""
    """Path of the dependency's worktree that it may have instead of a fresh one."""
    copy: tuple[str, ...] = ()
    """Patterns of files of the project to bring along, as in `core/globs`."""
    sparse: tuple[str, ...] | None = None
    """Patterns of what is to be checked out; None: everything."""
    repo: str | None = None
    """A repository to clone: URL, or a path, relative to the project; None: it works in a worktree of the project, or
    where its dependencies have worked."""
    message: str = ""
    """Of a commit that merges its parents."""
    adds: str = ""
    """The commit that it has left itself before, where its parents have become others since: it goes on with that on
    top of them, and its starting commit is theirs."""
    resolve: bool = False
    """It is to mend what its parents change in different ways: without that there is nothing to do, and with it the
    conflicts are no failure."""


class Finish(NamedTuple):
    """What is to become of a workspace whose step is done."""

    step: str
    attempt: int
    ready: Ready
    message: str
    """Subject, body and trailers of the commit of what was left uncommitted."""
    fenced: bool = False
    """Whether settings of agents that git ignores are to be looked for."""


class Done(NamedTuple):
    """What an attempt has left: the commit, and each file that it changed since its starting commit."""

    left: Left
    changes: tuple[Change, ...]
    aside: tuple[str, ...] = ()
    """What could not be committed (path: why), and stays where it is."""
    hidden: tuple[str, ...] = ()
    """Where they were looked for: settings of agents that lie there, in no commit, and that `copy` has not brought."""


class Workspaces(Protocol):
    """Makes workspaces and takes in what was left in them. Blocking; called from threads, several at once.

    Failures that a user can mend come back as `Failed` (class conflict, setup, output). Idempotent: a crash between
    any two git commands leaves nothing that the next call for the same attempt does not mend.
    """

    def prepare(self, order: Order) -> Ready | Left | Failed:
        """Left: of an order to resolve, when there is nothing to mend: the merge; without parents, `Left("", "")`."""
        ...

    def finish(self, work: Finish) -> Done | Failed: ...

    def keep(self, step: str, attempt: int, ready: Ready) -> str:
        """Keeps what lies in a workspace as a commit behind a ref, without changing anything there; its id, empty where
        there is nothing but the starting commit."""
        ...

    def remove(self, ready: Ready) -> str:
        """Takes a workspace away, after `keep`; why not, where it could not be done, or something lies in it that no
        commit holds."""
        ...

    def on_top(self, step: str, left: Left, parents: tuple[Parent, ...]) -> Left | None:
        """The same changes on top of other commits, of a result of a step that the cache gives back; None: they do not
        apply, or its commits are not there any more."""
        ...

    def tree(self, commit: str, patterns: tuple[str, ...] | None, *, repo: str = "") -> Mapping[str, str] | None:
        """Path → object id (with mode) of a commit's files, of those that match; None: the commit is not there. `repo`
        as in `Left`."""
        ...

    def content(self, commit: str, path: str, *, repo: str = "") -> bytes | None:
        """A file of a commit; None: it is not there, is no file, or has more than 4 MiB."""
        ...

    def look(self, ready: Ready) -> tuple[str, Mapping[str, str]] | None:
        """What lies in a workspace now, as a commit without a ref, and path → object id (empty: gone) of each file that
        differs from its starting commit. Changes nothing there, its index included; cheap where nothing has changed.
        None: it cannot be told now. Not for two threads at once in one workspace."""
        ...

    def differs(self, left: Left) -> Mapping[str, str] | None:
        """The same of what a step has left: path → object id of each file that it changed. None: it is not there."""
        ...

    def conflicts(self, first: str, second: str) -> tuple[str, ...] | None:
        """Files in conflict when two commits are merged, whatever they started from; None: it could not be tried."""
        ...

    def head(self) -> str | None:
        """The project's commit as it was at the first look, also when the user has committed since: all steps without
        dependencies start from the same one. None: it has none yet."""
        ...

    def refresh(self) -> None:
        """The next `head` looks again."""
        ...

    def origin(self, repo: str) -> Parent | Failed:
        """The commit that a clone (`Order.repo`) starts from that has no parents, as its origin has it now."""
        ...

    def merged(self, parents: tuple[Parent, ...], message: str) -> str | Failed:
        """The starting commit that these parents make, all of one repository; one alone is that itself."""
        ...


class Shelf(Protocol):
    """Contents of output files that no commit has, for as long as their run is kept. Blocking."""

    def keep(self, root: str, artifact: Artifact) -> None:
        """OSError: it is not as it was, or there is no room."""
        ...

    def put(self, root: str, artifact: Artifact) -> str:
        """Puts it where nothing lies: PUT, or GONE when nothing is kept of it; empty where something lies there, which
        stays. OSError."""
        ...


PUT: Final = "put"
GONE: Final = "gone"


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

    def stop(self, step: str, attempt: int, *, grace: float, cause: str, soft: float = 0.0) -> None:
        """Ends what runs of an attempt, with the first signal after `soft` seconds, the last after `grace`."""
        ...

    def freeze(self, step: str, attempt: int, *, on: bool) -> None:
        """Halts what runs of an attempt where it is, with its deadlines, or lets it go on. What is being stopped is
        left alone; a stop lets it go on first."""
        ...

    def hold(self, step: str, attempt: int, *, on: bool) -> None:
        """Its deadlines stand still (it waits for a person), or go on."""
        ...

    def send(self, step: str, attempt: int, given: Input) -> None:
        """To the stdin of what runs of an attempt."""
        ...

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
