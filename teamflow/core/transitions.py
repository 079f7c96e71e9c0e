"""The one table of legal transitions between the statuses of a step.

The diagram in `docs/operations.md` is generated from it. Only `core/fold*.py` changes a status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.events import (
    Admitted,
    AttemptEnded,
    AttemptStarted,
    AttemptStopping,
    BackoffEnded,
    Cached,
    Event,
    MessageDelivered,
    PhaseEnded,
    ProgressReported,
    QuestionAnswered,
    QuestionAsked,
    Reopened,
    RetryScheduled,
    StepEnded,
    StepFrozen,
    StepsAdded,
    StepThawed,
    StepWaiting,
)
from teamflow.core.leave import LeaveAsked, LeaveWithdrawn
from teamflow.core.status import ENDED, Status
from teamflow.core.work import WorkspaceReady

TRANSITIONS: Final[Mapping[tuple[Status, type[Event]], frozenset[Status]]] = {
    (Status.PENDING, StepEnded): frozenset({Status.SKIPPED, Status.FAILED, Status.CANCELLED}),
    (Status.PENDING, Cached): frozenset({Status.CACHED}),
    (Status.PENDING, StepWaiting): frozenset({Status.WAITING}),
    (Status.PENDING, StepsAdded): frozenset({Status.SUCCEEDED}),
    (Status.PENDING, QuestionAsked): frozenset({Status.WAITING}),
    (Status.QUEUED, Admitted): frozenset({Status.QUEUED}),
    (Status.QUEUED, Cached): frozenset({Status.CACHED}),
    (Status.QUEUED, AttemptStarted): frozenset({Status.RUNNING}),
    (Status.QUEUED, BackoffEnded): frozenset({Status.QUEUED}),
    (Status.QUEUED, StepEnded): frozenset({Status.SKIPPED, Status.FAILED, Status.CANCELLED}),
    (Status.QUEUED, StepWaiting): frozenset({Status.WAITING}),
    (Status.QUEUED, StepsAdded): frozenset({Status.SUCCEEDED}),
    (Status.QUEUED, QuestionAsked): frozenset({Status.WAITING}),
    (Status.RUNNING, WorkspaceReady): frozenset({Status.RUNNING}),
    (Status.RUNNING, PhaseEnded): frozenset({Status.RUNNING}),
    (Status.RUNNING, ProgressReported): frozenset({Status.RUNNING}),
    (Status.RUNNING, MessageDelivered): frozenset({Status.RUNNING}),
    (Status.RUNNING, AttemptStopping): frozenset({Status.RUNNING}),
    (Status.RUNNING, AttemptEnded): frozenset({Status.RUNNING}),
    (Status.RUNNING, RetryScheduled): frozenset({Status.QUEUED}),
    (Status.RUNNING, StepWaiting): frozenset({Status.WAITING}),
    (Status.RUNNING, QuestionAsked): frozenset({Status.WAITING}),
    (Status.RUNNING, StepFrozen): frozenset({Status.WAITING}),
    (Status.RUNNING, StepEnded): frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED}),
    (Status.RUNNING, Reopened): frozenset({Status.PENDING}),
    (Status.RUNNING, LeaveAsked): frozenset({Status.WAITING}),
    (Status.WAITING, LeaveAsked): frozenset({Status.WAITING}),
    (Status.WAITING, LeaveWithdrawn): frozenset({Status.RUNNING, Status.WAITING}),
    (Status.WAITING, StepFrozen): frozenset({Status.WAITING}),
    (Status.WAITING, MessageDelivered): frozenset({Status.WAITING}),
    (Status.WAITING, QuestionAnswered): frozenset({Status.WAITING, Status.RUNNING}),
    (Status.WAITING, StepThawed): frozenset({Status.RUNNING}),
    (Status.WAITING, AttemptStopping): frozenset({Status.RUNNING}),
    (Status.WAITING, AttemptEnded): frozenset({Status.RUNNING}),
    (Status.WAITING, WorkspaceReady): frozenset({Status.WAITING}),
    (Status.WAITING, PhaseEnded): frozenset({Status.WAITING}),
    (Status.WAITING, ProgressReported): frozenset({Status.WAITING}),
    (Status.WAITING, StepEnded): frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.SKIPPED}),
    (Status.WAITING, Reopened): frozenset({Status.PENDING}),
    (Status.PENDING, Reopened): frozenset({Status.PENDING}),
    (Status.QUEUED, Reopened): frozenset({Status.PENDING}),
    **{(status, Reopened): frozenset({Status.PENDING}) for status in ENDED},
}
"""(status, event) → statuses that may follow. Anything else is a bug and changes nothing.

After `Reopened`, and when the last dependency ends, PENDING becomes QUEUED by itself: that is the fold, not an event.
Of the waiting steps only one that is frozen, or that waits for leave, has an attempt that runs; one that has not ended
is opened again by a relaunch.
"""
