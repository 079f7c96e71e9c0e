"""`--progress plain`: what happened, one line per event, and output lines as `step | line`.

Remembers only what one line needs of another (why a step was admitted, unfinished output lines). Lines are clean for
a terminal. Refuses to know streams, colours and when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import tzinfo
from typing import Final

from teamflow.core.attempts import AttemptState
from teamflow.core.events import (
    Admitted,
    AttemptStarted,
    AttemptStopping,
    Cached,
    PhaseEnded,
    PlanRevised,
    QuestionAnswered,
    QuestionAsked,
    Record,
    Reopened,
    RetryScheduled,
    RunnerStarted,
    StepEnded,
    StepFrozen,
    StepsAdded,
    StepThawed,
    StepWaiting,
    Warned,
)
from teamflow.core.limited import EngineLimited, LimitLifted
from teamflow.core.outcome import Succeeded
from teamflow.core.overlapping import Overlap, OverlapsSeen
from teamflow.core.plan import ASK, Caps
from teamflow.core.questions import answer_words, asked_by
from teamflow.core.requested import (
    CancelRequested,
    MessageSent,
    PauseRequested,
    RelaunchRequested,
    ResumeRequested,
    RunPaused,
    RunResumed,
    StopRequested,
)
from teamflow.core.spending import BudgetReached, BudgetSet, caps_words
from teamflow.core.state import Question, RunState, StepState
from teamflow.core.work import DEPENDENCY
from teamflow.policy.budget import reached_words
from teamflow.views import words
from teamflow.views.header import RunHeader
from teamflow.views.logs import Interleaved, numbered, tail_lines
from teamflow.views.overlaps import news_lines
from teamflow.views.questions import asked_lines
from teamflow.views.sanitize import cell
from teamflow.views.shown import shown_steps
from teamflow.views.waiting import paused_hints

TailReader = Callable[[str, int], str]
"""(step, attempt) → the end of its output, redacted, at least its last twenty lines where there are so many."""

_MOST_HITS: Final = 20
_TAIL: Final = 20


class PlainPrinter:
    """`tail` None: the last lines of a failed step are not repeated."""

    def __init__(self, header: RunHeader, *, tail: TailReader | None = None, zone: tzinfo | None = None) -> None:
        self._header = header
        self._tail = tail
        self._zone = zone
        self._admitted: dict[str, str] = {}
        self._output = Interleaved()
        self._overlaps: tuple[Overlap, ...] | None = None
        """As the last record of them says; None: nothing is told yet."""

    def records(self, records: Iterable[Record], state: RunState) -> list[str]:
        """Lines for records; `state` has at least these records applied."""
        lines: list[str] = []
        for record in records:
            lines += self._record(record, state)
        return lines

    def output(self, step_id: str, data: bytes) -> list[str]:
        """Lines for a piece of a step's output, redacted bytes, cut anywhere."""
        return self._output.feed(step_id, data)

    def _record(self, record: Record, state: RunState) -> list[str]:
        match record.event:
            case RunnerStarted() as event:
                return [self._opening(event, state), *self._still_asked(record, state)]
            case QuestionAsked():
                question = asked_by(record, state)
                return self._asked(question, record) if question is not None else []
            case QuestionAnswered(question=number):
                return _answered(state.questions[number - 1])
            case Cached(hits=hits):
                return _cached({step: hit.reason for step, hit in hits.items()})
            case Admitted(step=step, reason=reason):
                self._admitted[step] = reason
                return []
            case AttemptStarted() as event:
                return [self._started(event, state)]
            case RetryScheduled() as event:
                return self._retry(event, record, state)
            case StepEnded() as event:
                return self._ended(event, record, state)
            case OverlapsSeen(overlaps=overlaps):
                before, self._overlaps = self._overlaps or (), overlaps
                return news_lines(before, overlaps)
            case event:
                return _rare(event)

    def _opening(self, event: RunnerStarted, state: RunState) -> str:
        if self._overlaps is None:
            # Whoever went before has told of those.
            self._overlaps = state.overlaps if event.resumed else ()
        name = f"run {self._header.number} of {cell(self._header.team)}"
        # A new run has added nothing when it starts, though the state may be further on.
        count = len(shown_steps(state)) if event.resumed else len(state.base.steps)
        steps = words.plural(count, "step")
        if not event.max_parallel:
            return f"{name}: a verb is done without a runner, so nothing starts"
        verb = "goes on" if event.resumed else "starts"
        return f"{name} {verb}: {steps}, at most {event.max_parallel} at once"

    def _still_asked(self, record: Record, state: RunState) -> list[str]:
        """What was asked in an earlier session and nobody has answered, and what is paused."""
        held = [cell(f"{hint}") for hint in paused_hints(state)]
        before = [question for question in state.unanswered.values() if question.asked < record.at]
        return [*held, *(line for question in before for line in self._asked(question, record))]

    def _asked(self, question: Question, record: Record) -> list[str]:
        return asked_lines(question, self._header.number, now=record.at, zone=self._zone)

    def _started(self, event: AttemptStarted, state: RunState) -> str:
        reason = event.reason or self._admitted.pop(event.step, "")
        if event.attempt == 1 and event.cause == "first":
            told = f" ({reason})" if reason else ""
        else:
            told = f" ({event.cause}: {reason})" if reason else f" ({event.cause}, attempt {event.attempt})"
        chosen = state.steps.get(event.step) if event.fallback is not None else None
        engine = f" on {chosen.step.by(event.fallback).engine}" if chosen is not None else ""
        return cell(f"{event.step}: started{engine}{told}")

    def _retry(self, event: RetryScheduled, record: Record, state: RunState) -> list[str]:
        ended = _attempt_at(state, event.step, record.at)
        took = _took(ended)
        if event.cause == "resume":
            return [cell(f"{event.step}: stopped{took}; {event.reason}")]
        when = f"in {words.duration(event.delay)}" if event.delay > 0 else "now"
        return [cell(f"{event.step}: failed{took}, tries again {when} ({event.reason})")]

    def _ended(self, event: StepEnded, record: Record, state: RunState) -> list[str]:
        lines = self._output.close(event.step)
        attempt = _attempt_at(state, event.step, record.at) if event.status != "skipped" else None
        told = _join(event.reason, _left_words(attempt, state.steps.get(event.step)))
        lines.append(cell(f"{event.step}: {event.status}{_took(attempt)}{': ' + told if told else ''}"))
        if attempt is not None and attempt.note:
            lines.append(cell(f"{event.step}: not kept in the cache: {attempt.note}"))
        if attempt is not None and attempt.aside:
            lines.append(cell(f"{event.step}: not committed: {attempt.aside}"))
        if event.status == "failed" and attempt is not None and state.steps[event.step].step.kind != ASK:
            lines += self._last_lines(event.step, attempt)
        return lines

    def _last_lines(self, step_id: str, attempt: AttemptState) -> list[str]:
        if self._tail is None:
            return []
        tail = tail_lines(self._tail(step_id, attempt.number), most=_TAIL)
        if not tail:
            return [cell(f"{step_id}: it printed nothing")]
        log = cell(self._header.log(step_id, attempt.number))
        told = "its last line" if len(tail) == 1 else f"its last {len(tail)} lines"
        return [cell(f"{step_id}: {told} ({log}):"), *numbered(tail, step_id)]


def _left_words(attempt: AttemptState | None, known: StepState | None) -> str:
    """What an attempt has left, where it was there to change something or did so."""
    left = attempt.outcome.left if attempt is not None and isinstance(attempt.outcome, Succeeded) else None
    own = known is not None and known.step.workspace != DEPENDENCY
    return left.stat if left is not None and (left.changed or own) else ""


def _join(first: str, second: str) -> str:
    return f"{first}; {second}" if first and second else first or second


def _answered(question: Question) -> list[str]:
    """Of an `ask` step its end tells the same."""
    return [] if question.own else [cell(f"{question.step}: {answer_words(question)}")]


def _rare(event: object) -> list[str]:
    """Lines of events that most runs do not have."""
    match event:
        case PhaseEnded(step=step, next=following):
            line = f"{step}: goes on with {following}"
        case AttemptStopping(step=step, cause=cause):
            line = f"{step}: is being stopped ({cause})"
        case StepFrozen(step=step, reason=reason):
            line = f"{step}: waiting (pause): {reason}"
        case StepThawed(step=step):
            line = f"{step}: goes on"
        case Warned(step=step, text=text):
            line = f"{step}: {text}"
        case StepWaiting(step=step, on="pause", by="interrupt", reason=reason):
            line = f"{step}: waiting: {reason}"
        case StepWaiting(step=step, on=on, reason=reason):
            line = f"{step}: waiting ({on}){': ' + reason if reason else ''}"
        case Reopened(cause="rework", by=by, steps=steps, reasons=reasons):
            others = [step for step in steps if step != by]
            line = f"{by}: {reasons.get(by, '')}{' opens ' + words.names(others) + ' again' if others else ''}"
        case Reopened(steps=steps, cause=cause):
            line = f"opened again ({cause}): {words.names(steps)}"
        case _:
            return _rare_of_run(event)
    return [cell(line)]


def _rare_of_run(event: object) -> list[str]:
    match event:
        case StopRequested(reason=reason, kill=kill):
            line = f"{'killing' if kill else 'stopping'}: {reason}"
        case StepsAdded(parent=parent, instances=instances):
            told = f"{words.plural(len(instances), 'instance')}: {words.names(list(instances))}"
            line = f"{parent}: {told if instances else 'its matrix is empty, so it has no instances'}"
        case EngineLimited(step="", engine=engine, reason=reason):
            line = f"{engine}: another run of yours has met its usage limit: {reason}"
        case LimitLifted(engine=engine, by=by):
            line = f"{engine} is in reach again, says {by}"
        case BudgetReached() as event:
            line = reached_words(event)
        case BudgetSet() as event:
            line = f"{event.by} sets the budget to {caps_words(Caps(event.usd, event.tokens))}"
        case PlanRevised(revision=revision, reason=reason):
            line = f"the plan has changed (revision {revision}): {reason}"
        case _:
            return _requested(event)
    return [cell(line)]


def _requested(event: object) -> list[str]:
    """Who asked for what."""
    match event:
        case CancelRequested(steps=steps, by=by):
            line = f"{by} cancels {'the run' if steps is None else words.names(steps)}"
        case PauseRequested(steps=steps, by=by, freeze=freeze):
            line = f"{by} {'freezes' if freeze else 'pauses'} {words.names(steps)}"
        case ResumeRequested(steps=steps, by=by):
            line = f"{by} resumes {words.names(steps)}"
        case MessageSent(steps=steps, by=by, text=text):
            line = f"{by} tells {words.names(steps)}: {text.strip().partition(chr(10))[0]}"
        case RelaunchRequested(step=step, by=by, changes=changes):
            line = f"{by} relaunches {step}{' with another ' + words.names(list(changes)) if changes else ''}"
        case RunPaused(by=by):
            line = f"paused by {by}: nothing new starts; `teamflow resume` lets it go on"
        case RunResumed(by=by):
            line = f"goes on, says {by}"
        case _:
            return []
    return [cell(line)]


def _cached(hits: dict[str, str]) -> list[str]:
    lines = [cell(f"{step}: cached{': ' + reason if reason else ''}") for step, reason in hits.items()]
    if len(lines) <= _MOST_HITS:
        return lines
    return [*lines[: _MOST_HITS - 1], f"and {len(lines) - _MOST_HITS + 1} more cached"]


def _attempt_at(state: RunState, step_id: str, at: float) -> AttemptState | None:
    """The attempt that had ended when a record of moment `at` was written; the state may be further on."""
    known = state.steps.get(step_id)
    for attempt in reversed(known.attempts if known is not None else []):
        if attempt.ended is not None and attempt.ended <= at:
            return attempt
    return None


def _took(attempt: AttemptState | None) -> str:
    if attempt is None or attempt.ended is None:
        return ""
    return f" after {words.duration(attempt.ended - attempt.started)}"
