"""What `run` does with the steps of a run that is already there: which are opened again, which stay.

Pure over the state and the difference of the plans (`docs/team-file.md`, "run converges"). In the order of the plan:

- failed, cancelled and redefined steps run again; interrupted ones resume; paused ones stay paused;
- a step that waits for a person goes on waiting, with the same question or the answer that it has, unless something
  before it is certain to run again: then the question is withdrawn, and asked anew afterwards;
- a finished step with `reads` or `cache` runs again when its key changed. Where the key is not known yet, because
  nobody looked or because something before it may run, it is opened again and looked up when its turn comes;
- a finished step without a key runs again when a dependency is certain to run again. When dependencies are only
  looked up again it stays, and is listed in `ripple`: it is opened again as soon as one of them has really been
  run. So a look-up that finds the same result, or an upstream that ran and gave the same, stops the ripple;
- a step that a round of a loop has opened again, and that has finished in it, stays while that round goes on, even with
  a key: what it was asked for is done;
- a skipped step is looked at again when something before it is opened again; else it would be skipped again;
- a step that is expanded is expanded anew when something before it is opened again. Whether there are other instances
  shows then; until then what depends on it stays;
- everything else stays, with the reason saying when it ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Final

from teamflow.core.events import Reopened
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Plan, Step
from teamflow.core.questions import answer_words
from teamflow.core.state import RunState, StepState, ran_since
from teamflow.core.status import ENDED, Status
from teamflow.plan.diff import REDEFINED, SAME, Change

_OPEN: Final = (Status.PENDING, Status.QUEUED, Status.RUNNING)


class Converged(NamedTuple):
    """Step id → reason, by what happens to it. `events` are the records that bring it about."""

    retry: Mapping[str, str]
    """Failed and cancelled steps: a new attempt."""
    revision: Mapping[str, str]
    """Redefined ones, and those that what came before them makes stale or doubtful."""
    resume: Mapping[str, str]
    """Interrupted ones: the next attempt goes on where the last one stopped."""
    stays: Mapping[str, str]
    """Finished ones that are not run again: when they ended."""
    skipped: Mapping[str, str]
    """Skipped ones that would be skipped again."""
    paused: Mapping[str, str]
    """Ones that wait for somebody to resume them."""
    asks: Mapping[str, str]
    """Ones whose question is open, or answered: what is asked."""
    ripple: Mapping[str, tuple[str, ...]]
    """Step → dependencies; if one of them is run, not found in the cache, after the step has ended, that is opened
    again."""
    stop: tuple[str, ...]
    """Steps that run now with a definition that no longer holds."""
    later: Mapping[str, str] = {}
    """Steps that run now and are opened again once they have ended, because something before them runs again."""
    running: tuple[str, ...] = ()
    """Steps that run now, as far as the log tells, and go on as they are."""

    def events(self) -> tuple[Reopened, ...]:
        causes = (("retry", self.retry), ("revision", self.revision), ("resume", self.resume))
        return tuple(Reopened(tuple(steps), cause, dict(steps)) for cause, steps in causes if steps)


class _Fate(Enum):
    """What a step's dependents may expect of it."""

    STAYS = auto()
    EXPANDED = auto()
    MAYBE = auto()
    RUNS = auto()


def reopen(
    state: RunState,
    plan: Plan,
    changes: Mapping[str, Change],
    *,
    keys: Mapping[str, str | None] | None = None,
) -> Converged:
    """What becomes of the steps of `plan` that `state` knows.

    `keys`: finished step with a key → what changed in it, None when nothing did; a step that is not in it has not
    been looked at.
    """
    out = _Found()
    fates: dict[str, _Fate] = {}
    for step in plan.steps:
        known = state.steps.get(step.id)
        change = changes.get(step.id, _SAME)
        if known is None:
            fates[step.id] = _Fate.RUNS if step.expansion is None else _Fate.EXPANDED
            continue
        asks = _asks(state, known) if known.status is Status.WAITING else ""
        case = _Case(step, known, change, keys or {}, fates, asks, _in_round(state, known))
        fates[step.id] = _settle(case, out)
        if known.at_work:
            _settle_running(case, out, ran_since(state, known))
            if step.id not in out.stop:
                out.running.append(step.id)
        stay_yet = [edge.on for edge in step.counted_edges if edge.on in out.ripple]
        if stay_yet:
            # It may be done again, or found as it was, before they are opened again: then it has to follow.
            out.ripple[step.id] = tuple(dict.fromkeys((*out.ripple.get(step.id, ()), *stay_yet)))
    return out.converged()


def _in_round(state: RunState, known: StepState) -> bool:
    """Whether it has finished in a round that goes on."""
    source = state.steps.get(known.feedback.step) if known.feedback is not None else None
    return source is not None and source.status not in ENDED


_SAME: Final = Change(SAME)


class _Found:
    """A `Converged` while it is being made."""

    def __init__(self) -> None:
        self.retry: dict[str, str] = {}
        self.revision: dict[str, str] = {}
        self.resume: dict[str, str] = {}
        self.stays: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self.paused: dict[str, str] = {}
        self.asks: dict[str, str] = {}
        self.ripple: dict[str, tuple[str, ...]] = {}
        self.stop: list[str] = []
        self.later: dict[str, str] = {}
        self.running: list[str] = []

    def converged(self) -> Converged:
        return Converged(
            retry=self.retry,
            revision=self.revision,
            resume=self.resume,
            stays=self.stays,
            skipped=self.skipped,
            paused=self.paused,
            asks=self.asks,
            ripple=self.ripple,
            stop=tuple(self.stop),
            later=self.later,
            running=tuple(self.running),
        )


class _Case(NamedTuple):
    """One step to be settled, with what is known of those before it."""

    step: Step
    known: StepState
    change: Change
    keys: Mapping[str, str | None]
    fates: Mapping[str, _Fate]
    asks: str
    """What it has asked a person, or been answered; empty when nobody's answer counts."""
    in_round: bool

    def before(self, fate: _Fate) -> tuple[str, ...]:
        return tuple(edge.on for edge in self.step.counted_edges if self.fates.get(edge.on) is fate)


def _settle(case: _Case, out: _Found) -> _Fate:
    known, step_id = case.known, case.step.id
    status = known.status
    if case.step.expansion is not None:
        return _settle_expanded(case, out)
    if status in _OPEN or known.at_work:
        return _settle_open(case, out)
    if status is Status.WAITING and known.waiting_by == "user":
        out.paused[step_id] = known.reason
        return _Fate.MAYBE
    again = case.change.reason if case.change.kind == REDEFINED else known.stale
    if again is not None:
        out.revision[step_id] = again
        return _Fate.RUNS
    match status:
        case Status.WAITING if case.asks:
            return _settle_asking(case, out, _Fate.RUNS)
        case Status.WAITING:
            out.resume[step_id] = known.reason
            return _Fate.RUNS
        case Status.FAILED:
            out.retry[step_id] = f"failed before: {known.reason}" if known.reason else "failed before"
            return _Fate.RUNS
        case Status.CANCELLED:
            out.retry[step_id] = "was cancelled"
            return _Fate.RUNS
        case Status.SKIPPED:
            return _settle_skipped(case, out)
    keyed = case.step.cache and not case.in_round
    return _settle_keyed(case, out) if keyed else _settle_finished(case, out)


def _settle_open(case: _Case, out: _Found) -> _Fate:
    known = case.known
    if known.frozen:
        out.paused[case.step.id] = known.reason
    looked_up = case.step.cache and not known.has_to_run
    return _Fate.MAYBE if looked_up and case.change.kind == SAME else _Fate.RUNS


def _asks(state: RunState, known: StepState) -> str:
    if known.question is None or known.waiting_on != "person":
        return ""
    question = state.questions[known.question - 1]
    if question.withdrawn:
        return ""
    return f"has asked: {known.reason}" if question.open else answer_words(question)


def _settle_asking(case: _Case, out: _Found, fate: _Fate) -> _Fate:
    if case.before(_Fate.RUNS):
        out.revision[case.step.id] = _because(case)
    else:
        # Something before it, which may be found as it was, may really have to run: `policy/asking.py` sees to that,
        # and `policy/expand.py` to another list.
        out.asks[case.step.id] = case.asks
    return fate


def _settle_expanded(case: _Case, out: _Found) -> _Fate:
    """It costs nothing, so it is done whenever the list may be another one."""
    known, step_id = case.known, case.step.id
    if known.status in _OPEN:
        return _Fate.EXPANDED
    why = case.change.reason if case.change.kind == REDEFINED else known.stale or _because(case, _Fate.EXPANDED)
    match known.status:
        case Status.WAITING if case.asks and case.change.kind != REDEFINED and known.stale is None:
            return _settle_asking(case, out, _Fate.EXPANDED)
        case Status.WAITING if known.waiting_by == "user" and not why:
            out.paused[step_id] = known.reason
        case Status.WAITING if not why:
            out.resume[step_id] = known.reason
        case Status.FAILED | Status.CANCELLED:
            out.retry[step_id] = why or f"was {known.status.value}"
        case _ if why:
            out.revision[step_id] = why
        case Status.SKIPPED:
            out.skipped[step_id] = known.reason
            return _Fate.STAYS
        case _:
            out.stays[step_id] = _ended(known)
            return _Fate.STAYS
    return _Fate.EXPANDED


def _settle_running(case: _Case, out: _Found, ran_again: str) -> None:
    """It is left alone, and done again when what it rests on is, or was in a session that did not see it end."""
    if case.change.kind == REDEFINED:
        out.stop.append(case.step.id)
    elif case.before(_Fate.RUNS):
        out.later[case.step.id] = _because(case)
    elif ran_again:
        out.later[case.step.id] = f"{ran_again} ran again"
    elif doubtful := case.before(_Fate.MAYBE):
        out.ripple[case.step.id] = doubtful


def _settle_skipped(case: _Case, out: _Found) -> _Fate:
    why = _because(case, _Fate.EXPANDED)
    if not why or case.step.skip is not None:
        out.skipped[case.step.id] = case.known.reason
        return _Fate.STAYS
    out.revision[case.step.id] = why
    return _Fate.MAYBE


def _settle_keyed(case: _Case, out: _Found) -> _Fate:
    step_id = case.step.id
    why = _because(case)
    if why:
        out.revision[step_id] = f"looked up again: {why}"
        return _Fate.MAYBE
    if step_id not in case.keys:
        out.revision[step_id] = "looked up again"
        return _Fate.MAYBE
    changed = case.keys[step_id]
    if changed is not None:
        out.revision[step_id] = changed
        return _Fate.RUNS
    out.stays[step_id] = f"unchanged: {_ended(case.known)}"
    return _Fate.STAYS


def _settle_finished(case: _Case, out: _Found) -> _Fate:
    if case.before(_Fate.RUNS):
        out.revision[case.step.id] = _because(case)
        return _Fate.RUNS
    out.stays[case.step.id] = _ended(case.known)
    doubtful = case.before(_Fate.MAYBE)
    if not doubtful:
        return _Fate.STAYS
    out.ripple[case.step.id] = doubtful
    return _Fate.MAYBE


def _because(case: _Case, *more: _Fate) -> str:
    """Why a step is opened again: what before it runs again, or may; empty when nothing does."""
    for fate, word in ((_Fate.RUNS, "runs"), (_Fate.MAYBE, "may run"), *((each, "may change") for each in more)):
        again = case.before(fate)
        if again:
            others = f" (and {len(again) - 1} more)" if len(again) > 1 else ""
            return f"{again[0]} {word} again{others}"
    return ""


def _ended(known: StepState) -> str:
    when = ""
    if known.ended_at is not None:
        when = f" at {datetime.fromtimestamp(known.ended_at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"{known.status.value}{when}"
