"""What a run looks like now: one status per step, one table of legal transitions, and the indexes `decide` reads.

Only `core/fold.py` changes these objects; everybody else reads. The diagram in `docs/operations.md` is generated
from `TRANSITIONS`. Refuses to know time, processes and files.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.attempts import AttemptState
from teamflow.core.events import (
    Hit,
    QuestionAsked,
    RunEnded,
    RunnerStarted,
    StepsAdded,
)
from teamflow.core.limited import EngineLimit
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Artifact, FailureClass
from teamflow.core.overlapping import Overlap
from teamflow.core.plan import Edge, Json, Plan, Step
from teamflow.core.ready import ReadyQueue
from teamflow.core.requested import StopRequested
from teamflow.core.spending import Ledger
from teamflow.core.status import IllegalTransition, Status
from teamflow.core.work import Left, Ready


class Question:
    """One question to a person. `answered` (Unix) None: nobody has answered; `withdrawn`: nobody needs to any more."""

    __slots__ = (
        "about",
        "agrees",
        "answer",
        "answered",
        "asked",
        "boot",
        "by",
        "deadline",
        "default",
        "failure",
        "model",
        "mono",
        "note",
        "number",
        "options",
        "request",
        "scope",
        "step",
        "text",
        "withdrawn",
    )

    def __init__(self, event: QuestionAsked, *, number: int, asked: float) -> None:
        self.number = number
        self.step = event.step
        self.about = event.about
        self.text = event.text
        self.options = event.options
        self.default = event.default
        self.asked = asked
        self.boot = event.boot
        self.mono = event.mono
        """The deadline in seconds since boot `boot`; None: there is none."""
        self.deadline = event.deadline
        self.failure = event.failure
        self.scope = event.scope
        self.agrees = event.agrees
        self.request = ""
        """Of a running attempt: what it wants leave for, as it calls that."""
        self.answered: float | None = None
        self.answer: str | None = None
        self.by = ""
        self.note = ""
        self.withdrawn = False

    @property
    def open(self) -> bool:
        return self.answered is None and not self.withdrawn

    @property
    def own(self) -> bool:
        """Whether it is what an `ask` step is there for; else it asks whether a step may go on."""
        return self.about in ("approval", "question")


class Feedback(NamedTuple):
    """The result of a step with a loop for which others work again: `attempt` of `step`; `round`: the one it began."""

    step: str
    attempt: int
    round: int


class Message(NamedTuple):
    """What somebody told a step; `at` (Unix)."""

    by: str
    text: str
    at: float


class Pause(NamedTuple):
    """Somebody holds a step back; `freeze`: what runs of it is halted, not ended."""

    by: str
    freeze: bool


class OfPeople:
    """What people have asked of a step, and holds."""

    __slots__ = ("anew", "cancelled_by", "heard", "messages", "pause", "relaunch")

    def __init__(self) -> None:
        self.cancelled_by: str | None = None
        self.pause: Pause | None = None
        """Who holds it back, whatever its status."""
        self.messages: list[Message] = []
        self.heard = 0
        """How many of them it has heard, or is told at the beginning of its newest attempt."""
        self.relaunch: str | None = None
        """Why it is to be started anew, as soon as what runs of it has ended."""
        self.anew = False
        """Whether its next attempt was asked for: then it runs, whatever the cache knows."""


class OfResults(OfPeople):
    """What a step hands on."""

    __slots__ = ("artifacts", "key", "left", "outputs", "text")

    def __init__(self) -> None:
        super().__init__()
        self.key: str | None = None
        self.text: str | None = None
        self.outputs: Mapping[str, Json] = {}
        self.artifacts: tuple[Artifact, ...] = ()
        self.left: Left | None = None
        """The commit that it has left, where it works in a workspace that teamflow makes."""


class StepState(OfResults):
    """One step as the log tells it."""

    __slots__ = (
        "admitted",
        "agreed",
        "attempts",
        "backoff",
        "blockers",
        "broken",
        "closed",
        "counted_from",
        "ended_at",
        "failure",
        "feedback",
        "guarded_from",
        "handed",
        "made",
        "next_cause",
        "next_continues",
        "opened",
        "own_skip",
        "paid_from",
        "progress",
        "question",
        "reason",
        "round",
        "stale",
        "status",
        "step",
        "turns",
        "waiting_by",
        "waiting_on",
    )

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step
        self.status = Status.PENDING
        self.reason = ""
        self.blockers = len(step.edges)
        self.broken: str | None = None
        """Why a dependency's end does not hold; the first one found."""
        self.turns = 0
        """How often all that it depends on had ended, so that it was its turn."""
        self.attempts: list[AttemptState] = []
        self.counted_from = 0
        """Attempts before this index do not count against `retry.attempts`: the step was reopened since."""
        self.agreed = False
        """Whether somebody has allowed it to use up its own budget."""
        self.guarded_from = 0
        """Attempts before this index do not count for its guards: somebody has let it go on since."""
        self.paid_from = 0
        """Attempts before this index do not count against its budget: somebody had it done again since."""
        self.admitted = not needs_look(step)
        self.backoff: tuple[str, float] | None = None
        """(boot, mono) before which no attempt may start."""
        self.next_cause = "first"
        self.next_continues: int | None = None
        self.own_skip = False
        self.progress: tuple[float | None, str] | None = None
        self.waiting_on: str | None = None
        self.waiting_by: str | None = None
        self.ended_at: float | None = None
        self.opened = 0
        """The record that opened it again; 0: none."""
        self.closed = 0
        """The record that ended it last."""
        self.handed = False
        """Whether others were given its results when it ended last."""
        self.failure: FailureClass | None = None
        """Why it failed, where its last attempt did not."""
        self.question: int | None = None
        """The newest question about it."""
        self.round = 1
        """Of its loop."""
        self.made: tuple[str, ...] = ()
        """What the rounds before the present one have left behind, as digests; the last two, newest last."""
        self.feedback: Feedback | None = None
        """What asked for the rework that this step is, or was last, opened for."""
        self.stale: str | None = None
        """Why what it has made, or makes, no longer holds: it is to be opened again."""

    @property
    def reworking(self) -> bool:
        """Whether a round of a loop has opened it again: it then runs, whatever the cache knows."""
        return self.feedback is not None or self.round > 1

    @property
    def has_to_run(self) -> bool:
        """Whether it runs whatever the cache knows: a person, or a loop, wants it done again."""
        return self.anew or self.reworking

    @property
    def attempt(self) -> AttemptState | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def ready(self) -> Ready | None:
        """The workspace that its newest attempt with one worked in."""
        return next((attempt.ready for attempt in reversed(self.attempts) if attempt.ready is not None), None)

    @property
    def live(self) -> AttemptState | None:
        """The attempt that runs now."""
        newest = self.attempts[-1] if self.attempts else None
        return newest if newest is not None and newest.outcome is None else None

    def running(self, number: int) -> AttemptState:
        """The attempt of that number. Raises IllegalTransition: it does not run."""
        live = self.live
        if live is None or live.number != number:
            raise IllegalTransition(f"{self.step.id}: attempt {number} does not run")
        return live

    @property
    def at_work(self) -> bool:
        """Whether an attempt of it is there, halted or not, or has just ended. A question is none."""
        return self.status is Status.RUNNING or self.frozen or self.asking

    @property
    def frozen(self) -> bool:
        """Whether an attempt of it is there, halted where it is."""
        live = self.live
        return live is not None and live.frozen_at is not None

    @property
    def asking(self) -> bool:
        """Whether an attempt of it is there, and waits for leave."""
        live = self.live
        return live is not None and bool(live.asking)


def ran_since(state: RunState, known: StepState) -> str:
    """A dependency that was run again since this step last began; empty when there is none."""
    began = known.attempts[-1].began if known.attempts else state.seq
    for edge in known.step.counted_edges:
        on = state.steps[edge.on]
        # What a loop has opened again concerns only who is in it.
        if on.attempts and on.attempts[-1].began > began and on.feedback is None:
            return edge.on
    return ""


def needs_look(step: Step) -> bool:
    """Whether its condition or its key is looked at before it may start. A step that is expanded has neither."""
    return step.expansion is None and (step.cache or step.condition is not None)


class Asked:
    """What people have been asked in a run."""

    def __init__(self) -> None:
        self.questions: list[Question] = []
        """All of them; number 1 comes first."""
        self.unanswered: dict[int, Question] = {}
        self.answers: dict[int, Question] = {}
        """Questions that have an answer, while their step still waits."""
        self.deadlines: list[tuple[float, int]] = []
        """Heap of (mono, question); the head is an open one."""


class Steered(Asked):
    """What people have asked of a run, and holds."""

    def __init__(self) -> None:
        super().__init__()
        self.stop: StopRequested | None = None
        self.cancelled_by: str | None = None
        self.paused: str | None = None
        """Who paused the run."""
        self.held: set[str] = set()
        """Steps that somebody holds back."""
        self.frozen: set[str] = set()
        """Running ones of these that are halted where they are."""
        self.asking: set[str] = set()
        """Running steps that wait for leave."""
        self.talks: dict[tuple[str, str], tuple[str, int]] = {}
        """Two steps, in order → who has told the other something last, and how often they did in turn."""
        self.changes: dict[str, dict[str, Json]] = {}
        """What is different of steps that were relaunched, by step."""


class Seen(Steered):
    """What was seen of the world, and of what the steps do to it, when it was last looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.limited: dict[str, EngineLimit] = {}
        """Engines that were out of reach when they were last heard of. One that has answered since is not in it."""
        self.lifted: dict[str, float] = {}
        """When (Unix) somebody has said of an engine that it is in reach: what was told before counts no more."""
        self.overlaps: tuple[Overlap, ...] = ()
        """Of workspaces in use, and of what was left."""


class RunState(Seen):
    """The fold of a run's records over its plan. `seq` is the last record applied."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.base = plan
        """The plan's revision as it was made; `plan` is it with the steps that were added."""
        self.plan = plan
        self.added: dict[str, StepsAdded] = {}
        """By parent."""
        self.revision = 1
        self.seq = 0
        self.runner: RunnerStarted | None = None
        self.started: float | None = None
        self.updated: float = 0.0
        self.ended: RunEnded | None = None
        self.journal = 0
        """The keeper's last sequence number that some record rests on."""
        self.answered: set[int] = set()
        self.active = 0.0
        """Seconds during which at least one attempt ran, up to the last end of such a stretch."""
        self.active_since: float | None = None
        self.mono = 0.0
        """Seconds since boot at the last record that a runner wrote."""
        self.steps: dict[str, StepState] = {}
        self.removed: dict[str, StepState] = {}
        """Steps of earlier revisions that the plan does not have now: they may come back."""
        self.leaving: set[str] = set()
        """Steps that the plan does not have now, but whose attempt still runs."""
        self.taken: dict[str, Hit] = {}
        """Results of another run, of steps that this one does not have."""
        self.order: dict[str, int] = {}
        self.dependents: dict[str, list[Edge]] = {}
        """Step id → edges out of it, with `on` naming the dependent."""
        self.ready: dict[tuple[str, ...], ReadyQueue] = {}
        """By `Step.accounts`. A step that asks takes no slot: it is in `asks`."""
        self.asks = ReadyQueue()
        self.backoff: list[tuple[float, str]] = []
        self.running: set[str] = set()
        """Steps with an attempt that is a process, frozen ones among them: each has a slot."""
        self.running_by_engine: dict[str, int] = {}
        self.on_limit: set[str] = set()
        """Steps that wait until an engine is in reach again, or until there is money again."""
        self.ledger = Ledger()
        self.open: set[str] = set()
        """Steps that have not ended."""
        self.failures: list[str] = []
        self.siblings: dict[str, list[str]] = {}
        """Agent with `max_failures` → its steps, without the parent of those that a run has added."""
