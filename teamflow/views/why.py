"""One line for one step: why it waits, runs, ran, was skipped, cached, retried, cancelled, failed.

What the state forgets when a step moves on (why it was admitted, which run a hit came from) is read from the records.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from teamflow.core.attempts import AttemptState
from teamflow.core.events import Admitted, AttemptStarted, Cached, Now, Record, Reopened
from teamflow.core.outcome import Failed, FailureClass, Stopped
from teamflow.core.plan import ASK
from teamflow.core.shell import run_words
from teamflow.core.state import RunState, StepState
from teamflow.core.status import Status
from teamflow.views import words
from teamflow.views.figures import attempt_seconds
from teamflow.views.left import making_words
from teamflow.views.overlaps import conflict_words
from teamflow.views.questions import how
from teamflow.views.sanitize import cell
from teamflow.views.waiting import wait_of, wait_words

NEVER: Final = "never ran"
"""The reason with which a step is admitted of which the cache knows nothing."""

_LISTED: Final = 5
"""Files that the reason of a conflict names."""

_MOST_FILES: Final = 20
_LONGEST: Final = 80
"""Characters of what a step was told."""


@dataclass(slots=True)
class Past:
    """What the log says of one step beyond its state."""

    admitted: str = ""
    reopened: str = ""
    origin: tuple[int, int] | None = None
    before: int | None = None


def past_of(records: Iterable[Record], step_id: str) -> Past:
    past = Past()
    for record in records:
        match record.event:
            case Admitted(step=step, reason=reason) if step == step_id:
                past.admitted = reason
            case Reopened(steps=steps, reasons=reasons, cause=cause) if step_id in steps:
                past = Past(reopened=reasons.get(step_id) or cause)
            case Cached(hits=hits) if step_id in hits:
                past.origin = hits[step_id].origin
            case AttemptStarted(step=step) if step == step_id:
                past.origin = None
            case _:
                pass
    return past


def why(
    state: RunState,
    step_id: str,
    records: Iterable[Record],
    now: Now,
    *,
    run: int = 0,
    gone: bool = False,
    lost: bool = False,
    before: int | None = None,
    zone: tzinfo | None = None,
) -> str:
    """The line, clean for a terminal. KeyError: there is no such step. `run`: its number; `before`: that of the run
    before it, where the step had succeeded there."""
    known = state.steps[step_id]
    if lost and known.live is not None:
        return cell(f"{step_id}: {_lost(state)}")
    past = past_of(records, step_id)
    past.before = before
    line = _line(state, known, past, now, run=run, gone=gone, zone=zone)
    return cell(f"{step_id}: {_join(line, _told(known))}")


def _line(state: RunState, known: StepState, past: Past, now: Now, *, run: int, gone: bool, zone: tzinfo | None) -> str:
    match known.status:
        case Status.PENDING | Status.QUEUED | Status.WAITING:
            wait = wait_of(state, known, now, gone=gone)
            told = wait_words(wait, now, run=run, zone=zone) if wait is not None else ""
            if wait is not None and wait.question is not None:
                told = _join(told, how(state.questions[wait.question - 1], run))
            return _join(f"{known.status.value}: {told}", _again(past))
        case Status.RUNNING:
            return _running(state, known, past, now, gone=gone, zone=zone)
        case Status.SKIPPED:
            return f"skipped: {known.reason}"
        case Status.CACHED:
            return _cached(known, past)
        case Status.SUCCEEDED | Status.FAILED | Status.CANCELLED:
            return _ended(state, known, past, now, zone=zone)


def _running(state: RunState, known: StepState, past: Past, now: Now, *, gone: bool, zone: tzinfo | None) -> str:
    live = known.live
    if live is None:
        return "running: its attempt has ended, and what follows is being decided"
    since = f"since {words.moment(live.started, now=now.wall, zone=zone)}"
    took = words.duration(attempt_seconds(state, live, now))
    line = f"running {since} ({took}){_which(known, live)}"
    if making := making_words(state, known):
        line += f", {making}"
    if live.phase and live.phase != "agent":
        line += f", in {live.phase}"
    if live.stopping is not None:
        line += f", being stopped ({live.stopping})"
    if gone:
        line += f"; its runner is gone: `{run_words(state.plan.file)}` takes it up again"
    line = _join(line, _cause(known, live, past))
    return _join(_warned(line, live), conflict_words(state, known.step.id))


def _ended(state: RunState, known: StepState, past: Past, now: Now, *, zone: tzinfo | None) -> str:
    newest = known.attempt
    line = known.status.value
    if newest is not None:
        line += f" after {words.duration(attempt_seconds(state, newest, now))}"
    if known.ended_at is not None:
        line += f" at {words.moment(known.ended_at, now=now.wall, zone=zone)}"
    if newest is not None:
        line += _which(known, newest)
    if known.reason:
        line += f": {known.reason}"
    if newest is None:
        return line
    line = _warned(_join(_join(line, _cause(known, newest, past)), _remedy(known, newest)), newest)
    if known.left is not None and known.status is Status.SUCCEEDED:
        line = _join(line, f"{known.left.stat}{f' on {known.left.branch}' if known.left.branch else ''}")
    line = _join(line, f"not committed: {newest.aside}" if newest.aside else "")
    return _join(line, f"not kept in the cache: {newest.note}" if newest.note else "")


def _remedy(known: StepState, attempt: AttemptState) -> str:
    """What to do about what its dependencies have left, where that does not merge."""
    match attempt.outcome:
        case Failed(failure=FailureClass.CONFLICT, detail=detail) if detail:
            files = detail.split("\n")
            more = f"all of them: {words.names(files, most=_MOST_FILES)}; " if len(files) > _LISTED else ""
            if known.step.parent is not None:
                return f"{more}let one step merge before it, with `on_conflict`"
            return f"{more}`on_conflict: AGENT` at {known.step.agent} lets another agent mend it first"
        case _:
            return ""


def _cached(known: StepState, past: Past) -> str:
    line = f"cached: {known.reason or 'nothing that it depends on has changed'}"
    if past.origin is not None and f"run {past.origin[0]}" not in line:
        line += f" (from run {past.origin[0]}, attempt {past.origin[1]})"
    return line


def _warned(line: str, attempt: AttemptState) -> str:
    for text in attempt.warnings:
        line = _join(line, text)
    return line


def _which(known: StepState, attempt: AttemptState) -> str:
    return f", attempt {attempt.number}" if len(known.attempts) > 1 else ""


def _cause(known: StepState, attempt: AttemptState, past: Past) -> str:
    """Why this attempt was started."""
    if attempt.cause != "first":
        told = attempt.reason or past.reopened
        rounds = words.round_words(known) if known.reworking and attempt.cause != "rework" else ""
        return (f"{attempt.cause} ({told})" if told else attempt.cause) + (f", in {rounds}" if rounds else "")
    told = past.admitted or attempt.reason
    if told == NEVER:
        return "it had never run before"
    if told:
        return f"it ran because {told}"
    if known.step.kind == ASK or known.step.cache or past.before is None:
        return ""
    had = f"it ran again although run {past.before} had succeeded with it"
    return f"{had}: it declares neither `reads` nor `cache`"


def _told(known: StepState) -> str:
    """What people or other steps have told it last."""
    if not known.messages:
        return ""
    last = known.messages[-1]
    lines = last.text.strip().splitlines() or [""]
    text = f"{lines[0]} …" if len(lines) > 1 else lines[0]
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    often = f"{len(known.messages)} times, last " if len(known.messages) > 1 else ""
    unheard = " (it has not heard that yet)" if known.heard < len(known.messages) else ""
    return f"told {often}by {last.by}: {text}{unheard}"


def _again(past: Past) -> str:
    return f"opened again: {past.reopened}" if past.reopened else ""


def _join(line: str, more: str) -> str:
    return f"{line}; {more}" if more else line


def _lost(state: RunState) -> str:
    return f"lost: its process, runner and keeper are gone; `{run_words(state.plan.file)}` takes it up again"


def short_reason(
    state: RunState,
    known: StepState,
    now: Now,
    *,
    run: int,
    gone: bool = False,
    lost: bool = False,
    zone: tzinfo | None = None,
) -> str:
    """What the last column of a table says of a step that does not run: why, in a few words. `lost`: nothing of the run
    is there any more, whatever its log says."""
    if lost and known.live is not None:
        return _lost(state)
    wait = wait_of(state, known, now, gone=gone)
    if wait is not None:
        rounds = f"{words.round_words(known)}, " if known.round > 1 else ""
        return rounds + wait_words(wait, now, run=run, zone=zone)
    if known.status is Status.RUNNING:
        return _live_words(state, known)
    newest = known.attempt
    if known.status is Status.SUCCEEDED and len(known.attempts) > 1 and newest is not None:
        return known.reason or f"in attempt {newest.number}"
    if known.status is Status.SUCCEEDED and newest is not None and newest.warnings and not known.reason:
        return newest.warnings[0]
    return known.reason


def _live_words(state: RunState, known: StepState) -> str:
    live = known.live
    if live is None:
        newest = known.attempt
        match newest.outcome if newest is not None else None:
            case Failed(reason=reason):
                return reason
            case Stopped(cause=cause):
                return f"stopped ({cause})"
            case _:
                return ""
    if live.stopping is not None:
        return f"being stopped ({live.stopping})"
    if making := making_words(state, known):
        return making
    if known.progress is not None:
        percent, text = known.progress
        share = "" if percent is None else f"{percent:.0f}% "
        return f"{share}{text}".strip()
    rounds = words.round_words(known) if known.reworking else ""
    tries = f"attempt {live.number}" if live.number > 1 else ""
    phase = live.phase if live.phase not in ("", "agent") else ""
    return ", ".join(part for part in (rounds, tries, phase) if part)
