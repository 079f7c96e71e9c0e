"""The closed union of what can be recorded about a run, and its JSON form.

A run's log is a sequence of `Record`s; `core/state.py` folds them. Facts (`AttemptEnded`) and the decisions they
lead to (`RetryScheduled`, `StepEnded`) are different records, so a crash between them resumes without guessing.
Adding an event here makes the type checker list every `match` that must learn it. Agent output is not an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias, get_args

from teamflow.core.guarding import GuardTripped
from teamflow.core.leave import LeaveAsked, LeaveWithdrawn
from teamflow.core.limited import EngineLimited, LimitLifted
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Artifact, FailureClass, Outcome
from teamflow.core.overlapping import OverlapsSeen
from teamflow.core.plan import Json
from teamflow.core.requested import (
    CancelRequested,
    MessageSent,
    PauseRequested,
    RelaunchRequested,
    RequestAnswered,
    ResumeRequested,
    RunPaused,
    RunResumed,
    StopRequested,
)
from teamflow.core.spending import BudgetReached, BudgetSet, DaySpent, SpendingTold
from teamflow.core.work import Left, WorkspaceReady


class Now(NamedTuple):
    """A moment: which boot, seconds since it (durations use this), and wall time as a Unix timestamp."""

    boot: str
    mono: float
    wall: float


class RunnerStarted(NamedTuple):
    """A runner took the run. Opens every session of it; options are those of this session's command line.

    `max_parallel` is settled (never "cores"). `resumed` says that the run existed before.
    """

    boot: str
    pid: int
    max_parallel: int
    fail_fast: bool = False
    resumed: bool = False
    no_input: bool = False
    """Nobody may be asked: a run that only waits for people ends (exit 5)."""
    yes: bool = False
    """Going over `limits.max_steps` is confirmed beforehand."""
    usd: float | None = None
    """What the run may spend from now on, whatever its file says; `tokens` likewise; None: as before."""
    tokens: float | None = None


class PlanRevised(NamedTuple):
    """The plan is now `revision` (stored beside the log). Steps that are not in it are removed; those that were added
    to a step that it still has stay. `max_parallel`: what is in force from now on; None: what was."""

    revision: int
    reason: str
    max_parallel: int | None = None


class StepsAdded(NamedTuple):
    """Decision: the step `parent` stands for these instances (step id → its matrix values); a later one replaces it.

    `edges`: (step, on, why) of added steps beyond those of the parent: both may write the same files. What a step that
    is not in the plan waits for, or is waited for, does not count. They must make no circle.
    """

    parent: str
    instances: Mapping[str, Mapping[str, Json]]
    edges: tuple[tuple[str, str, str], ...] = ()


class Hit(NamedTuple):
    """One step found in the cache: what it hands over. `text` None: nobody refers to it."""

    key: str
    reason: str
    text: str | None = None
    outputs: Mapping[str, Json] | None = None
    artifacts: tuple[Artifact, ...] = ()
    origin: tuple[int, int] | None = None
    """(run, attempt) that made the result, where it is still known."""
    left: Left | None = None
    """What it has left, on top of where this run is."""


class Cached(NamedTuple):
    """These steps were not started: the same work succeeded before."""

    hits: Mapping[str, Hit]


class ResultsTaken(NamedTuple):
    """Results of steps that this run's selection leaves out, as an earlier run had them; others refer to them."""

    run: int
    hits: Mapping[str, Hit]
    added: Mapping[str, Mapping[str, Mapping[str, Json]]] | None = None
    """Parent → its instances, as in `StepsAdded`, of parents that are left out."""


class Admitted(NamedTuple):
    """A step that needed a look (its `if`, its cache key) is to run, for this reason. `key` None: no key."""

    step: str
    key: str | None
    reason: str


class AttemptStarted(NamedTuple):
    """Decision to start. cause: first | retry | repair | resume | rework | relaunch."""

    step: str
    attempt: int
    cause: str
    continues: int | None = None
    reason: str = ""
    fallback: int | None = None
    """Which of the step's fallbacks does it, from 1; None: its own engine."""
    usd: float | None = None
    """What it may spend, reserved for it; `tokens` likewise; None: no limit."""
    tokens: float | None = None


class PhaseEnded(NamedTuple):
    """A phase ended and another follows. `journal` is the keeper's sequence number of its exit."""

    step: str
    attempt: int
    phase: str
    next: str
    journal: int
    outcome: Outcome | None = None
    """Of the agent phase, when verify phases follow it: what the attempt has to show so far."""


class AttemptStopping(NamedTuple):
    """Decision to end a running attempt; the keeper is told. cause as in `Stopped`."""

    step: str
    attempt: int
    cause: str


class AttemptEnded(NamedTuple):
    """Fact. `journal` is the keeper's sequence number of the exit it rests on (None: it never started).

    `key` names the result in the cache; `note` says why it was not stored, where that was wanted.
    """

    step: str
    attempt: int
    outcome: Outcome
    phase: str = "agent"
    journal: int | None = None
    key: str | None = None
    note: str = ""
    tree: str = ""
    """Digest of the files that it worked on as it left them, of steps that a loop may open again."""
    aside: str = ""
    """What it has left in its workspace that no commit holds, and why; in a line."""


class MessageDelivered(NamedTuple):
    """A live attempt was told; `heard`: how many of its step's messages it knows with that."""

    step: str
    attempt: int
    heard: int


class ProgressReported(NamedTuple):
    """The step's own word on how far it is; `percent` is None where it only says something."""

    step: str
    attempt: int
    percent: float | None
    text: str = ""


class Warned(NamedTuple):
    """Fact: something is not as the team file has it, and a running attempt goes on all the same. `text` follows the
    name of the step."""

    step: str
    attempt: int
    text: str


class RetryScheduled(NamedTuple):
    """Decision: the next attempt may start at `mono` (seconds since boot `boot`), which is `delay` from now."""

    step: str
    cause: str
    delay: float
    boot: str
    mono: float
    reason: str
    continues: int | None = None


class BackoffEnded(NamedTuple):
    """The scheduled moment has come: the step may have a slot."""

    step: str


class StepWaiting(NamedTuple):
    """A step holds no slot until somebody acts. on: pause | limit. (On a person: `QuestionAsked`.)

    `by`: interrupt (the next runner goes on with it) | user (it stays paused) | engine (until one is in reach).
    """

    step: str
    on: str
    by: str
    reason: str


class StepEnded(NamedTuple):
    """Decision: succeeded | failed | cancelled | skipped. `own` marks a step skipped by its own `if`."""

    step: str
    status: str
    reason: str
    own: bool = False
    failure: FailureClass | None = None
    """Why it failed, where its last attempt did not."""


class Reopened(NamedTuple):
    """Ended or waiting steps go back to pending. cause: retry | relaunch | revision | rework | resume.

    `by`: the step whose loop asks for the rework; it is among `steps`, and what it said is the others' feedback.
    `made`: digest of what the round that is over has left behind; empty: nothing is known of it.
    """

    steps: tuple[str, ...]
    cause: str
    reasons: Mapping[str, str]
    by: str = ""
    made: str = ""


class QuestionAsked(NamedTuple):
    """A person is asked. about: approval | question | permission | budget | guard | failure. Questions are numbered
    from 1 in the order of the log. A step that has not started, or has just failed, waits for the answer.

    `options`: the answers to choose from; an approval has none (approve | reject). The deadline is `mono` (seconds
    since boot `boot`) and `deadline` (Unix, for people and other boots); None: none. Then `default` is the answer.
    """

    step: str
    about: str
    text: str
    options: tuple[str, ...] = ()
    default: str | None = None
    boot: str = ""
    mono: float | None = None
    deadline: float | None = None
    failure: FailureClass | None = None
    """Of a step that has failed: why."""
    scope: str = ""
    """Whose budget it is about: run | step."""
    agrees: tuple[tuple[str, str, float], ...] = ()
    """The caps that `go on` lets be used up, as in `Ledger.agreed`."""


class QuestionAnswered(NamedTuple):
    """A question has its answer: one of its options, or approve | reject. by: a person, or `timeout`.

    `answer` None: the deadline passed and there is no default.
    """

    question: int
    answer: str | None
    by: str
    note: str = ""


class StepFrozen(NamedTuple):
    """Decision: a running attempt is halted where it is. It keeps its slot."""

    step: str
    attempt: int
    reason: str


class StepThawed(NamedTuple):
    """Decision: a frozen attempt goes on."""

    step: str
    attempt: int


class RunEnded(NamedTuple):
    """status: succeeded | failed | cancelled | interrupted | limited | waiting; exit_reason as in the JSON page."""

    status: str
    exit_reason: str
    outputs: Mapping[str, Json]
    reason: str = ""


Event: TypeAlias = (
    RunnerStarted
    | PlanRevised
    | StepsAdded
    | Cached
    | ResultsTaken
    | Admitted
    | AttemptStarted
    | WorkspaceReady
    | PhaseEnded
    | AttemptStopping
    | AttemptEnded
    | MessageDelivered
    | ProgressReported
    | Warned
    | RetryScheduled
    | BackoffEnded
    | SpendingTold
    | GuardTripped
    | BudgetReached
    | BudgetSet
    | DaySpent
    | EngineLimited
    | LimitLifted
    | OverlapsSeen
    | StepWaiting
    | StepEnded
    | Reopened
    | QuestionAsked
    | QuestionAnswered
    | LeaveAsked
    | LeaveWithdrawn
    | MessageSent
    | PauseRequested
    | ResumeRequested
    | StepFrozen
    | StepThawed
    | RelaunchRequested
    | RunPaused
    | RunResumed
    | CancelRequested
    | StopRequested
    | RequestAnswered
    | RunEnded
)

EVENTS: Final[tuple[type[Event], ...]] = get_args(Event)


class Record(NamedTuple):
    """One line of a run's log: `seq` from 1 without gaps, `at` wall time (Unix), `mono` seconds since boot."""

    seq: int
    at: float
    mono: float
    event: Event
