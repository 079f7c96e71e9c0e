"""What the executor and its attempts need of those that know engines, results and cache keys.

No code, only the shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

from teamflow.core.events import (
    AttemptEnded,
    AttemptStarted,
    Event,
    PhaseEnded,
    ProgressReported,
    QuestionAsked,
    Warned,
)
from teamflow.core.guarding import GuardTripped
from teamflow.core.invocation import Brief, Exit
from teamflow.core.leave import LeaveAsked, LeaveWithdrawn
from teamflow.core.limited import EngineLimited, LimitLifted
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Artifact, Failed, Outcome, Succeeded
from teamflow.core.permissions import Verdict
from teamflow.core.plan import EngineDefinition, Json, Step
from teamflow.core.spending import SpendingTold
from teamflow.core.state import RunState, StepState
from teamflow.core.work import WorkspaceReady
from teamflow.ports import Engine, Exited, Start
from teamflow.run.brief import Rendering


class Talks(Protocol):
    """What is said to running agents; `run/following.py` implements it."""

    def hears(self, step_id: str, number: int) -> bool:
        """Whether a step's live agent can be told this message of its step (from 0) now."""
        ...

    def tell(self, step_id: str, number: int) -> None:
        """Hands it over."""
        ...

    def heard(self, step_id: str) -> int:
        """How many messages the live attempt of a step was handed while it worked, as its keeper has noted."""
        ...

    def late(self, step_id: str, attempt: int) -> Sequence[Warned]:
        """What an attempt has told only at the end of its output; told once."""
        ...

    def answer(self, step_id: str, request: str, verdict: Verdict) -> None:
        """To the leave that a step's live agent waits for, unless it has the answer, or does not wait any more."""
        ...

    def interrupt(self, step_id: str) -> bool:
        """Asks a step's live agent to end its turn; False: it only hears signals."""
        ...


class Attempts(Protocol):
    """What the executor needs to know about one attempt; `run/attempt.py` implements it."""

    @property
    def talks(self) -> Talks: ...

    def begin(self, attempt: AttemptStarted) -> Start | AttemptEnded:
        """The first phase to start, or why the attempt cannot even begin."""
        ...

    def phase_ended(self, exited: Exited) -> PhaseEnded | AttemptEnded | None:
        """What the end of a phase comes to; None when that takes a while (see `conclude`)."""
        ...

    async def conclude(self, exited: Exited) -> PhaseEnded | AttemptEnded:
        """The slow form of `phase_ended`: reads and digests files off the loop."""
        ...

    def phase(self, ended: PhaseEnded) -> Start | AttemptEnded:
        """The phase that follows, or why it cannot be started."""
        ...

    def adopt(self, began: Callable[[str, int], int | None]) -> None:
        """Follows the output of attempts that another runner started. `began`: after how many bytes of its log the
        agent phase of an attempt began; None: it has not, as far as is known. Until then nothing is read of any."""
        ...

    def close(self) -> None: ...


class Making(Protocol):
    """Workspaces of attempts, as whoever begins these sees them; `run/trees.py` implements it."""

    def lacks(self, step_id: str) -> bool:
        """Whether the live attempt of a step has yet to be given one."""
        ...

    async def make(self, step_id: str, attempt: int) -> WorkspaceReady | AttemptEnded:
        """Its workspace, or why there can be none. Takes a while."""
        ...

    def freed(self) -> None:
        """Who waits for a workspace looks again whether it may have it, or is to have it still."""
        ...

    def given(self, step_id: str) -> None:
        """What was made is in the log, or its attempt has ended: others may have theirs."""
        ...


class Prober(Protocol):
    async def probe(self, step_ids: Sequence[str]) -> list[Event]:
        """Looks the steps' cache keys up: `Cached` or `Admitted` for each."""
        ...


class Listening(NamedTuple):
    """It can be told now what it could not be told before. Nothing is recorded of it."""

    step: str
    attempt: int


Report: TypeAlias = ProgressReported | SpendingTold | GuardTripped | LeaveAsked | LeaveWithdrawn | Warned | Listening
"""What a running attempt tells of itself."""


class Others(Protocol):
    """What runs tell each other: their engines' usage limits, and what they spend on a day."""

    def news(self, start: AttemptStarted | None) -> Sequence[Event]:
        """What others have told, and this run does not know yet. `start`: what is about to begin if there is nothing;
        then what it may spend is claimed for it."""
        ...

    def tell(self, event: EngineLimited | LimitLifted | AttemptEnded | QuestionAsked | LeaveAsked) -> None: ...


class Engines(Protocol):
    """The registry of engines and how their text becomes declared outputs; both live in `engines/`."""

    def engine(self, name: str, *, custom: EngineDefinition | None = None) -> Engine:
        """`custom`: what the team file defines it to be."""
        ...

    def outcome_of(self, end: Exit, brief: Brief) -> Outcome: ...

    def outputs(self, text: str, schemas: Mapping[str, Json]) -> Mapping[str, Json] | Failed: ...


class Results(Protocol):
    """What becomes of a success on disk: its artifacts, its key and its place in the cache."""

    def artifacts(self, step: Step, rendering: Rendering, *, root: str) -> tuple[Artifact, ...] | Failed:
        """`root`: where the step works."""
        ...

    def keep(self, known: StepState, attempt: int, outcome: Succeeded) -> tuple[str | None, str]:
        """(key, note): stores the result; key None with the reason why it was not stored."""
        ...

    def tree(self, step: Step, attempt: int) -> str:
        """Digest of the files that the step works on as they are now; empty where that is not known."""
        ...


Opening: TypeAlias = Callable[[RunState], Iterable[Event]]
"""What a session settles before it starts anything. Each event is applied before the next is asked for."""
