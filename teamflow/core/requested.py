"""What people ask of a run: the events of their verbs. Part of the union in `core/events.py`.

A request is a fact, recorded as it was granted (`policy/requests.py`); what it leads to for each step is decided, and
is a record of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json


class RunPaused(NamedTuple):
    """Nothing new starts until `RunResumed`, whoever drives the run; what runs goes on."""

    by: str


class RunResumed(NamedTuple):
    by: str


class PauseRequested(NamedTuple):
    """Somebody asked that these steps be held back until `ResumeRequested`. What runs is ended, and keeps its session
    and its workspace; `freeze`: it is halted where it is, and its deadlines stand still.
    """

    steps: tuple[str, ...]
    by: str
    freeze: bool = False


class ResumeRequested(NamedTuple):
    """These steps need not be held back any more."""

    steps: tuple[str, ...]
    by: str


class RelaunchRequested(NamedTuple):
    """A step is to be started anew, whatever its state. `changes`: what is different from now on, as far as given:
    prompt, engine, model (texts), timeout (seconds)."""

    step: str
    by: str
    changes: Mapping[str, Json] = {}


class MessageSent(NamedTuple):
    """Somebody tells these steps something: at once where the engine takes it while it works, else when the next
    attempt or turn of theirs begins. A step that has been told something does not end before it has heard it."""

    steps: tuple[str, ...]
    by: str
    text: str
    sender: str = ""
    """The step that says it; empty: a person does."""


class CancelRequested(NamedTuple):
    """Somebody asked to cancel these steps; None: the whole run."""

    steps: tuple[str, ...] | None
    by: str


class StopRequested(NamedTuple):
    """The run is to stop. cause: SIGINT | SIGTERM | fail_fast | timeout | before_run. Nothing new starts after it.

    `kill`: without grace. What this leads to for each attempt are records of their own.
    """

    cause: str
    reason: str
    kill: bool = False


class RequestAnswered(NamedTuple):
    """What became of a request that another process left in the store."""

    request: int
    ok: bool
    message: str
