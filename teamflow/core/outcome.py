"""How one attempt ended, as a value. An agent that fails is never an exception.

Decides nothing: `policy/retry.py` says what follows from an outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json
from teamflow.core.work import Left


class FailureClass(StrEnum):
    """Why an attempt failed; the words of the team file's reference page."""

    TRANSIENT = "transient"
    RATE_LIMIT = "rate_limit"
    USAGE_EXHAUSTED = "usage_exhausted"
    AUTH = "auth"
    TIMEOUT = "timeout"
    IDLE = "idle"
    EXIT = "exit"
    VERIFY = "verify"
    OUTPUT = "output"
    CONFLICT = "conflict"
    WRITES = "writes"
    CRASH = "crash"
    LOST = "lost"
    SETUP = "setup"
    START = "start"
    LOG_LIMIT = "log_limit"
    BUDGET = "budget"
    REJECTED = "rejected"
    NOT_CONVERGED = "not_converged"
    CANCELLED = "cancelled"
    FATAL = "fatal"


CONTINUES: Final = frozenset({FailureClass.VERIFY, FailureClass.OUTPUT})
"""After these the next attempt goes on in the same session and workspace, at once."""


class Usage(NamedTuple):
    """What an attempt cost. None means that the engine does not tell; never zero for unknown."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    usd: float | None = None


class Artifact(NamedTuple):
    """An output file as it was when the step succeeded: path below the workspace root, sha256, bytes, permissions."""

    name: str
    path: str
    digest: str
    size: int
    mode: int = 0o644


class Succeeded(NamedTuple):
    """`text` is None where nothing refers to it: it is then read from the log when somebody looks."""

    text: str | None = None
    outputs: Mapping[str, Json] | None = None
    artifacts: tuple[Artifact, ...] = ()
    usage: Usage | None = None
    session: str | None = None
    exit_code: int | None = 0
    left: Left | None = None
    """What it has left in a workspace that teamflow made."""
    model: str | None = None
    """The id of the model that answered, where the engine tells it."""


class Failed(NamedTuple):
    """`reason` is one line for people. `detail` goes into the next attempt's prompt (verify, output).

    `retry_after`: seconds that the other side asked to wait. `text`: what dependents of a failed step see of it,
    where somebody refers to it.
    """

    failure: FailureClass
    reason: str
    exit_code: int | None = None
    signal: int | None = None
    detail: str = ""
    retry_after: float | None = None
    usage: Usage | None = None
    session: str | None = None
    text: str | None = None
    model: str | None = None


class Stopped(NamedTuple):
    """Ended because somebody asked: `cause` is cancel | interrupt | orphaned | fail_fast | limit | withdrawn.

    Or it has kept a limit itself: budget | guard | raised."""

    cause: str
    exit_code: int | None = None
    signal: int | None = None
    usage: Usage | None = None
    session: str | None = None
    model: str | None = None


Outcome: TypeAlias = Succeeded | Failed | Stopped
_Bad = TypeVar("_Bad", Failed, Stopped)


def with_told(outcome: _Bad, by: Outcome) -> _Bad:
    """How an attempt ends after all, with what its engine has told of it."""
    return outcome._replace(usage=by.usage, session=by.session, model=by.model)
